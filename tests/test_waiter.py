"""Waking a task at once: to the task it is as if it had been woken in the next turn of the loop."""

import asyncio
import contextvars
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from rawws.aio.waiter import _KNOWN, Waiter, may_wake_at_once, wake_at_once

try:
    import uvloop
except ImportError:
    uvloop = None

pytestmark = pytest.mark.skipif(not _KNOWN, reason="tasks are not woken at once under this Python")


def python_task(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> Any:
    """A task that is written in Python."""
    return asyncio.tasks._PyTask(coroutine, loop=loop, **options)  # type: ignore[attr-defined]


def eager_task(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> Any:
    """A task that runs before `create_task` returns.  (uvloop and asyncio's own factory do not agree in 3.13.0.)"""
    return asyncio.Task(coroutine, loop=loop, **{**options, "eager_start": True})


class Woken:
    """A loop, tasks of one kind, and a future that they wait for one after the other."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.waiter: Waiter = loop.create_future()
        self.told: list[Any] = []

    async def wait(self, name: object = "woken") -> None:
        """Wait, and say so."""
        self.waiter = self.loop.create_future()
        await self.waiter
        self.told.append(name)

    def wake(self) -> bool:
        """Wake who waits; whether he was woken at once."""
        told = len(self.told)
        at_once = wake_at_once(self.waiter, self.loop)
        assert at_once == (len(self.told) > told)
        return at_once

    async def wake_from_the_loop(self) -> bool:
        """The same from where transports call: no task is running there."""
        done: asyncio.Future[bool] = self.loop.create_future()
        self.loop.call_soon(lambda: done.set_result(self.wake()))
        return await done


def cases() -> Iterator[Any]:
    for loop in ("asyncio", "uvloop"):
        for tasks in ("C", "Python", "eager"):
            marks = [pytest.mark.skipif(uvloop is None, reason="no uvloop")] * (loop == "uvloop")
            if tasks == "eager":
                marks.append(pytest.mark.skipif(sys.version_info < (3, 12), reason="no eager tasks before 3.12"))
            yield pytest.param((loop, tasks), id=f"{loop}-{tasks}", marks=marks)


@pytest.fixture(params=cases())
def run(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Runs a coroutine function that is given a `Woken`, in a loop of one kind, with tasks of one kind."""
    loop_name, tasks = request.param
    new_loop = asyncio.new_event_loop if loop_name == "asyncio" else uvloop.new_event_loop

    def run_it(test: Callable[[Woken], Any]) -> None:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            loop = runner.get_loop()
            loop.set_task_factory({"C": None, "Python": python_task, "eager": eager_task}[tasks])
            runner.run(limited(test(Woken(loop))))

    return run_it


async def limited(test: Any) -> None:
    async with asyncio.timeout(3):
        await test


async def started(task: "asyncio.Task[Any]") -> "asyncio.Task[Any]":
    """The same task, which waits by now."""
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return task


class TestATask:
    """A task that waits."""

    def test_runs_before_the_waking_returns(self, run: Any) -> None:
        """From the loop, where no task is running, the one that waits is run until it waits again."""

        async def test(woken: Woken) -> None:
            task = await started(woken.loop.create_task(woken.wait()))
            assert await woken.wake_from_the_loop()
            await task
            assert ["woken"] == woken.told

        run(test)

    def test_may_wait_again_and_again(self, run: Any) -> None:
        """It is woken at once each time, also when it is many in one turn."""

        async def test(woken: Woken) -> None:
            async def wait() -> None:
                for n in range(100):
                    await woken.wait(n)

            task = await started(woken.loop.create_task(wait()))
            woken.loop.call_soon(lambda: [woken.wake() for _ in range(50)])
            await asyncio.sleep(0)
            assert list(range(50)) == woken.told
            for _ in range(50):
                assert await woken.wake_from_the_loop()
            await task
            assert list(range(100)) == woken.told

        run(test)

    def test_is_the_current_one_meanwhile(self, run: Any) -> None:
        """`asyncio.current_task` and what stands on it, such as `asyncio.timeout`, work in the woken task."""

        async def test(woken: Woken) -> None:
            async def wait() -> None:
                await woken.wait()
                assert task is asyncio.current_task()
                async with asyncio.timeout(0.01):
                    await woken.loop.create_future()

            task = woken.loop.create_task(wait())
            await started(task)
            assert await woken.wake_from_the_loop()
            with pytest.raises(TimeoutError):
                await task

        run(test)

    def test_is_left_alone_while_another_runs(self, run: Any) -> None:
        """Tasks do not run within each other: woken from a task, it runs in the next turn."""

        async def test(woken: Woken) -> None:
            task = await started(woken.loop.create_task(woken.wait()))
            assert not woken.wake()
            assert [] == woken.told
            await task
            assert ["woken"] == woken.told

        run(test)

    def test_is_left_alone_in_its_own_context(self, run: Any) -> None:
        """Who wakes it inside the context that it runs in cannot enter that a second time: the next turn it is."""

        async def test(woken: Woken) -> None:
            context = contextvars.copy_context()
            task = await started(asyncio.Task(woken.wait(), context=context))
            woken.loop.call_soon(woken.wake, context=context)
            await task
            assert ["woken"] == woken.told

        run(test)

    def test_keeps_its_context(self, run: Any) -> None:
        """Context variables are those of the task, and what it sets in there stays in there."""

        async def test(woken: Woken) -> None:
            variable = contextvars.ContextVar("variable", default="outside")

            async def wait() -> None:
                variable.set("inside")
                await woken.wait()
                woken.told.append(variable.get())
                variable.set("changed")

            task = await started(woken.loop.create_task(wait()))
            seen = []
            woken.loop.call_soon(lambda: seen.append((woken.wake(), variable.get())))
            await task
            assert (["woken", "inside"], [(True, "outside")]) == (woken.told, seen)

        run(test)

    def test_may_raise(self, run: Any) -> None:
        """What it raises is its own, and not of who woke it."""

        async def test(woken: Woken) -> None:
            async def wait() -> None:
                await woken.wait()
                raise LookupError

            task = await started(woken.loop.create_task(wait()))
            assert await woken.wake_from_the_loop()
            with pytest.raises(LookupError):
                await task

        run(test)

    def test_may_wake_the_next(self, run: Any) -> None:
        """A task that was woken at once and wakes another leaves that one to the next turn."""

        async def test(woken: Woken) -> None:
            other = Woken(woken.loop)

            async def wait() -> None:
                await woken.wait()
                assert not other.wake()

            first = woken.loop.create_task(wait())
            second = woken.loop.create_task(other.wait())
            await started(first)
            assert await woken.wake_from_the_loop()
            await asyncio.gather(first, second)
            assert (["woken"], ["woken"]) == (woken.told, other.told)

        run(test)


class TestCancelling:
    """A task that is cancelled."""

    def test_before_it_is_woken(self, run: Any) -> None:
        """It is not woken any more: the future is cancelled, as any other."""

        async def test(woken: Woken) -> None:
            task = await started(woken.loop.create_task(woken.wait()))
            task.cancel("why")
            assert woken.waiter.cancelled()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert [] == woken.told

        run(test)

    def test_after_it_was_woken(self, run: Any) -> None:
        """It has gone on by then, and is cancelled where it waits next."""

        async def test(woken: Woken) -> None:
            async def wait() -> None:
                await woken.wait(1)
                await woken.wait(2)

            task = await started(woken.loop.create_task(wait()))
            assert await woken.wake_from_the_loop()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert [1] == woken.told

        run(test)

    def test_by_itself(self, run: Any) -> None:
        """A task that cancels itself when it is woken is cancelled where it waits next."""

        async def test(woken: Woken) -> None:
            async def wait() -> None:
                await woken.wait()
                task.cancel()
                await woken.loop.create_future()

            task = woken.loop.create_task(wait())
            await started(task)
            assert await woken.wake_from_the_loop()
            with pytest.raises(asyncio.CancelledError):
                await task

        run(test)

    @pytest.mark.parametrize("how", ["wait_for", "timeout"])
    def test_when_time_is_over(self, run: Any, how: str) -> None:
        """A time limit ends the waiting, or does not when it is woken before."""

        async def test(woken: Woken) -> None:
            async def wait(seconds: float) -> None:
                if how == "wait_for":
                    await asyncio.wait_for(woken.wait(), seconds)
                else:
                    async with asyncio.timeout(seconds):
                        await woken.wait()

            with pytest.raises(TimeoutError):
                await wait(0.01)
            task = await started(woken.loop.create_task(wait(3)))
            assert await woken.wake_from_the_loop()
            await task
            assert ["woken"] == woken.told

        run(test)


class TestCombining:
    """What combines tasks."""

    @pytest.mark.parametrize("how", ["gather", "shield", "wait", "TaskGroup", "awaiting"])
    def test_works_as_ever(self, run: Any, how: str) -> None:
        """A task that others wait for, in whatever way, is woken at once; they go on in the next turn."""

        async def test(woken: Woken) -> None:
            async def wait() -> None:
                if how == "gather":
                    await asyncio.gather(woken.wait(), asyncio.sleep(0))
                elif how == "shield":
                    await asyncio.shield(woken.wait())
                elif how == "wait":
                    await asyncio.wait([asyncio.ensure_future(woken.wait())])
                elif how == "TaskGroup":
                    async with asyncio.TaskGroup() as group:
                        group.create_task(woken.wait())
                else:
                    await woken.loop.create_task(woken.wait())
                woken.told.append("went on")

            task = woken.loop.create_task(wait())
            await started(task)
            await asyncio.sleep(0)
            assert await woken.wake_from_the_loop()
            assert ["woken"] == woken.told[:1]
            await task
            assert ["woken", "went on"] == woken.told

        run(test)

    def test_leaves_other_callbacks_alone(self, run: Any) -> None:
        """A future with other callbacks than that of one task gets its result in the ordinary way."""

        async def test(woken: Woken) -> None:
            task = await started(woken.loop.create_task(woken.wait()))
            woken.waiter.add_done_callback(lambda _: woken.told.append("called"))
            assert not await woken.wake_from_the_loop()
            await task
            bare: Waiter = woken.loop.create_future()
            assert not wake_at_once(bare, woken.loop)
            assert bare.done()
            called: Waiter = woken.loop.create_future()
            called.add_done_callback(lambda _: woken.told.append("called too"))
            assert not wake_at_once(called, woken.loop)
            await asyncio.sleep(0)
            assert {"woken", "called", "called too"} == set(woken.told)

        run(test)


class TestWhere:
    """Where tasks are woken at once."""

    def test_is_where_it_is_known_to_be_right(self, run: Any) -> None:
        """On the loops that these tests run on."""

        async def test(woken: Woken) -> None:
            assert may_wake_at_once(woken.loop)

        run(test)

    def test_is_not_in_loops_that_are_not_known(self) -> None:
        """Any other loop wakes as asyncio does."""

        class Unknown(asyncio.BaseEventLoop):
            pass

        loop = Unknown()
        assert not may_wake_at_once(loop)
        loop.close()

    def test_can_be_switched_off(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """`RAWWS_EAGER=0`, as read when the module was imported, switches it off."""
        monkeypatch.setattr("rawws.aio.waiter._WISHED", False)
        with asyncio.Runner() as runner:
            assert not may_wake_at_once(runner.get_loop())
