"""Callbacks: what each is given, and whether a function can take it, which is asked when it is assigned.

    on_close(ws, code, reason)      or, as in old programs, on_close(ws)

A function that cannot take what it will be given is refused at once, with the signature that is right: a `TypeError`
from the line that is wrong teaches more than one that comes an hour later, out of a thread, in the middle of a close.
"""

import inspect
from collections.abc import Callable
from typing import Any, TypeAlias

Callback: TypeAlias = Callable[..., Any]

SIGNATURES = {
    "on_open": ((),),
    "on_reconnect": ((),),
    "on_message": (("message",),),
    "on_data": (("data", "opcode", "fin"),),
    "on_cont_message": (("data", "fin"),),
    "on_ping": (("payload",),),
    "on_pong": (("payload",),),
    "on_error": (("error",),),
    "on_close": (("code", "reason"), ()),
}
"""What each callback is given behind `ws`; where there are several forms, the first that fits is used."""


def bound(name: str, callback: Callback, legacy_methods: bool) -> Callback:
    """`callback` as it is called with all that `name` is given, `ws` first, whatever it takes of that.

    Args:
        name: of the callback, one of `SIGNATURES`.
        callback: the program's.
        legacy_methods: bound methods are not given `ws`, as in the versions 0.49 to 0.57 of websocket-client.

    Raises:
        TypeError: it cannot take what it will be given, or is no plain function.
    """
    if not callable(callback):
        raise TypeError(f"{name} is a function or None, not {callback!r}")
    if inspect.iscoroutinefunction(callback):
        raise TypeError(f"{name} is a plain function here, and not async; with asyncio, use rawws.aio.connect")
    skipped = 1 if legacy_methods and inspect.ismethod(callback) else 0
    forms = [("ws", *form) for form in SIGNATURES[name]]
    for form in forms:
        if _takes(callback, form[skipped:]):
            return _cut(callback, skipped, len(form), whole=not skipped and form is forms[0])
    raise TypeError(_lesson(name, callback, [form[skipped:] for form in forms]))


def _takes(callback: Callback, arguments: tuple[str, ...]) -> bool:
    try:
        inspect.signature(callback).bind(*arguments)
    except TypeError:
        return False
    except ValueError:
        return True  # Some that are written in C do not tell what they take.
    return True


def _cut(callback: Callback, first: int, end: int, whole: bool) -> Callback:
    """`callback`, which takes these of the arguments."""
    if whole:
        return callback
    return lambda *arguments: callback(*arguments[first:end])


def _lesson(name: str, callback: Callback, forms: list[tuple[str, ...]]) -> str:
    """What is wrong with `callback`, and what would be right."""
    right = " or ".join(f"{name}({', '.join(form)})" for form in forms)
    yours = f"{getattr(callback, '__name__', repr(callback))}{inspect.signature(callback)}"
    hint = ""
    if inspect.ismethod(callback) and _takes(callback, forms[0][1:]):
        hint = "; legacy_methods=True is for programs whose methods are not given ws"
    return f"{name} is called as {right}, but this one is {yours}{hint}"


class Callbacks:
    """A program's callbacks, and what becomes of an exception in one."""

    def __init__(self, legacy_methods: bool) -> None:
        self._legacy_methods = legacy_methods
        self._bound: dict[str, Callback] = {}

    def assign(self, name: str, callback: Callback | None) -> None:
        """From now on `name` is `callback`; None for none.  Raises as `bound`."""
        if callback is None:
            self._bound.pop(name, None)
        else:
            self._bound[name] = bound(name, callback, self._legacy_methods)

    def __contains__(self, name: str) -> bool:
        return name in self._bound

    def call(self, ws: object, name: str, *arguments: object) -> None:
        """Call it, if there is one.  What it raises is given to `on_error`.

        Raises:
            Exception: there is no `on_error`, or it was that which raised.
        """
        callback = self._bound.get(name)
        if callback is None:
            return
        try:
            callback(ws, *arguments)
        except Exception as error:
            if name == "on_error" or "on_error" not in self:
                raise
            self.call(ws, "on_error", error)
