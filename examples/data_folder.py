"""The command line of the scripts that make data; they have it in common."""

import argparse
import pathlib
import sys

WAY_OUT = """\
apt-get install python3-numpy python3-sklearn python3-pil
pip install numpy scikit-learn pillow
or take the Python that ./dev sets up: ~/.cache/paralleljob/venv/bin/python3"""


def main(script, doc, make):
    """make(folder), for the folder of the command line or `data` beside the script."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=pathlib.Path,
                        default=pathlib.Path(script).resolve().with_name("data"),
                        help="made if it is missing; default: %(default)s, where job.yaml looks")
    folder = parser.parse_args().folder
    try:
        make(folder)
    except ModuleNotFoundError as missing:
        sys.exit(f"error: {sys.executable} does not have {missing.name}, which this data is made "
                 f"with; one of these helps:\n{WAY_OUT}")
    except OSError as failed:
        sys.exit(f"error: cannot write to {folder}: {failed}")
    print(f"made: {folder}")
