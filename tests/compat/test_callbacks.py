"""Callbacks are looked at when they are assigned, and called as their program's era had it."""

import functools
from collections.abc import Callable
from typing import Any

import pytest

from rawws.compat.websocket import WebSocketApp
from rawws.compat.websocket.callbacks import SIGNATURES, Callbacks, bound

URL = "ws://localhost/"
WS = object()


class Program:
    """A program that has methods for callbacks."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []

    def with_all(self, ws: Any, code: int, reason: str) -> None:
        self.told.append((ws, code, reason))

    def with_ws(self, ws: Any) -> None:
        self.told.append((ws,))

    def without_ws(self, code: int, reason: str) -> None:
        self.told.append((code, reason))

    def with_nothing(self) -> None:
        self.told.append(())

    @staticmethod
    def of_nobody(ws: Any, code: int, reason: str) -> None:
        pass


def test_on_close_may_have_three_arguments_or_one() -> None:
    """Newer programs are told the code and the reason; older ones, the note's among them, only that it is over."""
    told: list[tuple[Any, ...]] = []

    def new(ws: Any, code: int, reason: str) -> None:
        told.append((ws, code, reason))

    def old(ws: Any) -> None:
        told.append((ws,))

    for callback in (new, old, lambda ws: old(ws), lambda *args: told.append(args), functools.partial(new)):
        bound("on_close", callback, False)(WS, 1000, "bye")

    full = (WS, 1000, "bye")
    assert [full, (WS,), (WS,), full, full] == told


def test_defaults_are_filled() -> None:
    """A function that serves both eras is told all that there is."""
    told = []

    def both(ws: Any, code: int | None = None, reason: str | None = None) -> None:
        told.append((code, reason))

    bound("on_close", both, False)(WS, 1000, "bye")
    assert [(1000, "bye")] == told


@pytest.mark.parametrize(
    "method, legacy, told",
    [
        ("with_all", False, (WS, 1000, "bye")),
        ("with_ws", False, (WS,)),
        ("without_ws", True, (1000, "bye")),
        ("with_nothing", True, ()),
    ],
)
def test_methods(method: str, legacy: bool, told: tuple[Any, ...]) -> None:
    """A bound method is given ws as a function is, unless the program is of the versions 0.49 to 0.57."""
    program = Program()

    bound("on_close", getattr(program, method), legacy)(WS, 1000, "bye")
    assert [told] == program.told


def test_what_is_no_bound_method_is_given_ws_in_every_era() -> None:
    """A function, a static method, and an object that can be called, also with legacy_methods."""
    for callback in (Program.of_nobody, Program().of_nobody, functools.partial(Program.of_nobody), print):
        bound("on_close", callback, True)


@pytest.mark.parametrize("name", SIGNATURES)
def test_every_callback_is_given_ws_first(name: str) -> None:
    """And then what SIGNATURES says."""
    told: list[tuple[Any, ...]] = []
    form = SIGNATURES[name][0]

    bound(name, lambda *args: told.append(args), False)(WS, *form)
    assert [(WS, *form)] == told


def two(ws: Any, code: int) -> None:
    """Takes too little for the new era, and too much for the old one."""


async def later(ws: Any, message: str) -> None:
    """Would never run."""


@pytest.mark.parametrize(
    "name, callback, lesson",
    [
        ("on_message", lambda message: None, r"on_message is called as on_message\(ws, message\), but .*\(message\)$"),
        ("on_close", two, r"called as on_close\(ws, code, reason\) or on_close\(ws\), but this one is two\(ws: .*code"),
        ("on_open", lambda: None, r"on_open\(ws\), but this one is <lambda>\(\)"),
        ("on_error", lambda ws: None, r"on_error\(ws, error\)"),
        ("on_data", lambda ws, data: None, r"on_data\(ws, data, opcode, fin\)"),
        ("on_message", Program().with_all, r"with_all\(ws: .*, code: int, reason: str\)"),
        ("on_message", functools.partial(two, WS, 1), r"but this one is functools.partial\(<function two .*\(\)"),
        ("on_open", Program().with_nothing, r"; legacy_methods=True is for programs whose methods are not given ws$"),
        ("on_message", later, r"on_message is a plain function here, and not async; with asyncio, use rawws.aio"),
        ("on_message", "print", r"on_message is a function or None, not 'print'"),
    ],
)  # fmt: skip
def test_a_wrong_one_is_refused_when_it_is_assigned(name: str, callback: Any, lesson: str) -> None:
    """With the signature that is right, in the line that is wrong; then and later."""
    app = WebSocketApp(URL)
    for assign in (lambda: WebSocketApp(URL, **{name: callback}), lambda: setattr(app, name, callback)):
        with pytest.raises(TypeError, match=lesson):
            assign()

    assert getattr(app, name) is None


def test_a_callback_can_be_read_and_taken_away() -> None:
    """An attribute is what was assigned to it."""
    app = WebSocketApp(URL, on_open=print)
    assert print is app.on_open

    app.on_open = None
    assert app.on_open is None


def test_a_subclass_may_have_methods_of_these_names() -> None:
    """As many programs have it: they hand their own methods to `super().__init__`."""

    class Client(WebSocketApp):
        def __init__(self) -> None:
            super().__init__(URL, on_message=self.on_message)
            self.told: list[str] = []

        def on_message(self, ws: Any, message: str) -> None:  # type: ignore[override]
            self.told.append(message)

    client = Client()
    client._callbacks.call(client, "on_message", "hi")
    assert ["hi"] == client.told


class TestExceptions:
    """What becomes of an exception in a callback."""

    @staticmethod
    def callbacks(**given: Callable[..., Any]) -> Callbacks:
        made = Callbacks(False)
        for name, callback in given.items():
            made.assign(name, callback)
        return made

    def fail(self, ws: object, *_: object) -> None:
        raise KeyError("a mistake")

    def test_it_is_given_to_on_error(self) -> None:
        """As the same object."""
        told: list[Any] = []
        self.callbacks(on_open=self.fail, on_error=lambda ws, error: told.append(error)).call(WS, "on_open")

        assert ["'a mistake'"] == [str(error) for error in told]

    def test_without_on_error_it_is_raised(self) -> None:
        """Rather than lost."""
        with pytest.raises(KeyError):
            self.callbacks(on_open=self.fail).call(WS, "on_open")

    def test_what_on_error_raises_is_raised(self) -> None:
        """It is not told of itself."""
        with pytest.raises(KeyError):
            self.callbacks(on_error=self.fail).call(WS, "on_error", ValueError())

    def test_without_the_callback_nothing_happens(self) -> None:
        """Nobody has to have them all."""
        self.callbacks().call(WS, "on_open")
