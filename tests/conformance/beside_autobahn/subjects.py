"""Who is tested: other libraries, each a process of its own, and animals of the zoo, in this process."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from rawws.conformance.case import Declared
from rawws.conformance.line import Patience
from rawws.conformance.target import ServerTarget, Target
from rawws.core.settings import Role
from tests.conformance.naive import listening
from tests.conformance.peers.playing import playing
from tests.conformance.peers.table import PEERS, Peer
from tests.conformance.targets import Client
from tests.conformance.zoo import closing, fragments, frames, utf8
from tests.conformance.zoo.between import Animal, server_target
from tests.conformance.zoo.careless import Careless
from tests.conformance.zoo.echo import serving

PATIENCE = Patience(reply=2.0, close=0.5)
"""For animals: some of them do nothing where something is expected."""


class Subject(NamedTuple):
    """One that is tested.

    Attributes:
        name: what it is called.
        role: what it plays.
        present: gives the target, and keeps it up.
        versions: of what it is made of; empty for an animal.
        declared: what is known about it.
        usual: it is tested unless others are named.
    """

    name: str
    role: Role
    present: Callable[[], AbstractAsyncContextManager[Target]]
    versions: dict[str, str]
    declared: Declared
    usual: bool


USUAL = {
    (Role.SERVER, "websockets-asyncio"),
    (Role.SERVER, "aiohttp"),
    (Role.SERVER, "picows"),
    (Role.SERVER, "tornado"),
    (Role.SERVER, "tornado-deflate"),
    (Role.CLIENT, "websockets-asyncio"),
    (Role.CLIENT, "aiohttp"),
    (Role.CLIENT, "websocket-client"),
}

BETWEEN = (
    "looks at no reserved bits",
    "ignores reserved opcodes",
    "loses messages of 126 bytes",
    "takes long pings",
    "takes long Closes",
    "answers no empty pings",
    "cuts its pongs",
    "loses a message with a ping in it",
    "ignores continuations of nothing",
    "ends a message by the next",
)
"""Animals that are right, with something between them and the wire."""

SERVERS: tuple[type[Any], ...] = (
    Careless,
    utf8.TakesAnyBytes,
    utf8.TakesSurrogates,
    utf8.TakesOverlongForms,
    utf8.DropsWhatIsCutOff,
    utf8.RefusesNoncharacters,
    closing.NeverAnswersClose,
    closing.TakesHalfACode,
    closing.TakesAnyCode,
    closing.TakesAnyReason,
    closing.KnowsNoCodesOfOthers,
    closing.KeepsTcp,
)
CLIENTS: tuple[type[Any], ...] = (
    Careless,
    utf8.TakesAnyBytes,
    utf8.DropsWhatIsCutOff,
    closing.TakesAnyCode,
    closing.TakesAnyReason,
)


def _peer(peer: Peer) -> Subject:
    usual = (peer.role, peer.name) in USUAL
    return Subject(peer.name, peer.role, partial(playing, peer), peer.versions, peer.declared, usual)


def _animal(name: str, role: Role, present: Callable[[], AbstractAsyncContextManager[Target]]) -> Subject:
    return Subject(name, role, present, {}, Declared(), True)


@asynccontextmanager
async def _naive() -> AsyncIterator[Target]:
    with listening() as url:
        yield ServerTarget(url, patience=PATIENCE)


def _found(name: str) -> Animal:
    everybody = [
        one for page in (frames, fragments) for pen in vars(page).values() if isinstance(pen, list) for one in pen
    ]
    return next(one for one in everybody if isinstance(one, Animal) and one.name == name)


@asynccontextmanager
async def _server(animal: type[Any]) -> AsyncIterator[Target]:
    async with serving(animal) as port:
        yield ServerTarget(f"ws://127.0.0.1:{port}/", patience=PATIENCE)


@asynccontextmanager
async def _client(animal: type[Any]) -> AsyncIterator[Target]:
    yield Client(lambda url: _calling(animal, url), patience=PATIENCE)


async def _calling(animal: type[Any], url: str) -> None:
    """A client, until its connection is over; to Autobahn the query says which case it is."""
    place = urlsplit(url)
    assert place.hostname is not None
    assert place.port is not None
    path = f"{place.path}?{place.query}" if place.query else place.path
    _, client = await asyncio.get_running_loop().create_connection(
        lambda: animal(Role.CLIENT, place.netloc, path), place.hostname, place.port
    )
    try:
        await asyncio.shield(client.over)
    finally:
        await client.gone()


def everybody() -> list[Subject]:
    """All that can be tested here."""
    found = [_peer(peer) for peer in PEERS if not peer.missing and not peer.where.endswith((".html", ".js"))]
    found.append(_animal("naive", Role.SERVER, _naive))
    found += [_animal(name, Role.SERVER, partial(server_target, _found(name))) for name in BETWEEN]
    found += [_animal(kind.__name__, Role.SERVER, partial(_server, kind)) for kind in SERVERS]
    found += [_animal(kind.__name__, Role.CLIENT, partial(_client, kind)) for kind in CLIENTS]
    return found
