"""Trains one sales model per store and brand; leaves it, with its error, in the output folder."""

import argparse
import json
import os

import numpy as np

RESAMPLES = 400

settings = argparse.Namespace()


def init():
    parser = argparse.ArgumentParser()
    parser.add_argument("--models", required=True, help="folder for one model a partition")
    parser.add_argument("--test-weeks", type=int, default=20)
    parser.parse_known_args(namespace=settings)


def features(sales):
    week = sales["week"].to_numpy(dtype=float)
    season = 2 * np.pi * week / 52
    return np.column_stack([np.ones_like(week), week, np.sin(season), np.cos(season),
                            1 / sales["price"].to_numpy(dtype=float), sales["advert"]])


def band(train, test, seed):
    """80 % of resampled models forecast between these two, for each test week."""
    known, ahead, sold = features(train), features(test), train["quantity"].to_numpy(dtype=float)
    random = np.random.Generator(np.random.PCG64(seed))
    forecasts = []
    for _ in range(RESAMPLES):
        weeks = random.integers(len(sold), size=len(sold))
        weights, *_ = np.linalg.lstsq(known[weeks], sold[weeks], rcond=None)
        forecasts.append(ahead @ weights)
    return np.quantile(forecasts, (0.1, 0.9), axis=0).round().tolist()


def run(mini_batch, context):
    """All weeks of one store and brand. The result is a file, so there are no rows to return."""
    keys = context.partition_key_value
    sales = mini_batch.sort_values("week")
    train, test = sales[:-settings.test_weeks], sales[-settings.test_weeks:]
    sold = train["quantity"].to_numpy(dtype=float)
    weights, *_ = np.linalg.lstsq(features(train), sold, rcond=None)
    forecast = features(test) @ weights
    error = float(np.mean(np.abs(forecast - test["quantity"]) / test["quantity"]))
    low, high = band(train, test, context.minibatch_index)
    model = {**keys, "weeks": len(sales), "weights": weights.tolist(), "mape": error,
             "low": low, "high": high}
    folder = os.path.join(settings.models, keys["Store"], keys["Brand"])
    os.makedirs(folder, exist_ok=True)
    scratch = os.path.join(folder, f".model.{context.minibatch_index}.{context.attempt}")
    with open(scratch, "w", encoding="utf-8") as file:
        json.dump(model, file)
    os.replace(scratch, os.path.join(folder, "model.json"))  # whole or not at all, also on a retry
    return []
