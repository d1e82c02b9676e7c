"""End to end: the built program, real Python slots, real files."""

import os
import pathlib
import subprocess
import sys

import pytest

import jobs

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"


@pytest.fixture(scope="session")
def program():
    """The built paralleljob; PARALLELJOB names it."""
    path = os.environ.get("PARALLELJOB", "")
    if not pathlib.Path(path).is_file():
        pytest.fail("PARALLELJOB must name the built program (./dev test sets it)")
    return path


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """A function: example → folder with its data, made once a session."""
    made = {}

    def make(name):
        if name not in made:
            folder = tmp_path_factory.mktemp("data") / name
            subprocess.run([sys.executable, str(EXAMPLES / name / "make_data.py"), str(folder)],
                           check=True)
            made[name] = folder
        return made[name]

    return make


@pytest.fixture
def cli(program, tmp_path):
    """The command line, with `tmp_path/out` as the folder of results."""
    return jobs.CommandLine(program, tmp_path)
