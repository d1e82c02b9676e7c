"""Writes an MLTable folder of iris-like flowers: flowers.csv and its MLTable file.

Each row is one of the 150 flowers that scikit-learn bundles, jittered by a fixed seed: the same
bytes on every machine. 27,000 rows of about 43 bytes are some 110 mini-batches of 10 KiB.
"""

import pathlib
import sys

ROWS = 27_000
COLUMNS = ["flower", "sepal_length", "sepal_width", "petal_length", "petal_width", "variety"]
MLTABLE = """\
paths:
  - file: ./flowers.csv
transformations:
  - read_delimited:
      delimiter: ','
      encoding: utf8
      header: all_files_same_headers
"""


def flowers(rows=ROWS, seed=20240611):
    """(number, four measurements in cm, true variety) of each row."""
    import numpy as np
    from sklearn.datasets import load_iris

    iris = load_iris()
    random = np.random.Generator(np.random.PCG64(seed))
    picked = random.integers(0, len(iris.data), rows)
    jitter = (random.random((rows, 4)) - 0.5) * 0.2
    measured = np.maximum(iris.data[picked] + jitter, 0.1)
    names = iris.target_names[iris.target[picked]]
    return [(number, *(round(float(value), 4) for value in measured[number]), str(names[number]))
            for number in range(rows)]


def make(folder):
    lines = [",".join(COLUMNS)] + [",".join(map(str, row)) for row in flowers()]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "flowers.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "MLTable").write_text(MLTABLE, encoding="utf-8")


if __name__ == "__main__":
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
    import data_folder

    data_folder.main(__file__, __doc__, make)
