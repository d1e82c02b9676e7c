"""Writes ten small files, one name each, into a folder."""

import pathlib
import sys

NAMES = ["Ada", "Barbara", "Claude", "Dennis", "Edsger", "Frances", "Grace", "Hedy", "Ivan", "Jean"]


def make(folder):
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(NAMES):
        (folder / f"{number:02d}.txt").write_text(name + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
    import data_folder

    data_folder.main(__file__, __doc__, make)
