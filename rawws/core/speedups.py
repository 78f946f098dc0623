"""Which functions of the core run in C: those that `_speedups.c` has, if it was built, unless RAWWS_PURE=1 is set.

Such a function is a pure one, of bytes, and is written in Python too, where a reader looks for it: `@in_c_if_there`
stands above it.  The two do the same to the byte, which the tests hold them to.
"""

import os
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, TypeVar

_Function = TypeVar("_Function", bound=Callable[..., Any])


def functions_in_c(module: str, environment: Mapping[str, str]) -> Mapping[str, Any]:
    """What the module has that was built from C; nothing if it was not built, or is not wanted."""
    if environment.get("RAWWS_PURE") == "1":
        return {}
    try:
        return vars(import_module(module))
    except ImportError:
        return {}


_in_c = functions_in_c("rawws.core._speedups", os.environ)

in_use = bool(_in_c)
"""Whether they run in C."""

in_python: dict[str, Callable[..., Any]] = {}
"""By name, the functions as they are written in Python; where they run in C, only tests have a use for them."""


def in_c_if_there(function: _Function) -> _Function:
    """The twin of a function in C; the function itself if there is none."""
    in_python[function.__name__] = function
    twin: _Function = _in_c.get(function.__name__, function)
    return twin
