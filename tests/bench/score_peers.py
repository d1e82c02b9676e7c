"""Scoring one CSV into one CSV in other ways: the model is a fixed numpy vector."""

import multiprocessing
import os
import time

import numpy as np
import pandas as pd

WEIGHTS = np.linspace(-1, 1, 10)
CHUNK = 100_000


def score(frame):
    out = frame[["c0", "c1"]].copy()
    out["score"] = frame.to_numpy() @ WEIGHTS
    return out


def to_text(frame):
    return score(frame).to_csv(index=False, header=False)


def plain(source, target):
    score(pd.read_csv(source)).to_csv(target, index=False)


def chunks(source, target):
    with multiprocessing.Pool(2) as workers, open(target, "w", encoding="utf-8") as out:
        out.write("c0,c1,score\n")
        for text in workers.imap(to_text, pd.read_csv(source, chunksize=CHUNK)):
            out.write(text)


def one_range(arguments):
    source, names, offset, length = arguments
    with open(source, "rb") as file:
        file.seek(offset)
        data = file.read(length)
    import io
    return to_text(pd.read_csv(io.BytesIO(data), names=names))


def ranges(source, target, size=4 << 20):
    pieces = []
    with open(source, "rb") as file:
        names = file.readline().decode().strip().split(",")
        begin, total = file.tell(), os.path.getsize(source)
        while begin < total:
            file.seek(min(begin + size, total))
            file.readline()
            pieces.append((source, names, begin, file.tell() - begin))
            begin = file.tell()
    with multiprocessing.Pool(2) as workers, open(target, "w", encoding="utf-8") as out:
        out.write("c0,c1,score\n")
        for text in workers.imap(one_range, pieces):
            out.write(text)


def dask_frames(source, target):
    import dask
    import dask.dataframe as dd

    with dask.config.set(scheduler="processes", num_workers=2):
        dd.read_csv(source, blocksize="16MB").map_partitions(score).to_csv(
            target, single_file=True, index=False)


def ray_data(source, target):
    import ray

    ray.init(num_cpus=2, include_dashboard=False, logging_level="ERROR", log_to_driver=False)
    data = ray.data.read_csv(source).map_batches(score, batch_format="pandas", batch_size=CHUNK)
    with open(target, "w", encoding="utf-8") as out:
        out.write("c0,c1,score\n")
        for batch in data.iter_batches(batch_format="pandas", batch_size=None):
            out.write(batch.to_csv(index=False, header=False))
    ray.shutdown()


WAYS = {"plain": plain, "chunks": chunks, "ranges": ranges, "dask": dask_frames, "ray": ray_data}


def run(peer, source, target):
    started = time.perf_counter()
    WAYS[peer](source, target)
    return time.perf_counter() - started
