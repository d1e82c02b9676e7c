"""paralleljob: what an entry script may import (EntryScript), and the runtime of a slot."""

import sys

# What the interpreter had loaded before us: a user's module never takes their place.
STARTUP_MODULES = frozenset(sys.modules)

from .entry import EntryScript  # noqa: E402

__all__ = ["EntryScript"]
__version__ = "0.1.0"
