"""The example of a repository is what the command in its page writes."""

import os
import re
import shlex
import subprocess

import packs


def test_the_example_is_what_convert_writes(tmp_path):
    text = (packs.ROOT / "docs/gitops.md").read_text(encoding="utf-8")
    typed = re.search(r"^paralleljob (convert (?:.*\\\n)*.*)$", text, re.M)[1]
    words = shlex.split(typed.replace("\\\n", ""))
    words[words.index("--out") + 1] = str(tmp_path / "hello")
    subprocess.run([os.environ["PARALLELJOB"], *words], cwd=packs.ROOT, check=True,
                   capture_output=True)
    made = {path.name: path.read_bytes() for path in (tmp_path / "hello").iterdir()}
    assert made == {path.name: path.read_bytes()
                    for path in (packs.FOLDER / "jobs/hello").iterdir()}
