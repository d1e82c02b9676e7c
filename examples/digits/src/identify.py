"""Names the digit in each PNG file: one line "file: digit" for each file."""

import os

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier

known = {}


def init():
    """Once per process: learn from the bundled digits after the first 1,000, the input."""
    digits = load_digits()
    classifier = KNeighborsClassifier(n_neighbors=3)
    known["model"] = classifier.fit(digits.data[1000:], digits.target[1000:])


def run(mini_batch):
    """A list of five paths comes in."""
    pixels = np.stack([np.asarray(Image.open(path), dtype=float).ravel() for path in mini_batch])
    answers = known["model"].predict(np.rint(pixels * (16 / 255)))
    return [f"{os.path.basename(path)}: {digit}" for path, digit in zip(mini_batch, answers)]


def shutdown():
    known.clear()
