"""The name under which Azure's scripts import EntryScript."""

from paralleljob import EntryScript

__all__ = ["EntryScript"]
