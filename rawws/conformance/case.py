"""What a case is, and how the pages under `cases/` write one down.

    @family("6455/5.4/4", MUST, rules.MESSAGE_UNFINISHED, {
        "text in text": (TEXT, TEXT),
        "binary in text": (TEXT, BINARY),
    }, autobahn=["5.18"])
    async def message_in_message(peer: Peer, outer: int, inner: int) -> None:
        \"\"\"A message is finished before the next one begins.\"\"\"
        await peer.send(peer.frame(outer, "a", fin=False), peer.frame(inner, "b"))
        await peer.fails()

The family's function is called once for each entry, with what the entry says; its docstring is the requirement, in our
words.  The first entry is `6455/5.4/4.1`, the next `6455/5.4/4.2`.  **Ids never move**: new entries come last, and what
is withdrawn leaves its number empty (None).  A family with no entries is one case, `6455/5.4/9`.
"""

import fnmatch
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from rawws.conformance.verdict import Level
from rawws.core.rules import Rule
from rawws.core.settings import Role

MUST, SHOULD, MAY, LIM = Level


class Tier(Enum):
    """How much a case asks of the target, and of one's patience."""

    CORE = "core"
    SIZE = "size"
    SOAK = "soak"


BOTH = frozenset(Role)
SERVER = frozenset({Role.SERVER})
CLIENT = frozenset({Role.CLIENT})
"""Which side a case puts under test."""


class Opening(Enum):
    """What has happened when the function of a case begins."""

    OPEN = "open"
    """A connection is open, with nothing agreed on."""
    RAW = "raw"
    """TCP (and TLS) is there.  Of a client under test, its request has not been read; nothing was said."""
    PASSIVE = "passive"
    """It is no conversation: see `passive`."""


Entry = tuple[Any, ...] | Any


@dataclass(frozen=True, slots=True)
class Case:
    """One case.

    Attributes:
        id: such as "6455/5.4/4.1", for ever.
        title: which case of its family it is, for people.
        requirement: what the target has to do, one sentence.
        level: how strongly the RFCs want it.
        rule: the row of `core.rules` that it is about, if there is one.
        roles: which sides it can put under test.
        tier: core, size or soak.
        opening: what has happened when `run` begins.
        offer: the extension that is agreed on first: a client under test has to offer it, a server to accept it.
        needs: declarations without which the case is skipped, by the names of `Declared`.
        alone: it runs behind all others, and no other one with it: it floods the target, or measures time.
        waits: it mostly waits for the target, and runs beside all others, from the beginning.
        autobahn: the cases of that suite that it stands for, such as "5.18".
        call: the function.
        entry: what it is called with, behind the peer.
    """

    id: str
    title: str
    requirement: str
    level: Level
    rule: Rule | None
    roles: frozenset[Role]
    tier: Tier
    opening: Opening
    offer: str
    needs: frozenset[str]
    alone: bool
    waits: bool
    autobahn: tuple[str, ...]
    call: Callable[..., Awaitable[None]]
    entry: tuple[Any, ...] = ()

    @property
    def section(self) -> str:
        """The RFC and its section: "6455/5.4"."""
        return self.id.rpartition("/")[0]

    @property
    def group(self) -> str:
        """The id of its family: "6455/5.4/4"."""
        head, _, last = self.id.rpartition("/")
        return f"{head}/{last.partition('.')[0]}"

    def matches(self, glob: str) -> bool:
        """Whether `glob` is about it: an id with `*`, a section, a family, or "ab:" and an id of Autobahn's."""
        if glob.startswith("ab:"):
            return any(fnmatch.fnmatchcase(name, glob[3:]) for name in self.autobahn)
        return fnmatch.fnmatchcase(self.id, glob) or glob.rstrip("/") in (self.section, self.group)


CASES: dict[str, Case] = {}
"""Every case by its id.  `load` fills it."""


def family(
    group: str,
    level: Level,
    rule: Rule | None = None,
    entries: Mapping[str, Entry] | None = None,
    *,
    roles: frozenset[Role] = BOTH,
    tier: Tier = Tier.CORE,
    opening: Opening = Opening.OPEN,
    offer: str = "",
    needs: Iterable[str] = (),
    alone: bool = False,
    waits: bool = False,
    autobahn: Sequence[str] | Mapping[str, Sequence[str]] = (),
) -> Callable[[Callable[..., Awaitable[None]]], Callable[..., Awaitable[None]]]:
    """Make cases of a function; see the head of this module.

    Args:
        group: "6455/5.4/4".
        level: how strongly the RFCs want it.
        rule: the row of `core.rules` that it is about.
        entries: a title and the arguments for each case, in the order of the ids; a None keeps a number empty.
        autobahn: for all cases of the family the same, or by title.
    """

    def register(call: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
        requirement = " ".join((call.__doc__ or "").split())
        assert requirement, f"{group} says no requirement"
        found = entries if entries is not None else {"": ()}
        for number, (title, entry) in enumerate(found.items(), 1):
            if entry is None:
                continue
            names = autobahn.get(title, ()) if isinstance(autobahn, Mapping) else autobahn
            case = Case(
                id=group if entries is None else f"{group}.{number}",
                title=title or requirement.rstrip("."),
                requirement=requirement,
                level=level,
                rule=rule,
                roles=roles,
                tier=tier,
                opening=opening,
                offer=offer,
                needs=frozenset(needs),
                alone=alone,
                waits=waits,
                autobahn=tuple(names),
                call=call,
                entry=entry if isinstance(entry, tuple) else (entry,),
            )
            assert case.id not in CASES, f"{case.id} is there twice"
            CASES[case.id] = case
        return call

    return register


def order(id: str) -> list[Any]:
    """The key by which ids are sorted as people count: 5.2 before 5.10."""
    return [
        [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"[.]", level)]
        for level in id.split("/")
    ]


@dataclass(frozen=True, slots=True)
class Declared:
    """What the one who runs the suite says about the target; None and empty: it was not said.

    Attributes:
        max_size: the largest message that it takes, in bytes.
        max_fragments: the most fragments of one message.
        deflate: it speaks permessage-deflate; None: find out.
        subprotocol: one that it speaks.
        bad_path: a path that it does not serve.
        origin_policy: "deny" if it refuses foreign origins, "allow" if it takes any.
        lenient: what it puts up with on purpose: "non-minimal-length".
        commands: it obeys "/close CODE" (it closes with the code) and "/send N" (a binary message of N bytes).
        soak: how many messages a case of the soak tier sends.
        settle: seconds that the tester waits behind its 101 before its first frame, for a client that loses what comes
            in the same read; the cases about that do not wait.
    """

    max_size: int | None = None
    max_fragments: int | None = None
    deflate: bool | None = None
    subprotocol: str = ""
    bad_path: str = ""
    origin_policy: str = ""
    lenient: frozenset[str] = field(default_factory=frozenset)
    commands: bool = False
    soak: int = 16
    settle: float = 0.0

    def has(self, name: str) -> bool:
        """Whether something was said about it."""
        return getattr(self, name) not in (None, "", False, frozenset())
