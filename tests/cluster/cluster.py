"""The command line of the test cluster: `./dev cluster` calls it.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 no cluster is up, 77 this machine cannot hold one.
"""

import argparse
import os
import pathlib
import shutil
import sys
import time

import enclosure
import kube_cluster
import programs

NOT_UP, CANNOT_RUN = 3, 77
OURS = ("paralleljob", "kubectl-parallel")
DESCRIPTION = """A real Kubernetes on this machine, for tests and for looking around: etcd, API
server (with an audit log), controllers, scheduler, and nodes with kubelet and containerd, all in a
network, process tree and mounts of its own. Nothing leaves the machine; `down` leaves nothing."""
EPILOGUE = """Pods find images that `load` or a test brought (imagePullPolicy: Never), and the API
server; there is neither DNS nor kube-proxy. Exit codes: 1 failed, 2 wrong usage, 3 no cluster is
up, 77 this machine cannot hold a cluster (no root, or the kernel's features are missing)."""


def main() -> int:
    options = _parser().parse_args()
    cache = pathlib.Path(options.cache)
    found = programs.Programs(cache)
    if options.command == "build":
        found.build()
        return 0
    if options.command == "check":
        enclosure.check_machine()
        return 0
    return COMMANDS[options.command](
        kube_cluster.Cluster(cache / "cluster" / options.name, found), options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="./dev cluster", description=DESCRIPTION,
                                     epilog=EPILOGUE)
    parser.add_argument("--cache", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--name", default="default", help="several may be up; default: %(default)s")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    up = commands.add_parser("up", help="start it, or the nodes that it lacks; harmless when up")
    up.add_argument("--nodes", type=int, default=2, metavar="N",
                    help="0 to 9; 0 is a control plane only; default: %(default)s")
    commands.add_parser("down", help="end it and forget its state; harmless when down")
    commands.add_parser("status", help="what runs, and where its files are")
    run = commands.add_parser("exec", help="run a program in its network with KUBECONFIG set; "
                              "kubectl, helm and this tree's paralleljob are on the PATH; "
                              "alone: a shell")
    run.add_argument("argv", nargs=argparse.REMAINDER, metavar="PROGRAM …")
    load = commands.add_parser("load", help="give all nodes an image archive")
    load.add_argument("archive", type=pathlib.Path)
    commands.add_parser("build", help="build Kubernetes and helm into the cache (once)")
    commands.add_parser("check", help="can this machine hold a cluster?")
    return parser


def up(cluster: kube_cluster.Cluster, options) -> int:
    start = time.monotonic()
    enclosure.check_machine()
    cluster.programs.build()
    was_up = cluster.is_up()
    cluster.up(options.nodes)
    print(f"   {'was' if was_up else 'is'} up after {time.monotonic() - start:.1f} s: "
          f"./dev cluster exec kubectl get nodes,pods --all-namespaces")
    return 0


def down(cluster: kube_cluster.Cluster, _) -> int:
    cluster.down()
    return 0


def status(cluster: kube_cluster.Cluster, _) -> int:
    if not cluster.is_up():
        print("no cluster is up: ./dev cluster up")
        return NOT_UP
    for name in cluster.home.names():
        print(f"{'running' if cluster.home.running(name) else 'ENDED':8} {name}")
    print(f"\nfiles, logs, audit log: {cluster.folder}\n", flush=True)
    done = cluster.kubectl("get", "nodes", check=False, seconds=20)
    print(done.stdout or done.stderr, end="")
    return done.returncode


def run(cluster: kube_cluster.Cluster, options) -> int:
    if not cluster.is_up():
        print("no cluster is up: ./dev cluster up", file=sys.stderr)
        return NOT_UP
    given = options.argv[1:] if options.argv[:1] == ["--"] else options.argv  # as of kubectl exec
    wanted = given or [os.environ.get("SHELL", "/bin/sh")]
    environment = cluster.environment()
    if not shutil.which(wanted[0], path=environment["PATH"]):
        hint = ": ./dev build makes it" if wanted[0] in OURS else " on the PATH"
        raise RuntimeError(f"there is no program {wanted[0]}{hint}")
    argv = cluster.home.enter(wanted)
    os.execvpe(argv[0], argv, environment)


def load(cluster: kube_cluster.Cluster, options) -> int:
    if not cluster.is_up():
        print("no cluster is up: ./dev cluster up", file=sys.stderr)
        return NOT_UP
    cluster.load(options.archive)
    return 0


COMMANDS = {"up": up, "down": down, "status": status, "exec": run, "load": load}

if __name__ == "__main__":
    try:
        sys.exit(main())
    except enclosure.CannotRun as reason:
        print(f"CANNOT RUN A CLUSTER HERE: {reason}", file=sys.stderr)
        sys.exit(CANNOT_RUN)
    except FileNotFoundError as missing:
        print(f"error: there is no {missing.filename}; what a cluster needs of Debian is installed "
              "by ./dev cluster up", file=sys.stderr)
        sys.exit(1)
    except (OSError, RuntimeError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
