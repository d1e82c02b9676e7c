"""Data of the shape that a public sample has, as Azure YAML: the same mini-batches come out.

The other two samples' shapes are those of the examples `sales` and `digits`.
"""

import jobs

LINES, COLUMNS = 75, 44
PIPELINE = """\
type: pipeline
outputs:
  scored: {type: uri_file}
jobs:
  predict:
    type: parallel
    mini_batch_size: "10kb"
    resources: {instance_count: 2}
    max_concurrency_per_instance: 2
    mini_batch_error_threshold: 5
    retry_settings: {max_retries: 2, timeout: 60}
    inputs:
      table: {type: mltable, path: ./table, mode: direct}
    outputs:
      scored: ${{parent.outputs.scored}}
    input_data: ${{inputs.table}}
    task:
      type: run_function
      code: ./code
      entry_script: entry.py
      program_arguments: --error_threshold 5
      append_row_to: ${{outputs.scored}}
"""
SCRIPT = """\
def run(frame):
    assert len(frame.columns) == 44
    return [f"{len(frame)} {row!r}" for row in frame.iloc[:, 43].tolist()]
"""


def test_a_wide_table_without_header_line(cli):
    """The first line becomes column names; 9 of the others fit into 10 kB."""
    for folder in ("table", "code"):
        (cli.folder / folder).mkdir()
    (cli.folder / "code/entry.py").write_text(SCRIPT)
    (cli.folder / "pipeline.yml").write_text(PIPELINE)
    (cli.folder / "table/MLTable").write_text(
        "paths:\n  - file: ./data.csv\ntransformations:\n  - read_delimited: {delimiter: ','}\n")
    lines = [",".join(f"{line + column / 100:024.19f}" for column in range(COLUMNS)) + "\n"
             for line in range(LINES)]
    assert all(len(line) == 1100 for line in lines)
    (cli.folder / "table/data.csv").write_text("".join(lines))
    ended = cli.run(cli.folder / "pipeline.yml")
    assert ended.code == 0, ended
    jobs.check_summary(ended.json, total=9, items=LINES - 1)
    sizes = {int(row["Mini-batch Id"]): int(row["Total"]) for row in jobs.processed(ended.json)}
    assert [sizes[number] for number in range(9)] == [9] * 8 + [2]
    with open(ended.json["outputs"]["scored"], encoding="utf-8") as file:
        rows = [line.split() for line in file]
    assert [int(rows_of_batch) for rows_of_batch, _ in rows] == [9] * 72 + [2] * 2
    assert [float(value) for _, value in rows] == [line + 0.43 for line in range(1, LINES)]
