"""When connections are woken: not before their time, soon after it, and many of them by one timer."""

import asyncio
import gc
import weakref
from collections.abc import Callable
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawws.aio.alarms import FAIR_SHARE, SOONEST, Alarms, Group
from rawws.aio.loops import shared_by


class Time:
    """A loop whose time passes when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0
        self.timers: list[tuple[float, Callable[..., None], tuple[Any, ...]]] = []
        self.soon: list[tuple[Callable[..., None], tuple[Any, ...]]] = []
        self.errors: list[BaseException] = []

    def call_at(self, when: float, call: Callable[..., None], *args: Any) -> None:
        self.timers.append((when, call, args))

    def call_soon(self, call: Callable[..., None], *args: Any) -> None:
        self.soon.append((call, args))

    def call_exception_handler(self, told: dict[str, Any]) -> None:
        self.errors.append(told["exception"])

    def turn(self) -> None:
        soon, self.soon = self.soon, []
        for call, args in soon:
            call(*args)

    def pass_until(self, when: float) -> None:
        due = [timer for timer in self.timers if timer[0] <= when]
        self.timers = [timer for timer in self.timers if timer[0] > when]
        for self.now, call, args in sorted(due, key=lambda timer: timer[0]):
            call(*args)


def join(alarms: Alarms, sleeper: "Sleeper", when: float, now: float = 0) -> Group:
    """As a connection does it, at this time."""
    return alarms.join(sleeper, when, now, cast(asyncio.AbstractEventLoop, sleeper.time))


class Sleeper:
    """Notes when it is woken."""

    def __init__(self, time: Time, fault: BaseException | None = None) -> None:
        self.time = time
        self.fault = fault
        self.woken: list[float] = []
        self.was_aborted = False

    def wake(self) -> None:
        self.woken.append(self.time.now)
        if self.fault is not None:
            raise self.fault

    def abort(self) -> None:
        self.was_aborted = True


@given(now=st.floats(0, 1e6), wait=st.floats(-1, 1e5))
def test_whoever_sleeps_is_woken_soon_after_his_time(now: float, wait: float) -> None:
    """Never early, and late by a thirty-second of what he waits for at most."""
    time, alarms = Time(), Alarms()
    sleeper = Sleeper(time)
    when = now + wait

    join(alarms, sleeper, when, now)
    time.pass_until(float("inf"))

    [woken] = sleeper.woken
    assert when <= woken <= when + max(when - now, SOONEST) / 32 + 1e-9


def test_many_share_a_timer() -> None:
    """Of a thousand who come in a second and wait for ten, there are a handful."""
    time, alarms = Time(), Alarms()
    for count in range(1000):
        join(alarms, Sleeper(time), count / 1000 + 10, count / 1000)

    assert len(time.timers) <= 6


def test_whoever_leaves_is_not_woken() -> None:
    """A connection that is gone takes itself out of its group."""
    time, alarms = Time(), Alarms()
    stays, leaves = Sleeper(time), Sleeper(time)
    groups = [join(alarms, sleeper, 10) for sleeper in (stays, leaves)]

    groups[1].discard(leaves)
    time.pass_until(11)

    assert [1, 0] == [len(stays.woken), len(leaves.woken)]


def test_a_crowd_is_woken_over_some_turns() -> None:
    """Others have their turn in between."""
    time, alarms = Time(), Alarms()
    crowd = [Sleeper(time) for _ in range(2 * FAIR_SHARE + 1)]
    for sleeper in crowd:
        join(alarms, sleeper, 10)

    awake = []
    time.pass_until(11)
    for _ in range(3):
        awake.append(sum(len(sleeper.woken) for sleeper in crowd))
        time.turn()

    assert [FAIR_SHARE, 2 * FAIR_SHARE, 2 * FAIR_SHARE + 1] == awake


def test_what_one_raises_does_not_keep_others_asleep() -> None:
    """The loop is told, and that connection is dropped."""
    time, alarms = Time(), Alarms()
    fault = ValueError("a tap raised")
    crowd = [Sleeper(time, fault), Sleeper(time)]
    for sleeper in crowd:
        join(alarms, sleeper, 10)

    time.pass_until(11)

    assert [fault] == time.errors
    assert [(1, True), (1, False)] == [(len(sleeper.woken), sleeper.was_aborted) for sleeper in crowd]


def test_ctrl_c_does_not_keep_others_asleep() -> None:
    """It ends what runs the loop; if that goes on, everybody is woken in the end."""
    time, alarms = Time(), Alarms()
    crowd = [Sleeper(time, KeyboardInterrupt()) for _ in range(2)]
    for sleeper in crowd:
        join(alarms, sleeper, 10)

    with pytest.raises(KeyboardInterrupt):
        time.pass_until(11)
    with pytest.raises(KeyboardInterrupt):
        time.turn()

    assert [1, 1] == [len(sleeper.woken) for sleeper in crowd]


def test_a_loop_that_is_closed_is_let_go_of() -> None:
    """With whoever still sleeps in it, and holds it as connections do: nobody will wake him."""

    class Connection:
        def __init__(self) -> None:
            self.loop = asyncio.new_event_loop()
            self.group = shared_by(self.loop).alarms.join(self, 1e9, 0, self.loop)

        def wake(self) -> None: ...

        def abort(self) -> None: ...

    connection = Connection()
    gone = weakref.ref(connection.loop), weakref.ref(connection)
    connection.loop.close()
    del connection
    gc.collect()

    assert (None, None) == tuple(there() for there in gone)
