"""Trains the model that score.py uses and writes it as plain numbers: model/iris.json.

The file is committed; run this only to make it again. A linear classifier on standardised
measurements: three rows of coefficients, so no pickle is needed to score with it.
"""

import json
import pathlib

from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler


def train():
    iris = load_iris()
    scaler = StandardScaler().fit(iris.data)
    classifier = LogisticRegression(max_iter=1000).fit(scaler.transform(iris.data), iris.target)
    coefficients = classifier.coef_ / scaler.scale_
    intercepts = classifier.intercept_ - coefficients @ scaler.mean_
    return {
        "features": ["sepal_length", "sepal_width", "petal_length", "petal_width"],
        "varieties": [str(name) for name in iris.target_names],
        "coefficients": [[round(float(value), 6) for value in row] for row in coefficients],
        "intercepts": [round(float(value), 6) for value in intercepts],
    }


if __name__ == "__main__":
    target = pathlib.Path(__file__).parent / "model" / "iris.json"
    target.write_text(json.dumps(train(), indent=1) + "\n", encoding="utf-8")
    print(target)
