"""Scores flowers: one row out for each row in, with the variety that the model sees."""

import argparse
import json
import os

import numpy as np

model = {}


def init():
    """Once per process: read the model that the job was given."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    arguments, _ = parser.parse_known_args()
    with open(os.path.join(arguments.model, "iris.json"), encoding="utf-8") as file:
        model.update(json.load(file))


def run(mini_batch):
    """A DataFrame of some 220 flowers comes in; the same rows go out, scored."""
    measurements = mini_batch[model["features"]].to_numpy(dtype=float)
    scores = measurements @ np.array(model["coefficients"]).T + np.array(model["intercepts"])
    best = scores.argmax(axis=1)
    scored = mini_batch[["flower", *model["features"]]].copy()
    scored["predicted"] = np.array(model["varieties"])[best]
    return scored
