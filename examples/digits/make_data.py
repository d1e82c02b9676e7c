"""Writes 1,000 PNG files of handwritten digits from scikit-learn's bundled set."""

import pathlib
import sys

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

COUNT = 1_000


def make(folder):
    folder.mkdir(parents=True, exist_ok=True)
    for number, image in enumerate(load_digits().images[:COUNT]):
        pixels = np.rint(image * (255 / 16)).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"digit_{number:04d}.png")


if __name__ == "__main__":
    make(pathlib.Path(sys.argv[1]))
