"""A client that loses what comes in the same read as the 101, and the declaration with which all else can be seen."""

import asyncio

import pytest

from rawws import Role
from rawws.conformance import Declared, Report, Verdict, run_cases, select
from tests.conformance.targets import LITTLE, Client
from tests.conformance.zoo.echo import Echo, calling

GLUED = "6455/4.1/31"
"""What comes with the answer is not lost."""
IN_ONE_READ = ["6455/4.1/8", "6455/4.1/28.1", "6455/5.4/1"]
"""Cases about something else, whose first frame comes right behind a 101 in one piece."""
OTHERS = [*IN_ONE_READ, "6455/4.1/30", "6455/5.2/42"]


class Forgetful(Echo):
    """It throws away what stands behind the head, and takes its time to read, so that there is something."""

    head = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask, and do not read at once."""
        super().connection_made(transport)
        self.nap()

    def nap(self) -> None:
        """Read nothing for a moment."""
        self.transport.pause_reading()
        asyncio.get_running_loop().call_later(0.02, self.transport.resume_reading)

    def data_received(self, data: bytes) -> None:
        """All that is there by now."""
        if b"\r\n\r\n" in self.head:
            super().data_received(data)
            return
        self.head += data
        end = self.head.find(b"\r\n\r\n")
        if end < 0:
            self.nap()
        else:
            super().data_received(self.head[: end + 4])


async def forgetful(url: str) -> None:
    """Such a client."""
    await calling(Forgetful, url)


def verdicts(*include: str, settle: float) -> set[Verdict]:
    """Those that these cases come to."""
    target = Client(forgetful, patience=LITTLE, declared=Declared(settle=settle))
    report: Report = asyncio.run(run_cases(select(Role.CLIENT, include=include), target))
    return {result.verdict for result in report.results}


@pytest.mark.parametrize("id", IN_ONE_READ)
def test_it_fails_what_is_about_something_else(id: str) -> None:
    """A case whose first frame comes right behind the 101 says nothing about such a client."""
    assert {Verdict.FAIL} == verdicts(id, settle=0)


def test_it_passes_when_the_tester_waits() -> None:
    """Behind a 101 and a moment, everything else is seen for what it is."""
    assert {Verdict.PASS} == verdicts(*OTHERS, settle=0.2)


def test_it_is_caught_all_the_same() -> None:
    """The cases about what comes in the same segment do not wait."""
    assert {Verdict.FAIL} == verdicts(GLUED, settle=0.2)
