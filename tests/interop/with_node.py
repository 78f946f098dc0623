"""`ws` on Node, in a process that does what it is told; see node/peer.js."""

import json
import shutil
import subprocess
import threading
from base64 import b64decode, b64encode
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from rawws import Deflate
from tests.interop.talk import (
    FORBIDDEN,
    GREETING,
    HOST,
    LIMIT,
    REFUSAL,
    SUBPROTOCOL,
    TIMEOUT,
    Ended,
    Ends,
    Message,
    Offer,
    Refused,
    Stage,
    Talker,
    at_once,
)

_HERE = Path(__file__).with_name("node")

if shutil.which("node") is None:
    raise ImportError("there is no node")
if not (_HERE / "node_modules" / "ws").is_dir():
    raise ImportError(f"no node_modules: run npm install in {_HERE}")


class Node:
    """The process, and for each of its connections a queue of what it told about it."""

    def __init__(self, on_connection: Callable[[int, dict[str, Any]], object] | None = None) -> None:
        self._on_connection = on_connection
        self._told: defaultdict[int, SimpleQueue[dict[str, Any]]] = defaultdict(SimpleQueue)
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            ["node", str(_HERE / "peer.js")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def order(self, what: str, **details: Any) -> None:
        """Have something done."""
        with self._lock:
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps({"order": what, **details}) + "\n")

    def told(self, id: int) -> dict[str, Any]:
        """The next thing that it told about a connection."""
        return self._told[id].get(timeout=TIMEOUT)

    def end(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._reader.join(TIMEOUT)
        self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            told = json.loads(line)
            if told["event"] == "connection" and self._on_connection is not None:
                threading.Thread(target=self._on_connection, args=(told["id"], told), daemon=True).start()
            else:
                self._told[told["id"]].put(told)


class NodeTalker(Talker):
    """A connection of the process."""

    def __init__(self, node: Node, id: int, path: str, opened: dict[str, Any]) -> None:
        self.node = node
        self.id = id
        self.path = path
        self.subprotocol = opened["subprotocol"] or None
        self.headers = opened["headers"]
        self._waiting: deque[Message] = deque()
        self._pongs: set[bytes] = set()

    async def send(self, message: Message, compress: bool | None = None) -> None:
        self._send([message], compress=compress)

    async def send_fragments(self, parts: Sequence[Message], pings: bool = False) -> None:
        self._send(parts, pings=pings)

    def _send(self, parts: Sequence[Message], **options: Any) -> None:
        encoded = [_base64(part) for part in parts]
        self.node.order("send", id=self.id, parts=encoded, binary=not isinstance(parts[0], str), **options)

    async def recv(self) -> Message:
        while not self._waiting:
            self._step()
        return self._waiting.popleft()

    def _step(self) -> None:
        """Take what it tells next, whatever it is."""
        told = self.node.told(self.id)
        match told["event"]:
            case "message":
                data = b64decode(told["data"])
                self._waiting.append(data if told["binary"] else data.decode())
            case "pong":
                self._pongs.add(b64decode(told["data"]))
            case "close":
                raise Ended(told["code"], told["reason"])

    async def ping(self, payload: bytes) -> None:
        self.node.order("ping", id=self.id, data=_base64(payload))
        while payload not in self._pongs:
            self._step()

    async def close(self, code: int, reason: str) -> Ended:
        self.node.order("close", id=self.id, code=code, reason=reason)
        while True:
            try:
                self._step()
            except Ended as end:
                return end

    async def drop(self) -> None:
        self.node.order("drop", id=self.id)


class ClientTalker(NodeTalker):
    """One that has the process for itself."""

    async def leave(self) -> None:
        self.node.end()


def _options(wish: Deflate | None) -> bool | dict[str, Any]:
    """What `ws` calls perMessageDeflate; what is not in there, it does not ask for, and does if it is asked to."""
    if wish is None:
        return True
    options: dict[str, Any] = {"threshold": wish.threshold}
    if wish.server_no_context_takeover:
        options["serverNoContextTakeover"] = True
    if wish.client_no_context_takeover:
        options["clientNoContextTakeover"] = True
    if wish.server_max_window_bits < 15:
        options["serverMaxWindowBits"] = wish.server_max_window_bits
    if wish.client_max_window_bits < 15:
        options["clientMaxWindowBits"] = wish.client_max_window_bits
    return options


def _base64(message: Message) -> str:
    return b64encode(message.encode() if isinstance(message, str) else message).decode()


async def _connect(offer: Offer) -> Talker:
    node = Node()
    try:
        node.order(
            "connect",
            id=0,
            uri=offer.uri,
            subprotocols=offer.subprotocols,
            headers=dict(offer.headers),
            authority=offer.tls and offer.tls.authority,
            compression=_options(offer.compression),
            limit=LIMIT,
        )
        answer = node.told(0)
        if answer["event"] == "refused":
            raise Refused(answer["status"], b64decode(answer["body"]))
        assert answer["event"] == "open", answer
    except BaseException:
        node.end()
        raise
    return ClientTalker(node, 0, offer.path, answer)


@contextmanager
def _serve(stage: Stage) -> Iterator[int]:
    def converse(id: int, opened: dict[str, Any]) -> None:
        at_once(stage.host.converse(NodeTalker(node, id, opened["path"], opened)))

    node = Node(converse)
    try:
        node.order(
            "serve",
            host=HOST,
            certificate=stage.tls and stage.tls.certificate,
            key=stage.tls and stage.tls.key,
            compression=_options(stage.compression),
            subprotocol=SUBPROTOCOL,
            greeting=GREETING,
            forbidden=FORBIDDEN,
            refusal=REFUSAL,
            limit=LIMIT,
        )
        yield node.told(0)["port"]
    finally:
        node.end()


NODE = Ends(_connect, _serve)
