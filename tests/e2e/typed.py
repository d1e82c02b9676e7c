"""What help and pages tell people to type."""

import re
import shlex

PROGRAM = "paralleljob"
IN_CLUSTER = r"\./dev cluster exec"
PLACEHOLDERS = ("COMMAND", "…", "[")


def commands_of(help_text):
    """The names below `Subcommands:`."""
    return re.findall(r"^  ([a-z]+) +\S", help_text.partition("Subcommands:")[2], re.M)


def flags_of(help_text):
    """Long flags that a command's help lists; -o stands for itself."""
    listed = help_text.partition("Options:")[2].partition("Example")[0]
    found = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", "\n".join(
        re.findall(r"^  (-\S.*?)(?: {2,}|$)", listed, re.M))))
    return found - {"--help"} | ({"-o"} if re.search(r"^  -o ", listed, re.M) else set())


def commands_in(text):
    """Words of each line, or continued lines, that begin with the program's name."""
    joined = re.sub(r" *\\\n *", " ", text)
    lines = re.findall(rf"^(?:Examples?:)? *(?:{IN_CLUSTER} )?({PROGRAM} .*)$", joined, re.M)
    return [shlex.split(line.partition(" > ")[0], comments=True) for line in lines]


def commands_in_page(text):
    """The same of a Markdown page: its blocks, and what stands between single backticks."""
    blocks = re.findall(r"^ *```[a-z]*\n(.*?)^ *```", text, re.M | re.S)
    rest = re.sub(r"^ *```.*?^ *```", "", text, flags=re.M | re.S)
    inline = re.findall(rf"`(?:{IN_CLUSTER} )?({PROGRAM} [^`]+)`", rest)
    made = [words for block in blocks for words in commands_in(block)]
    made += [shlex.split(line) for line in inline]
    return [words for words in made if not any(mark in word for word in words
                                               for mark in PLACEHOLDERS)]
