"""Clients that are wrong in what they do as a whole: before the answer, behind it, with two connections, and with TLS.

Each names the cases that have to catch it: all of those in `among` and no others.
"""

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from rawws import ConnectionClosed, Deflate, HandshakeRejected, RemoteProtocolError, aio
from rawws.conformance.case import CLIENT, Declared
from rawws.core.settings import Role
from tests.conformance.targets import Client, Running
from tests.conformance.zoo import mishearing

Environment = Mapping[str, str]
Lives = Callable[[str, Environment], Awaitable[None]]
"""From here to there it is a client: given the URL, and what is added to its environment."""

QUIET = ConnectionClosed, HandshakeRejected, RemoteProtocolError, OSError


@dataclass(frozen=True)
class Animal:
    """One client.

    Attributes:
        name: what is wrong with it.
        caught_by: the cases that fail, or warn.
        among: those that it is tried with.
        lives: what it does.
        declared: what is said about it.
    """

    name: str
    caught_by: str
    among: str
    lives: Lives
    declared: Declared = Declared()
    roles: frozenset[Role] = CLIENT

    def __str__(self) -> str:
        return self.name.replace(" ", "-")


class Living(Client):
    """Such a client under test."""

    async def _run(self, url: str, env: Environment) -> Any:
        return Running(asyncio.ensure_future(self.runs(url, env)))  # type: ignore[call-arg]


async def ours(url: str, env: Environment | None = None) -> None:
    """The right one: our client with asyncio, with everything to offer."""
    with contextlib.suppress(*QUIET):
        async with aio.connect(url, compression=Deflate(15, 15), subprotocols=["chat", "superchat"]) as ws:
            async for message in ws:
                await ws.send(message)


# --- Without TLS ----------------------------------------------------------------------------------------------------


async def hasty(url: str, env: Environment) -> None:
    """A frame in front of the answer."""
    host, port = url.removeprefix("ws://").rstrip("/").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n\x89\x80\0\0\0\0")
    await reader.read()
    writer.close()


async def deaf_to_what_is_glued(url: str, env: Environment) -> None:
    """What came with the answer is lost."""
    cut = mishearing.Animal("", "", hears=lambda key, answer: answer[: answer.index(mishearing.END) + 4])
    await mishearing.live(cut, url)


async def obedient(url: str, env: Environment) -> None:
    """To where it is sent, again and again."""
    while True:
        try:
            async with aio.connect(url) as ws:
                async for message in ws:
                    await ws.send(message)
            return
        except HandshakeRejected as error:
            if error.status != 301:
                return
        except QUIET:
            return


async def told(url: str, env: Environment, at_once: bool) -> None:
    """It connects twice when it is told to; the second has to wait until the first is open."""
    lock: Any = contextlib.nullcontext() if at_once else asyncio.Lock()

    async def one() -> None:
        async with lock:
            ws = await aio.connect(url)
        async with ws:
            async for message in ws:
                if message == "/connect":
                    await asyncio.gather(one(), one())
                else:
                    await ws.send(message)

    with contextlib.suppress(*QUIET):
        await one()


# --- With TLS -------------------------------------------------------------------------------------------------------

NO_CHECK_TIME = 0x200000
"""Of OpenSSL."""


def _verifies_nothing(context: ssl.SSLContext) -> None:
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE


def _looks_at_no_name(context: ssl.SSLContext) -> None:
    context.check_hostname = False


def _looks_at_no_time(context: ssl.SSLContext) -> None:
    context.verify_flags |= NO_CHECK_TIME


def trusting(change: Callable[[ssl.SSLContext], None], name: str | None = None) -> Lives:
    """A client that looks into the environment for whom to trust, and changes what it makes of that."""

    async def lives(url: str, env: Environment) -> None:
        if url.startswith("ws:"):
            await ours(url)
            return
        context = ssl.create_default_context(cafile=env.get("SSL_CERT_FILE"))
        change(context)
        host, port = url.removeprefix("wss://").rstrip("/").split(":")
        with contextlib.suppress(OSError):
            said = host if name is None else name
            reader, writer = await asyncio.open_connection(host, int(port), ssl=context, server_hostname=said)
            writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            await reader.read()
            writer.close()

    return lives


async def plain(url: str, env: Environment) -> None:
    """It has not heard of TLS."""
    await ours(url.replace("wss:", "ws:"))


SAFE = "6455/4.1/11.1-4"
COMMANDS = Declared(commands=True)

RIGHT = [
    Animal("asks once at a time", "", "6455/4.1/10", partial(told, at_once=False), COMMANDS),
    Animal("verifies all", "", SAFE, trusting(lambda context: None)),
]

ANIMALS = [
    Animal("does not wait for the answer", "6455/4.1/8 6455/4.1/33.1", "6455/4.1/8 6455/4.1/33.1", hasty),
    # Whether other cases suffer, too, depends on how TCP cuts.
    Animal("loses what comes with the answer", "6455/4.1/31.1-3", "6455/4.1/31.*", deaf_to_what_is_glued),
    Animal("follows redirections for ever", "6455/4.1/21.1", "6455/4.1/21.*", obedient),
    Animal("asks twice at once", "6455/4.1/10", "6455/4.1/10", partial(told, at_once=True), COMMANDS),
    Animal("verifies nothing", "6455/4.1/11.2-4", SAFE, trusting(_verifies_nothing)),
    Animal("looks at no name", "6455/4.1/11.3", SAFE, trusting(_looks_at_no_name)),
    Animal("looks at no time", "6455/4.1/11.4", SAFE, trusting(_looks_at_no_time)),
    Animal("says no name", "6455/4.1/11.1,3", SAFE, trusting(_looks_at_no_name, "")),
    Animal("speaks no TLS", SAFE, SAFE, plain),
]
