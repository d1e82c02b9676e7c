"""Python packages of this process, for images: the same files there and here."""

import importlib.metadata
import os
import pathlib
import re
import shutil
import sys

TESTS_OF = ("pandas", "scipy", "sklearn")  # a third of what they weigh


def copy(names: tuple, python: str, folder: pathlib.Path) -> None:
    """Puts the distributions, and whatever they need, into a folder for packages.

    `python` is who shall import them: "3.11", the version that runs this.
    """
    if python != f"{sys.version_info.major}.{sys.version_info.minor}":
        raise RuntimeError(f"packages of Python {sys.version.split()[0]} are no use to {python}: "
                           "run this with that version")
    for distribution in needed(names):
        for file in distribution.files:
            if file.is_absolute() or ".." in file.parts:
                continue  # a program, beside the interpreter
            if file.parts[0] in TESTS_OF and "tests" in file.parts:
                continue
            target = folder / file
            target.parent.mkdir(parents=True, exist_ok=True)
            _put(pathlib.Path(distribution.locate_file(file)), target)


def versions(names: tuple) -> str:
    """What copy() would bring."""
    return " ".join(f"{each.metadata['Name']}=={each.version}" for each in needed(names))


def needed(names: tuple) -> list:
    """The distributions of those names, and all that they need here, each once."""
    found, open_names = {}, list(names)
    while open_names:
        distribution = importlib.metadata.distribution(open_names.pop())
        name = distribution.metadata["Name"].lower()
        if name in found:
            continue
        found[name] = distribution
        for requirement in distribution.requires or ():
            if "extra ==" not in requirement and _is_here(other := _name(requirement)):
                open_names.append(other)
    return [found[name] for name in sorted(found)]


def _name(requirement: str) -> str:
    return re.match(r"[A-Za-z0-9._-]+", requirement).group()


def _is_here(name: str) -> bool:
    """What is needed only elsewhere, as on another system, is not."""
    try:
        importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _put(source: pathlib.Path, target: pathlib.Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
