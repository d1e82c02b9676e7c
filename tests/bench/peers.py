"""The same workloads on other libraries. Imported: asks the peers' Python. Run: is the peer."""

import functools
import json
import os
import subprocess
import sys
import time


class Peers:
    """Runs this file under the environment that has the peers."""

    def __init__(self, python):
        self.python = python

    def ask(self, peer, workload, **arguments):
        """What the workload measured, or None when the peer is not installed."""
        ended = subprocess.run([self.python, __file__, peer, workload, json.dumps(arguments)],
                               capture_output=True, text=True, check=False)
        if ended.returncode == 77:
            return None
        if ended.returncode != 0:
            raise SystemExit(f"error: {peer} {workload}:\n{ended.stderr[-2000:]}")
        return json.loads(ended.stdout.splitlines()[-1])


# User functions: what run() does in our jobs.

def noop(path):
    return [path]


def nap(seconds, path):
    """Exactly that long: a sleep alone ends late by what the kernel likes."""
    end = time.perf_counter() + seconds
    time.sleep(seconds - 0.0003)
    while time.perf_counter() < end:
        pass
    return [path]


def stamp(_):
    return time.time_ns()


# Peers: each maps a function over items on two processes, warmed up first.

def pool(function, items, chunk=1):
    import multiprocessing

    with multiprocessing.Pool(2) as workers:
        workers.map(noop, ["warm"] * 4, chunksize=1)
        started = time.perf_counter()
        for _ in workers.imap_unordered(function, items, chunksize=chunk):
            pass
        return time.perf_counter() - started


def loop(function, items, ready, go):
    ready.release()
    go.wait()
    for item in items:
        function(item)


def bare(function, items):
    import multiprocessing

    ready, go = multiprocessing.Semaphore(0), multiprocessing.Event()
    halves = [multiprocessing.Process(target=loop, args=(function, items[half::2], ready, go))
              for half in (0, 1)]
    for half in halves:
        half.start()
    for _ in halves:
        ready.acquire()
    started = time.perf_counter()
    go.set()
    for half in halves:
        half.join()
    return time.perf_counter() - started


def executor(function, items):
    import concurrent.futures

    with concurrent.futures.ProcessPoolExecutor(2) as workers:
        list(workers.map(noop, ["warm"] * 4))
        started = time.perf_counter()
        for _ in workers.map(function, items, chunksize=1):
            pass
        return time.perf_counter() - started


def joblib_loky(function, items):
    import joblib

    with joblib.Parallel(n_jobs=2, batch_size=1) as parallel:
        parallel(joblib.delayed(noop)("warm") for _ in range(4))
        started = time.perf_counter()
        parallel(joblib.delayed(function)(item) for item in items)
        return time.perf_counter() - started


def dask_distributed(function, items):
    from dask.distributed import Client, LocalCluster

    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        with Client(cluster) as client:
            client.gather(client.map(noop, ["warm"] * 4))
            started = time.perf_counter()
            client.gather(client.map(function, items, pure=False))
            return time.perf_counter() - started


def ray_tasks(function, items):
    import ray

    ray.init(num_cpus=2, include_dashboard=False, logging_level="ERROR", log_to_driver=False)
    task = ray.remote(function) if not isinstance(function, functools.partial) else \
        ray.remote(lambda item: function(item))
    ray.get([task.remote("warm") for _ in range(4)])
    started = time.perf_counter()
    ray.get([task.remote(item) for item in items])
    seconds = time.perf_counter() - started
    ray.shutdown()
    return seconds


MAPS = {"bare": bare, "pool": pool, "pool64": functools.partial(pool, chunk=64),
        "executor": executor, "joblib": joblib_loky, "dask": dask_distributed, "ray": ray_tasks}


def first_task_ns(peer):
    """Wall time at which a peer's first task ran, from a fresh interpreter."""
    if peer == "python":
        return stamp(0)
    if peer == "pool":
        import multiprocessing
        with multiprocessing.Pool(2) as workers:
            return workers.apply(stamp, (0,))
    if peer == "executor":
        import concurrent.futures
        with concurrent.futures.ProcessPoolExecutor(2) as workers:
            return workers.submit(stamp, 0).result()
    if peer == "joblib":
        import joblib
        return joblib.Parallel(n_jobs=2)(joblib.delayed(stamp)(0) for _ in range(2))[0]
    if peer == "dask":
        from dask.distributed import Client
        with Client(n_workers=2, threads_per_worker=1, dashboard_address=None) as client:
            return client.submit(stamp, 0).result()
    import ray
    ray.init(num_cpus=2, include_dashboard=False, logging_level="ERROR", log_to_driver=False)
    return ray.get(ray.remote(stamp).remote(0))



def measure(peer, workload, arguments):
    if workload == "first":
        return first_task_ns(peer)
    if workload == "score":
        import score_peers
        return score_peers.run(peer, **arguments)
    if workload == "plan":
        import plan_peers
        return plan_peers.run(peer, **arguments)
    items = [f"item-{number}" for number in range(arguments["count"])]
    seconds = arguments.get("seconds", 0)
    function = functools.partial(nap, seconds) if seconds else noop
    return MAPS[peer](function, items)


if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    try:
        answer = measure(sys.argv[1], sys.argv[2], json.loads(sys.argv[3]))
    except ImportError as error:
        print(error, file=sys.stderr)
        sys.exit(77)
    print(json.dumps(answer))
