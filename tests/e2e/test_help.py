"""Help and pages: every example is typed, every command and flag is told in both."""

import pathlib
import re
import shutil
import subprocess
import sys

import pytest

from conftest import EXAMPLES, ROOT
import typed

LOCAL = ("run", "plan", "validate", "convert", "verify")
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "charts/paralleljob/README.md",
         *sorted((ROOT / "docs").rglob("*.md"))]
USAGE = "Run with --help"  # what the parser adds to its errors


@pytest.fixture
def desk(cli, data):
    """A folder where the examples of the help can be typed: iris, and what a run of it left."""
    for name in ("job.yaml", "pipeline.yml", "conda.yml"):
        shutil.copy(EXAMPLES / "iris" / name, cli.folder / name)
    for name in ("src", "model"):
        shutil.copytree(EXAMPLES / "iris" / name, cli.folder / name)
    shutil.copytree(data("iris"), cli.folder / "data")
    (cli.folder / "examples").symlink_to(EXAMPLES)
    return cli


def type_in(cli, words):
    """Runs what a page says, without any cluster."""
    return cli.call(*words[1:], env={"KUBECONFIG": str(cli.folder / "no-kubeconfig")})


def helps(cli):
    """Command → its help."""
    commands = typed.commands_of(cli.call("--help").out)
    assert len(commands) >= 16
    return {command: cli.call(command, "--help").out for command in commands}


def test_examples_of_the_help_work(desk):
    ran = desk.call("run", "-f", "job.yaml")
    assert ran.code == 0, ran
    for command, text in helps(desk).items():
        examples = typed.commands_in(text)
        assert examples, f"{command} has no example"
        for words in examples:
            assert words[1] == command
            ended = type_in(desk, words)
            here = command in LOCAL or "./iris-output" in words
            assert ended.code == 0 if here else ended.code in (2, 3), (words, ended)
            # What needs a cluster fails for the lack of one, and for nothing else.
            assert here or "no-kubeconfig" in ended.out + ended.err, (words, ended)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_pages_say_is_taken_by_the_parser(desk, page):
    for words in typed.commands_in_page(page.read_text(encoding="utf-8")):
        ended = type_in(desk, [*words, "--help"] if len(words) == 2 else words)
        assert USAGE not in ended.err, (words, ended)


def documented(page):
    """Command → flags that the tables of a page give it."""
    flags = {}
    for line in page.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        found = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", line)) if line[:1] == "|" else set()
        if re.match(r"\| `-", line):
            for command in re.findall(r"[a-z]+", cells[1].replace("--out", "")):
                flags.setdefault(command, set()).update(re.findall(r"--?[a-z][a-z-]*", cells[0]))
        elif line[:1] == "|":
            for command in re.findall(r"`([a-z]+)[ `]", cells[0]):
                flags.setdefault(command, set()).update(found)
    return flags


def test_the_page_of_the_command_line_is_complete(cli):
    page = (ROOT / "docs/reference/cli.md").read_text(encoding="utf-8")
    told = documented(page)
    everywhere = {"-o", "--filename", "--kubeconfig", "--context", "--namespace"}
    short = {"--follow": "-f", "--container": "-c"}  # told by the letter
    for command, text in helps(cli).items():
        assert f"`{command}" in page, f"{command} is not in cli.md"
        row = re.search(rf"^\| .*`{command}[ `].*$", page, re.M)[0]
        missing = {flag for flag in typed.flags_of(text) - everywhere - told.get(command, set())
                   if f"`{short.get(flag, flag)}" not in row}
        assert not missing, f"{command}: cli.md does not tell {sorted(missing)}"
    known = {flag for text in helps(cli).values() for flag in typed.flags_of(text)}
    foreign = {"--server-side", "--help"}
    for flag in set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", page)) - foreign:
        assert flag in known, f"cli.md tells of {flag}, which no command has"


def type_block(cli, program, text, after=()):
    """The first block of a page's text, typed into a shell as it stands, then more lines."""
    block = re.search(r"^```\n(.*?)^```", text, re.M | re.S)[1]
    bin_folder = cli.folder / "bin"
    bin_folder.mkdir()
    (bin_folder / "paralleljob").symlink_to(pathlib.Path(program).resolve())
    path = f"{bin_folder}:{pathlib.Path(sys.executable).parent}"
    script = f"export HOME={cli.folder} PATH={path}:$PATH\n{block}\n" + "\n".join(after)
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=cli.folder, text=True,
                          capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done
    return done


def test_the_first_job_of_the_readme(cli, program):
    """The block of commands, and then what the text below it says."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text.partition("## A first job of your own")[2].partition("\n## ")[0]
    after = [" ".join(words) for words in typed.commands_in_page(section.partition("Then:")[2])]
    assert len(after) == 3
    done = type_block(cli, program, section, after)
    for name in ("Ada", "Grace", "Hedy", "Ivan"):
        assert f"Hello, {name}!" in done.stdout
    assert "4 mini-batches, 4 items" in done.stdout, done


def test_the_table_of_the_mltable_page(cli, program):
    text = (ROOT / "docs/reference/mltable.md").read_text(encoding="utf-8")
    done = type_block(cli, program, text)
    assert "Shop=north" in done.stdout and "Shop=south" in done.stdout, done
    assert done.stdout.endswith("Shop,rows,sum\nnorth,3,27.5\nsouth,1,3.25\n"), done
