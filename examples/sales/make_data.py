"""Writes weekly sales of 33 stores × 3 brands, Store/Brand/sales.csv, and their MLTable file.

99 files of 121 weeks. Store and brand stand only in the path, as partition keys. Fixed seed: the
same bytes on every machine.
"""

import pathlib
import sys

STORES = range(1001, 1034)
BRANDS = ("dominicks", "minute_maid", "tropicana")
WEEKS = 121
MLTABLE = """\
paths:
  - pattern: ./**/*.csv
transformations:
  - read_delimited:
      delimiter: ','
      encoding: utf8
      header: all_files_same_headers
  - extract_columns_from_partition_format:
      partition_format: '/{Store}/{Brand}/sales.csv'
"""


def weekly_sales(store, brand):
    """Lines of one store's sales of one brand: a trend, the season, the price and some noise."""
    import numpy as np

    random = np.random.Generator(np.random.PCG64([store, BRANDS.index(brand)]))
    base, trend = random.uniform(4_000, 12_000), random.uniform(-10, 25)
    yield "week,price,advert,quantity"
    for week in range(WEEKS):
        price, advert = random.uniform(1.5, 3.5), int(random.random() < 0.2)
        season = 1 + 0.15 * np.sin(2 * np.pi * week / 52)
        quantity = (base + trend * week) * season * (2.2 / price) * (1 + 0.3 * advert)
        yield f"{week},{price:.2f},{advert},{round(quantity * random.uniform(0.93, 1.07))}"


def make(folder):
    for store in STORES:
        for brand in BRANDS:
            lines = "\n".join(weekly_sales(store, brand)) + "\n"
            target = folder / str(store) / brand / "sales.csv"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(lines, encoding="utf-8")
    (folder / "MLTable").write_text(MLTABLE, encoding="utf-8")


if __name__ == "__main__":
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
    import data_folder

    data_folder.main(__file__, __doc__, make)
