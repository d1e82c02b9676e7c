"""Job description: what every slot of one instance runs (worker::SlotJob as JSON)."""

import json


class Job:
    """Read-only after `load`; attribute names are the JSON's."""

    _DEFAULTS = {
        "python": "",
        "runtime_dir": "",
        "code_dir": "",
        "code_exclude": [],
        "scratch_dir": "",
        "entry_script": "",
        "argv": [],
        "env": {},
        "job_name": "",
        "output_dir": "",
        "logs_dir": "",
        "node": "instance-0",
        "logging_level": "INFO",
        "append_format": "",
        "header": False,
        "count_rows": False,
        "import_pandas": False,
        "table": None,
        "inputs": {},
    }

    def __init__(self, **fields):
        for name, default in self._DEFAULTS.items():
            value = fields.get(name)
            setattr(self, name, default if value is None else value)
        if not self.entry_script:
            raise ValueError("job description: entry_script is missing")
        if self.append_format not in ("", "text", "csv", "jsonl"):
            raise ValueError(
                "job description: append_format %r is none of text, csv, jsonl" % self.append_format
            )


def load(path):
    with open(path, "rb") as file:
        return Job(**json.load(file))
