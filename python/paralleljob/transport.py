"""Chooses the run loop: the pybind11 module when it fits this interpreter, else pure Python."""

import os

_state = {}


def native_module():
    """The native module, or None; `why_pure` says why."""
    if "native" not in _state:
        _state["native"], _state["why"] = _import_native()
    return _state["native"]


def _import_native():
    if os.environ.get("PARALLELJOB_TRANSPORT") == "pure":
        return None, "PARALLELJOB_TRANSPORT=pure"
    try:
        import _paralleljob_native
    except ImportError as error:  # another CPython, musl, an older glibc
        return None, str(error)
    return _paralleljob_native, ""


def name():
    return "pure" if native_module() is None else "native"


def why_pure():
    native_module()
    return _state["why"]


def make_loop(channel, page_fd, program):
    """An object with serve(): True after a shutdown message, False when the agent is gone."""
    native = native_module()
    if native is not None:
        return native.Loop(channel.fd, page_fd, program)
    from .pure import Loop

    return Loop(channel, page_fd, program)
