"""Memory of connections that are open and say nothing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.contenders.echo import echo_servers
from bench.harness.memory import resident
from bench.harness.process import Process
from bench.harness.suite import Contender, Effort, NotTaken, Sample, Scenario, Suite
from bench.traffic.idle import Idle, enough_files

WARM = 20


@dataclass(frozen=True, kw_only=True)
class Crowd(Scenario):
    """Connections."""

    connections: int
    talk: Callable[[Idle], None]
    """What each does before it is idle."""
    offer: bool = False
    """Whether it offers permessage-deflate."""


class Memory(Suite):
    title = "Memory of an idle connection"
    unit = "KiB a connection"
    rounds = 2
    fresh = True
    about = """
How much more memory a server has, by its proportional set size (Pss; `Rss KiB` beside it), when so many more
connections are open and idle, divided by their number. Each has echoed one message of 1 KiB; with permessage-deflate,
one column is for connections that have agreed on it and said nothing, one for such that have echoed 1 KiB compressed.
The kernel's memory for a socket is the same for all, and not in it. Each figure is of a server just started.
"""

    def scenarios(self) -> Sequence[Crowd]:
        return (
            Crowd(name="2,000 connections", connections=2000, talk=Idle.echo),
            Crowd(name="1,000 with permessage-deflate", connections=1000, talk=Idle.say_nothing, offer=True),
            Crowd(name="1,000 that compressed 1 KiB", connections=1000, talk=Idle.echo_compressed, offer=True),
        )

    def contenders(self) -> Sequence[Contender]:
        return [each for each in echo_servers() if "uvloop" not in each.name]

    def measure(self, process: Process, scenario: Crowd, effort: Effort) -> Sample:
        if scenario.offer and process.plain:
            raise NotTaken
        count = effort.few(scenario.connections, 50)
        enough_files(count)
        idle: list[Idle] = []
        try:
            for number in range(WARM + count):
                if number == WARM:
                    before = resident(process.pid)
                idle.append(Idle(process.port, process.plain, scenario.offer))
                if scenario.offer and not idle[-1].compressed:
                    raise NotTaken
                scenario.talk(idle[-1])
            after = resident(process.pid)
        finally:
            for one in idle:
                one.hang_up()
        grown = [(now - then) / count / 1024 for then, now in zip(before, after)]
        return Sample(grown[0], {"Rss KiB": grown[1], "connections": count})


SUITE = Memory()
