"""Writes 1,000 PNG files of handwritten digits from scikit-learn's bundled set."""

import pathlib
import sys

COUNT = 1_000


def make(folder):
    import numpy as np
    from PIL import Image
    from sklearn.datasets import load_digits

    folder.mkdir(parents=True, exist_ok=True)
    for number, image in enumerate(load_digits().images[:COUNT]):
        pixels = np.rint(image * (255 / 16)).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"digit_{number:04d}.png")


if __name__ == "__main__":
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
    import data_folder

    data_folder.main(__file__, __doc__, make)
