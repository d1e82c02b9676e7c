"""Names the digit in each PNG file: one line "file: digit" for each file."""

import os

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier

VOTES = 200
BLUR = 2.0  # grey levels, of 16, by which a scan may be off

known = {}


def init():
    """Once per process: learn from the bundled digits after the first 1,000, the input."""
    digits = load_digits()
    classifier = KNeighborsClassifier(n_neighbors=3)
    known["model"] = classifier.fit(digits.data[1000:], digits.target[1000:])
    known["blur"] = np.random.Generator(np.random.PCG64(5)).normal(0, BLUR, (VOTES, 64))


def most_voted(pixels):
    """The digit that most of the slightly blurred copies of each image look like."""
    copies = (pixels[:, None, :] + known["blur"]).reshape(-1, 64)
    votes = known["model"].predict(copies).reshape(len(pixels), VOTES)
    return [np.bincount(of_one, minlength=10).argmax() for of_one in votes]


def run(mini_batch):
    """A list of five paths comes in."""
    pixels = np.stack([np.asarray(Image.open(path), dtype=float).ravel() for path in mini_batch])
    answers = most_voted(np.rint(pixels * (16 / 255)))
    return [f"{os.path.basename(path)}: {digit}" for path, digit in zip(mini_batch, answers)]


def shutdown():
    known.clear()
