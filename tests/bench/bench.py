"""`./dev bench`: tables with the peers beside us, all measured in this run on this machine."""

import argparse
import os
import pathlib
import platform
import sys

import measures
import ours
import peers


def print_table(title, rows):
    """`rows`: (who, value, unit, remark); the ratio is to the first row."""
    print(f"\n{title}")
    base = rows[0][1]
    for who, value, unit, remark in rows:
        if value is None:
            print(f"  {who:42s} {'not here':>12s}            {remark}")
            continue
        ratio = value / base if base else float("nan")
        print(f"  {who:42s} {value:12.4g} {unit:7s} {ratio:8.2f}×  {remark}")
    sys.stdout.flush()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="measures to run; all when left out")
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--work", type=pathlib.Path, required=True, help="folder for data")
    parser.add_argument("--peers-python", default=sys.executable)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    if options.list:
        for name, function in measures.ALL.items():
            print(f"{name:10s} {function.__doc__.splitlines()[0]}")
        return
    unknown = [name for name in options.names if name not in measures.ALL]
    if unknown:
        sys.exit(f"error: unknown measure {unknown[0]} (known: {', '.join(measures.ALL)})")
    options.work.mkdir(parents=True, exist_ok=True)
    bench = measures.Bench(ours.Program(options.build / "cli" / "paralleljob", options.work),
                           peers.Peers(options.peers_python), options.work, options.repeat)
    print(f"{os.cpu_count()} CPUs, Python {platform.python_version()}, {platform.release()}; "
          f"medians of {options.repeat}, range in brackets; × = ratio to the first row")
    for name in options.names or measures.ALL:
        print_table(measures.ALL[name].__doc__.splitlines()[0], measures.ALL[name](bench))


if __name__ == "__main__":
    main()
