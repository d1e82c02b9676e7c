"""The built programs carry the hardening flags: read from the ELF files themselves."""

import os
import pathlib
import re
import subprocess

import pytest

BUILD = pathlib.Path(os.environ.get("PARALLELJOB_BUILD", ""))
HOST = "worker/host/paralleljob-host"  # static
PROGRAMS = ["cli/paralleljob", "worker/paralleljob-worker", "operator/paralleljob-operator", HOST]


def readelf(program, *options):
    path = BUILD / program
    assert path.is_file(), f"not built: {path} (PARALLELJOB_BUILD names the build folder)"
    return subprocess.run(["readelf", "-W", *options, str(path)], check=True, capture_output=True,
                          text=True).stdout


def symbols(program):
    return readelf(program, "--syms" if program == HOST else "--dyn-syms")


@pytest.mark.parametrize("program", PROGRAMS)
def test_position_independent(program):
    assert re.search(r"Type:\s+DYN", readelf(program, "-h"))
    assert re.search(r"FLAGS_1.*\bPIE\b", readelf(program, "-d"))


@pytest.mark.parametrize("program", PROGRAMS)
def test_full_relro(program):
    assert "GNU_RELRO" in readelf(program, "-l")
    assert re.search(r"BIND_NOW|FLAGS_1.*\bNOW\b", readelf(program, "-d"))


@pytest.mark.parametrize("program", PROGRAMS)
def test_stack_is_not_executable(program):
    assert re.search(r"GNU_STACK.*\sRW\s+0x", readelf(program, "-l"))
    loads = r"^\s+LOAD\s.*\s([R ][W ][E ])\s+0x"
    segments = re.findall(loads, readelf(program, "-l"), re.MULTILINE)
    assert segments and not any("W" in flags and "E" in flags for flags in segments)


@pytest.mark.parametrize("program", PROGRAMS)
def test_stack_protector(program):
    assert "__stack_chk_fail" in symbols(program)


@pytest.mark.parametrize("program", PROGRAMS)
def test_fortified(program):
    checked = re.findall(r"\b__\w+_chk\b", symbols(program))
    assert {name for name in checked if name != "__stack_chk_fail"}, "no fortified call"


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_standard_library_checks_its_callers(program):
    """_GLIBCXX_ASSERTIONS: an index out of range ends the program instead of reading on."""
    assert "__glibcxx_assert_fail" in symbols(program)


@pytest.mark.parametrize("program", PROGRAMS)
def test_no_library_search_path_is_built_in(program):
    assert not re.search(r"RPATH|RUNPATH", readelf(program, "-d"))


def test_the_slot_host_needs_no_library():
    assert "NEEDED" not in readelf(HOST, "-d") and "INTERP" not in readelf(HOST, "-l")


def test_the_python_module_is_hardened_too():
    modules = list((BUILD / "python_runtime").rglob("*.so")) if BUILD else []
    assert modules, "no native module in python_runtime"
    for module in modules:
        dynamic = readelf(module, "-d")
        assert re.search(r"BIND_NOW|FLAGS_1.*\bNOW\b", dynamic), module
        assert "GNU_RELRO" in readelf(module, "-l"), module
        assert not re.search(r"RPATH|RUNPATH", dynamic), module
