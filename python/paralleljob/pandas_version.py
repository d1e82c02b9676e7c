"""Whether there is a pandas here, and one that is new enough."""

import re
import sys

from .errors import ScriptError

# to_csv(lineterminator=); read_csv(encoding_errors=) came with 1.3.
LEAST = (1, 5)
_WAY_OUT = (
    "run with --env venv --fresh, which installs what the job names in task.environment: "
    "{pip: [%s]}; on a cluster: use an image that has it"
)


def parse(text):
    """"2.2.3" → (2, 2)"""
    return tuple(int(part) for part in re.findall(r"\d+", text)[:2])


def problem(pandas):
    """What is wrong with this module, or None."""
    found = getattr(pandas, "__version__", "of no version")
    if parse(found) >= LEAST:
        return None
    least = "%d.%d" % LEAST
    return "pandas %s of %s is too old, %s is needed: %s" % (
        found, sys.executable, least, _WAY_OUT % ("'pandas>=%s'" % least)
    )  # fmt: skip


def check(pandas):
    """Raises ScriptError for a pandas that DataFrames cannot be written with."""
    told = problem(pandas)
    if told:
        raise ScriptError(told)


def check_table_input():
    """Before the script is loaded: what the zygote imported is in sys.modules."""
    if "pandas" not in sys.modules:
        raise ScriptError(
            "table input needs pandas, which %s does not have: %s"
            % (sys.executable, _WAY_OUT % "pandas")
        )
    check(sys.modules["pandas"])
