"""The built programs carry the hardening flags: read from the ELF files themselves."""

import json
import os
import pathlib
import re
import subprocess

import pytest

BUILD = pathlib.Path(os.environ.get("PARALLELJOB_BUILD", ""))
HOST = "worker/host/paralleljob-host"  # static
PROGRAMS = ["cli/paralleljob", "worker/paralleljob-worker", "operator/paralleljob-operator", HOST]
# One for each interpreter; libstdc++ is inside, and hidden.
MODULES = sorted(str(path.relative_to(BUILD))
                 for path in BUILD.glob("python_runtime/_paralleljob_native.*.so"))
ALL = PROGRAMS + MODULES


def readelf(program, *options):
    path = BUILD / program
    assert path.is_file(), f"not built: {path} (PARALLELJOB_BUILD names the build folder)"
    return subprocess.run(["readelf", "-W", *options, str(path)], check=True, capture_output=True,
                          text=True).stdout


def symbols(program):
    return readelf(program, "--dyn-syms" if program in PROGRAMS and program != HOST else "--syms")


@pytest.mark.parametrize("program", PROGRAMS)
def test_position_independent(program):
    assert re.search(r"Type:\s+DYN", readelf(program, "-h"))
    assert re.search(r"FLAGS_1.*\bPIE\b", readelf(program, "-d"))


@pytest.mark.parametrize("program", ALL)
def test_full_relro(program):
    assert "GNU_RELRO" in readelf(program, "-l")
    assert re.search(r"BIND_NOW|FLAGS_1.*\bNOW\b", readelf(program, "-d"))


@pytest.mark.parametrize("program", ALL)
def test_stack_is_not_executable(program):
    assert re.search(r"GNU_STACK.*\sRW\s+0x", readelf(program, "-l"))
    loads = r"^\s+LOAD\s.*\s([R ][W ][E ])\s+0x"
    segments = re.findall(loads, readelf(program, "-l"), re.MULTILINE)
    assert segments and not any("W" in flags and "E" in flags for flags in segments)


@pytest.mark.parametrize("program", ALL)
def test_stack_protector(program):
    assert "__stack_chk_fail" in symbols(program)


@pytest.mark.parametrize("program", PROGRAMS)
def test_fortified(program):
    checked = re.findall(r"\b__\w+_chk\b", symbols(program))
    assert {name for name in checked if name != "__stack_chk_fail"}, "no fortified call"


def test_the_python_module_is_compiled_fortified():
    """Its few copies into buffers of known size are proven to fit: no check is left to be seen."""
    commands = json.loads((BUILD / "compile_commands.json").read_text(encoding="utf-8"))
    native = [entry["command"] for entry in commands if "/python/native/" in entry["file"]]
    assert native and not [command for command in native if not re.search(
        r" -O2 .*-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2(?!.*-[UD]_FORTIFY_SOURCE)", command)]


@pytest.mark.parametrize("program", ALL)
def test_the_standard_library_checks_its_callers(program):
    """_GLIBCXX_ASSERTIONS: an index out of range ends the program instead of reading on."""
    assert "__glibcxx_assert_fail" in symbols(program)


@pytest.mark.parametrize("program", ALL)
def test_no_library_search_path_is_built_in(program):
    assert not re.search(r"RPATH|RUNPATH", readelf(program, "-d"))


def test_the_slot_host_needs_no_library():
    assert "NEEDED" not in readelf(HOST, "-d") and "INTERP" not in readelf(HOST, "-l")


def test_there_is_a_python_module_to_look_at():
    assert MODULES, f"no native module in {BUILD}/python_runtime"
