"""Loads the entry script and checks its functions before anything runs."""

import importlib
import importlib.util
import os
import sys

from . import STARTUP_MODULES
from .errors import ScriptError

_COROUTINE = 0x80 | 0x200  # co_flags: async def, also with yield
_VARARGS = 0x04
_OWN = ("paralleljob", "azureml_user", "_paralleljob_native")


class Script:
    """init, run and shutdown of the user's module."""

    __slots__ = ("init", "run", "shutdown", "takes_context", "path")


def make_room_for_users_modules(code_dir):
    """A user's json.py is the user's: forget our copy of what their folder shadows."""
    try:
        names = os.listdir(code_dir)
    except OSError:
        return
    for name in names:
        stem = name[:-3] if name.endswith(".py") else name
        if stem in STARTUP_MODULES or stem in _OWN or stem in sys.builtin_module_names:
            continue
        if stem not in sys.modules or not _is_module(os.path.join(code_dir, name)):
            continue
        for loaded in list(sys.modules):
            if loaded == stem or loaded.startswith(stem + "."):
                del sys.modules[loaded]


def _is_module(path):
    if path.endswith(".py"):
        return os.path.isfile(path)
    return os.path.isfile(os.path.join(path, "__init__.py"))


def load(entry_script, code_dir):
    """Imports `x.py` or a dotted module once; __name__ is the module's, never __main__."""
    if entry_script.endswith(".py"):
        path = os.path.join(code_dir, entry_script)
        module = _load_file(entry_script, path)
    else:
        module = importlib.import_module(entry_script)
        path = getattr(module, "__file__", None) or entry_script
    return _check(module, entry_script, path)


def _load_file(entry_script, path):
    if not os.path.isfile(path):
        raise ScriptError("entry script %r is not in the code folder" % entry_script)
    name = os.path.basename(path)[:-3]
    if name in STARTUP_MODULES or name in _OWN or name in sys.builtin_module_names:
        name = "entry_" + name
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return sys.modules.get(name, module)


def _check(module, entry_script, path):
    script = Script()
    script.path = path
    script.run = getattr(module, "run", None)
    script.init = getattr(module, "init", None)
    script.shutdown = getattr(module, "shutdown", None)
    if script.run is None:
        raise ScriptError("entry script %r has no function run(mini_batch)" % entry_script)
    for name in ("run", "init", "shutdown"):
        function = getattr(script, name)
        if function is None:
            continue
        if not callable(function):
            raise ScriptError("%s in %r is no function" % (name, entry_script))
        if _flags(function) & _COROUTINE:
            raise ScriptError(
                "%s() in %r is async; use a plain function (asyncio.run(…) inside is fine)"
                % (name, entry_script)
            )
    script.takes_context = _takes_context(script.run, entry_script)
    for name in ("init", "shutdown"):
        function = getattr(script, name)
        if function is not None and _required(function) > 0:
            raise ScriptError("%s() in %r must take no parameters" % (name, entry_script))
    return script


def _flags(function):
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    return code.co_flags if code is not None else 0


def import_std(name):
    """A module of the standard library, whatever lies in the user's folder."""
    if name in sys.modules:
        return sys.modules[name]
    first, sys.path[:] = sys.path[:1], sys.path[1:]
    try:
        return importlib.import_module(name)
    finally:
        sys.path[:0] = first


def _plain_signature(function):
    """_signature of an ordinary function, without the slow import of inspect; else None."""
    bound = 1 if hasattr(function, "__self__") else 0
    function = getattr(function, "__func__", function)
    code = getattr(function, "__code__", None)
    if code is None or hasattr(function, "__wrapped__") or hasattr(function, "__signature__"):
        return None
    defaults = len(function.__defaults__ or ())
    count = code.co_argcount
    positional = [
        (name, at >= count - defaults) for at, name in enumerate(code.co_varnames[:count])
    ][bound:]
    keyword_only = code.co_varnames[count : count + code.co_kwonlyargcount]
    given = function.__kwdefaults__ or {}
    return (
        positional,
        bool(code.co_flags & _VARARGS),
        [name for name in keyword_only if name not in given],
    )


def _signature(function):
    """Positional parameters as (name, has default), whether there is *args, required keywords."""
    plain = _plain_signature(function)
    if plain is not None:
        return plain
    inspect = import_std("inspect")
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return [("mini_batch", False)], False, []
    positional = []
    variable = False
    keywords = []
    for parameter in parameters:
        required = parameter.default is inspect.Parameter.empty
        if parameter.kind in (
            inspect.Parameter.POSITIONAL_ONLY,
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
        ):
            positional.append((parameter.name, not required))
        elif parameter.kind == inspect.Parameter.VAR_POSITIONAL:
            variable = True
        elif parameter.kind == inspect.Parameter.KEYWORD_ONLY and required:
            keywords.append(parameter.name)
    return positional, variable, keywords


def _required(function):
    positional, _, keywords = _signature(function)
    return sum(1 for _, has_default in positional if not has_default) + len(keywords)


def _takes_context(run, entry_script):
    positional, variable, keywords = _signature(run)
    required = sum(1 for _, has_default in positional if not has_default)
    shape = "run(mini_batch) or run(mini_batch, context)"
    if keywords:
        raise ScriptError(
            "run() in %r requires the keyword %r; it is called as %s"
            % (entry_script, keywords[0], shape)
        )
    if required > 2 or (not positional and not variable):
        raise ScriptError(
            "run() in %r takes %d parameters; it is called as %s" % (entry_script, required, shape)
        )
    if len(positional) < 2:
        return False
    # run(mini_batch, limit=3) keeps its default; run(mini_batch, context=None) wants the context.
    return not positional[1][1] or "context" in positional[1][0].lower()
