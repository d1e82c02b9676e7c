"""EntryScript and the context of a mini-batch: what user code sees of us."""

import logging
import os


class EntryScript:
    """The process's surroundings. A singleton: every call gives the same object.

    Outside of a job (in a notebook or a unit test) the folders are the current one.
    """

    _instance = None

    def __new__(cls):
        if cls._instance is None:
            instance = super().__new__(cls)
            instance._set("process000", "", "", os.getcwd())
            cls._instance = instance
        return cls._instance

    def _set(self, agent_name, output_dir, log_dir, working_dir):
        self.agent_name = agent_name
        self.output_dir = output_dir or working_dir
        self.log_dir = log_dir or working_dir
        self.working_dir = working_dir
        self.temp_dir = working_dir
        self.logger = logging.getLogger("paralleljob.entry_script")


class Dataset:
    """Where a mini-batch came from: input name, files and, of a table, byte ranges."""

    __slots__ = ("name", "root", "paths", "ranges")

    def __init__(self, name, root, paths, ranges):
        self.name = name
        self.root = root
        self.paths = paths
        self.ranges = ranges  # list of (path, offset, length, records); empty for file lists

    def __repr__(self):
        return "Dataset(name=%r, paths=%d)" % (self.name, len(self.paths))


class MiniBatchContext:
    """Second argument of run(): which mini-batch this is."""

    __slots__ = (
        "minibatch_index",
        "partition_key_value",
        "attempt",
        "job_name",
        "output_dir",
        "dataset",
    )

    def __init__(self, job, mini_batch, attempt, payload):
        self.minibatch_index = mini_batch
        self.partition_key_value = payload.keys
        self.attempt = attempt
        self.job_name = job.job_name
        self.output_dir = job.output_dir
        self.dataset = _dataset(job.inputs, payload)

    def __repr__(self):
        return "MiniBatchContext(minibatch_index=%d, attempt=%d)" % (
            self.minibatch_index,
            self.attempt,
        )


def _dataset(inputs, payload):
    paths = list(dict.fromkeys(part.path for part in payload.parts))
    name, root = "", ""
    for candidate, folder in inputs.items():
        prefix = folder.rstrip("/")
        inside = paths and (paths[0] == prefix or paths[0].startswith(prefix + "/"))
        if inside and len(prefix) >= len(root):
            name, root = candidate, prefix
    ranges = [
        (part.path, part.offset, part.length, part.records)
        for part in payload.parts
        if hasattr(part, "offset")
    ]
    return Dataset(name, root, paths, ranges)
