"""The opening handshake on a server, in process: `python -m bench.contenders.upgrades NAME`.

Bytes of a request in, bytes of the 101 out.  Each answers a request that it has not seen, on a connection made for it.
"""

import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from bench.harness import worker
from bench.traffic.handshakes import ACCEPT

Upgrade = Callable[[bytes], bytes]
"""Takes a request, whole; gives the answer."""
BATCH = 100


def rawws(compressed: bool) -> Upgrade:
    from rawws import Deflate, Request, ServerConnection

    wish = Deflate() if compressed else None

    def upgrade(data: bytes) -> bytes:
        connection = ServerConnection()
        connection.receive_data(data)
        request = connection.next_event()
        assert isinstance(request, Request)
        connection.accept(compression=wish)
        return connection.data_to_send()

    return upgrade


def websockets(compressed: bool) -> Upgrade:
    from websockets.extensions.permessage_deflate import enable_server_permessage_deflate
    from websockets.server import ServerProtocol

    extensions = enable_server_permessage_deflate([]) if compressed else None

    def upgrade(data: bytes) -> bytes:
        protocol = ServerProtocol(extensions=extensions)
        protocol.receive_data(data)
        [request] = protocol.events_received()
        protocol.send_response(protocol.accept(request))  # type: ignore[arg-type]
        return b"".join(protocol.data_to_send())

    return upgrade


def wsproto(compressed: bool) -> Upgrade:
    from wsproto import ConnectionType, WSConnection
    from wsproto.events import AcceptConnection, Request
    from wsproto.extensions import PerMessageDeflate

    def upgrade(data: bytes) -> bytes:
        connection = WSConnection(ConnectionType.SERVER)
        connection.receive_data(data)
        [request] = connection.events()
        assert isinstance(request, Request)
        return connection.send(AcceptConnection(extensions=[PerMessageDeflate()] if compressed else []))

    return upgrade


def h11(compressed: bool) -> Upgrade:
    """No WebSocket at all, and the right answer already made: what reading the request with h11 takes."""
    import h11

    answer: Any = [
        (b"Upgrade", b"websocket"),
        (b"Connection", b"Upgrade"),
        (b"Sec-WebSocket-Accept", ACCEPT),
    ]
    if compressed:
        answer.append((b"Sec-WebSocket-Extensions", b"permessage-deflate"))

    def upgrade(data: bytes) -> bytes:
        connection = h11.Connection(h11.SERVER)
        connection.receive_data(data)
        assert isinstance(connection.next_event(), h11.Request)
        return connection.send(h11.InformationalResponse(status_code=101, headers=answer)) or b""

    return upgrade


class Upgrader(NamedTuple):
    """How to make one."""

    make: Callable[[bool], Upgrade]
    """Given whether permessage-deflate is agreed on."""
    needs: Sequence[str] = ()


UPGRADERS = {
    "h11 alone": Upgrader(h11),
    "rawws": Upgrader(rawws),
    "websockets": Upgrader(websockets, ["websockets"]),
    "wsproto": Upgrader(wsproto, ["wsproto"]),
}


def check(answer: bytes, compressed: bool) -> None:
    """It is a 101 that a client takes."""
    assert answer.startswith(b"HTTP/1.1 101 "), answer
    assert ACCEPT in answer, answer
    assert compressed == (b"permessage-deflate" in answer), answer


def main(name: str) -> None:
    """The command."""

    def answer(request: str, compressed: bool, seconds: float) -> dict[str, float]:
        data = request.encode()
        upgrade = UPGRADERS[name].make(compressed)
        count = 0
        start, end = time.process_time(), time.perf_counter() + seconds * 1.25
        warm = time.perf_counter() + seconds / 4
        while (now := time.perf_counter()) < end or not count:
            if warm and now >= warm:
                count, start, warm = 0, time.process_time(), 0.0
            for _ in range(BATCH):
                made = upgrade(data)
            check(made, compressed)
            count += BATCH
        return {"cpu": (time.process_time() - start) / count * 1e6}

    worker.serve(answer)


if __name__ == "__main__":
    main(*sys.argv[1:])
