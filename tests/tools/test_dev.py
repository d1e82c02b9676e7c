"""./dev on a machine that lacks packages, for somebody who may not install them."""

import pathlib
import shutil
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
NEEDED = ("bash", "cut", "dirname", "env", "flock", "grep", "ln", "mkdir", "nproc", "sha256sum")
FAKES = {"id": "echo 1000", "dpkg-query": "exit 1", "apt-get": "exit 1"}


def test_neither_root_nor_sudo_is_said(tmp_path):
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in NEEDED:
        (programs / name).symlink_to(shutil.which(name))
    for name, script in FAKES.items():
        (programs / name).write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        (programs / name).chmod(0o755)
    ended = subprocess.run(
        [programs / "bash", ROOT / "dev", "build"], capture_output=True, text=True, check=False,
        env={"PATH": str(programs), "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)})
    assert ended.returncode == 1, ended
    assert "neither root nor sudo. As root: apt-get install binutils" in ended.stderr, ended
