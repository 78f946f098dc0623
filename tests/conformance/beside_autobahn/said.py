"""What a suite says about a peer, how long it took to say so, and how that is kept in a file."""

import json
from pathlib import Path
from typing import Any, NamedTuple

from rawws.conformance.case import Tier

AUTOBAHN, OURS = "Autobahn", "rawws"


class Part(NamedTuple):
    """Cases of Autobahn, and the tier of ours in which their counterparts are."""

    name: str
    groups: tuple[str, ...]
    tier: Tier


PARTS = (
    Part("1-7", tuple(f"{group}.*" for group in range(1, 8)), Tier.CORE),
    Part("9-10", ("9.*", "10.*"), Tier.SIZE),
    Part("12-13", ("12.*", "13.*"), Tier.SOAK),
)


class Said(NamedTuple):
    """What is said of one case.

    Attributes:
        verdict: on what was said.
        closing: Autobahn has a second one on how it ended.
        remark: what came.
        passive: with ours, the passive cases that find something wrong in what it heard, such as the code of a Close.
    """

    verdict: str
    closing: str = ""
    remark: str = ""
    passive: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.verdict if self.closing in ("", "OK", self.verdict) else f"{self.verdict}, closing {self.closing}"


class Run(NamedTuple):
    """One suite, once, against one peer.

    Attributes:
        part: the name of the part.
        suite: whose cases.
        whole: all of this part, not only those that have a counterpart.
        at_once: how many cases at once.
        seconds: of the clock.
        cpu: seconds of the tester; of an animal in its process too.
        said: by the id of the case.
        late: cases of Autobahn's that were not done in the time that kosoku gives them, not even the second time.
        load: of the machine before and behind it, over a minute.
    """

    part: str
    suite: str
    whole: bool
    at_once: int
    seconds: float
    cpu: float
    said: dict[str, Said]
    late: tuple[str, ...] = ()
    load: tuple[float, ...] = ()


class Measured(NamedTuple):
    """All runs against one peer.

    Attributes:
        name: who it is.
        role: what it plays.
        versions: of what it is made of; empty for an animal.
        max_size: the largest message that it takes, as far as it is known.
        date: when, in UTC.
        runs: in the order in which they were made.
    """

    name: str
    role: str
    versions: dict[str, str]
    max_size: int | None
    date: str
    runs: list[Run]

    @property
    def is_animal(self) -> bool:
        """Whether it was made to be wrong."""
        return not self.versions

    def run(self, part: str, suite: str, at_once: int, whole: bool = True) -> Run | None:
        """The last run of this kind."""
        kind = (part, suite, whole, at_once)
        return next((run for run in reversed(self.runs) if run[:4] == kind), None)

    def write(self, folder: Path) -> None:
        """Keep it there."""
        folder.mkdir(parents=True, exist_ok=True)
        runs = [run._asdict() for run in self.runs]
        path = folder / f"{file_name(self.name, self.role)}.json"
        path.write_text(json.dumps(self._asdict() | {"runs": runs}, indent=1, ensure_ascii=False) + "\n")


def file_name(name: str, role: str) -> str:
    """Under which it is kept, without the ending."""
    return f"{name.replace(' ', '-')}-{role}"


def read(path: Path) -> Measured:
    """What was kept in this file."""
    value: dict[str, Any] = json.loads(path.read_text())
    return Measured(**value | {"runs": [_run(**run) for run in value["runs"]]})


def _run(said: dict[str, Any], late: list[str], load: list[float], **others: Any) -> Run:
    found = {id: Said(verdict, closing, remark, tuple(by)) for id, (verdict, closing, remark, by) in said.items()}
    return Run(**others, said=found, late=tuple(late), load=tuple(load))
