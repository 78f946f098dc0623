"""Connections from any bytes: a server and a client from the first byte of HTTP on, and both when they are open."""

import base64
from typing import Any

from fuzz.source import Source
from fuzz.talk import NO_LIMITS, Application, Choices, check_cutting, check_sent
from rawws.core.connection import Connection
from rawws.core.http1 import ClientConnection, Connected, Rejected, Request, ServerConnection
from rawws.core.settings import Role
from tests.wire import Keys


def server(data: bytes) -> None:
    """A `ServerConnection`: the handshake, and the frames behind it."""
    source = Source(data)
    choices = Choices.of(source)
    application = check_cutting(lambda: ServerConnection(**choices.options), choices, source.rest())
    request = application.request
    if request is not None and request.upgrade is not None:
        _check_as_client(application, request)
    elif application.out:
        _check_refusal(application.out, request)


def _check_as_client(application: Application, request: Request) -> None:
    """A client that asked like this understands the answer."""
    assert request.upgrade is not None
    assert request.upgrade.key is not None
    nonce = base64.b64decode(request.upgrade.key)
    client = ClientConnection(
        "example.com",
        subprotocols=request.upgrade.subprotocols,
        compression=application.choices.compression,
        limits=NO_LIMITS,
        random=lambda size: nonce[:size],
    )
    if client.upgrade.key != request.upgrade.key:
        return  # Base64 of 16 bytes has 4 bits to spare, and the peer filled them.
    if application.choices.answer in (0, 1, 4):
        check_sent(application, client, application.out)
        assert client.subprotocol == application.connection.subprotocol
        assert client.compression == application.connection.compression
    elif application.out:
        _check_refusal(application.out, request)


def _check_refusal(answer: bytes, request: Request | None) -> None:
    """It is an answer as HTTP has them, with nothing behind it."""
    client = ClientConnection("example.com", limits=NO_LIMITS)
    client.receive_data(answer)
    if request is None or request.method != "HEAD":
        client.receive_data(b"")
    client.receive_eof()
    rejected, closed = client.events()
    assert isinstance(rejected, Rejected)
    assert 400 <= rejected.status < 600
    assert rejected.body or (request is not None and request.method == "HEAD") or b"hunked" in answer
    assert client.closed == closed


class _Nonces(Keys):
    """Keys that count up, and a nonce of zeros for the handshake, so that the right answer to it is always the same."""

    def __call__(self, size: int) -> bytes:
        return bytes(16) if size == 16 else super().__call__(size)


def client(data: bytes) -> None:
    """A `ClientConnection`: the answer, and the frames behind it."""
    source = Source(data)
    choices = Choices.of(source)
    options: dict[str, Any] = {**choices.options, "random": _Nonces()}

    def make() -> Connection:
        fresh = {**options, "compression": choices.compression, "random": _Nonces()}
        return ClientConnection("example.com", subprotocols=["chat", "superchat"], **fresh)

    application = check_cutting(make, choices, source.rest())
    reader = ServerConnection(limits=NO_LIMITS)
    head, end, frames = application.out.partition(b"\r\n\r\n")
    reader.receive_data(head + end)
    request = reader.next_event()
    assert isinstance(request, Request)
    assert request.upgrade is not None
    if any(told[0] is Connected for told in application.told):
        reader.accept()
        check_sent(application, Connection(Role.SERVER, application.connection.agreement, limits=NO_LIMITS), frames)
    else:
        assert not frames


def opened(data: bytes) -> None:
    """A `Connection` that is open, in either role; the frames come as they are, or written from a script."""
    source = Source(data)
    choices = Choices.of(source)
    sender = choices.role.peer
    wire = b"".join(source.frames(sender)) if choices.flags & 0x10 else source.rest()
    application = check_cutting(lambda: _open(choices), choices, wire)
    check_sent(application, Connection(sender, choices.agreement, limits=NO_LIMITS), application.out)
    _check_streaming(application, choices, wire)


def _open(choices: Choices) -> Connection:
    return Connection(choices.role, choices.agreement, **choices.options)


def _check_streaming(application: Application, choices: Choices, wire: bytes) -> None:
    """Whether messages are given whole or in chunks changes nothing else."""
    if choices.reaction & 1:
        return
    other = Choices(choices.flags ^ 1, choices.reaction, choices.size, choices.copy_at)
    streamed = check_cutting(lambda: _open(other), other, wire)
    assert application.told == streamed.told
    assert application.out == streamed.out
    assert choices.role in Role
