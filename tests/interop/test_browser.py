"""Chromium as the client, of both transports, with TLS and without: what a page sees, and whose pages may connect.

It compresses whatever it sends, if it may.
"""

import json
from collections.abc import Callable, Iterator
from itertools import count

import pytest

from rawws import Deflate, Role
from tests.interop.browser import Page, PageHost, chromium, show_page
from tests.interop.talk import HOST, LIMIT, SUBPROTOCOL, Host, Stage, Tls, Wire, at_once, background_loop
from tests.interop.with_rawws import serve_aio, serve_blocking

SERVE = {"aio": serve_aio, "blocking": serve_blocking}
OFFER = "permessage-deflate; client_max_window_bits"
AGREED = "permessage-deflate; server_max_window_bits=12; client_max_window_bits=12"
_numbers = count(1)


@pytest.fixture(scope="module", params=["aio", "blocking"])
def transport(request: pytest.FixtureRequest) -> str:
    """Which of our transports serves."""
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """What servers need besides the one that has the page."""
    with background_loop() as loop:
        yield Stage(Host(), loop, compression=Deflate())


@pytest.fixture(scope="module", params=["http", "https"])
def page(
    request: pytest.FixtureRequest, transport: str, stage: Stage, tls: Tls, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Page]:
    """A page that one of our servers serves to Chromium."""
    host = PageHost()
    secure = request.param == "https"
    own = stage._replace(host=host, tls=tls if secure else None)
    with SERVE[transport](own, process_request=show_page) as port:
        origin = f"{request.param}://{HOST}:{port}"
        with chromium(f"{origin}/", tmp_path_factory.mktemp("chromium")):
            yield Page(origin, host, stage.run if transport == "aio" else at_once)


@pytest.fixture
def path() -> str:
    """A path that no other connection has."""
    return f"/page/{next(_numbers)}"


class Answers:
    """Listens on the wire of a server for how it answers."""

    def __init__(self) -> None:
        self.first = b""

    def sent(self, data: bytes) -> None:
        self.first = self.first or data

    def received(self, data: bytes) -> None:
        pass


def test_every_message_comes_back(page: Page, path: str) -> None:
    """Text and binary of any length arrive in the page as they were sent."""
    wrong = page(
        """
        const sizes = [0, 1, 125, 126, 65535, 65536, 70000, limit];
        const messages = [
          "Grüße, мир, 世界, 🌍🏴‍☠️",
          "🌍".repeat(limit / 4),
          ...sizes.map((size) => "a".repeat(size)),
          ...sizes.map((size) => new Uint8Array(size).map((_, at) => at % 256)),
        ];
        const connection = dial(path), wrong = [];
        await connection.next();
        for (const [number, message] of messages.entries()) {
          connection.ws.send(message);
          const event = await connection.next();
          if (!same(message, event.data)) wrong.push([number, event]);
        }
        connection.ws.close();
        return wrong;
        """,
        path=path,
        limit=LIMIT,
    )

    assert [] == wrong


def test_many_messages_at_once_are_answered_in_order(page: Page, path: str) -> None:
    """A page need not wait for an answer before it sends more."""
    received = page(
        """
        const connection = dial(path), received = [];
        await connection.next();
        for (let number = 0; number < 20; number++) connection.ws.send(String(number));
        while (received.length < 20) received.push((await connection.next()).data);
        connection.ws.close();
        return received;
        """,
        path=path,
    )

    assert [str(number) for number in range(20)] == received


def test_fragments_and_pings_are_no_concern_of_a_page(page: Page, path: str) -> None:
    """A message in fragments arrives whole, and the browser answers a Ping by itself."""
    received = page(
        """
        const connection = dial(path);
        await connection.next();
        connection.ws.send('!fragments ["one, ", "", "два"]');
        connection.ws.send("!ping are you there?");
        const received = [await connection.next(), await connection.next()];
        connection.ws.close();
        return received.map((event) => event.data);
        """,
        path=path,
    )

    assert ["one, два", "ponged"] == received


@pytest.mark.parametrize("code, reason", [(1000, ""), (1000, "bye"), (3000, "чао 🌍"), (4999, "é" * 61)], ids=str)
def test_a_page_closes(page: Page, path: str, code: int, reason: str) -> None:
    """The server sees the page's code and reason, and to the page the end is clean, with that code."""
    event = page(
        """
        const connection = dial(path);
        await connection.next();
        connection.ws.close(code, reason);
        return await ending(connection);
        """,
        path=path,
        code=code,
        reason=reason,
    )
    ended = page.ending(path)

    assert (code, reason) == (ended.code, ended.reason)
    assert (code, True) == (event["code"], event["wasClean"])


def test_a_page_closes_without_a_code(page: Page, path: str) -> None:
    """That is 1005 to the server and to the page."""
    event = page(
        """
        const connection = dial(path);
        await connection.next();
        connection.ws.close();
        return await ending(connection);
        """,
        path=path,
    )

    assert 1005 == page.ending(path).code
    assert (1005, True) == (event["code"], event["wasClean"])


@pytest.mark.parametrize("code", [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1011, 1012, 1013, 1014, 3000, 4000, 4999])
def test_a_server_closes(page: Page, path: str, code: int) -> None:
    """The page sees the server's code and reason, and the browser answers with the same code."""
    event = page(
        """
        const connection = dial(path);
        await connection.next();
        connection.ws.send(`!close ${code} до свидания`);
        return await ending(connection);
        """,
        path=path,
        code=code,
    )

    assert (code, "до свидания", True) == (event["code"], event["reason"], event["wasClean"])
    assert code == page.ending(path).code


def test_a_page_sends_too_much(page: Page, path: str) -> None:
    """A message over the server's limit ends the connection with 1009, and the page hears so."""
    event = page(
        """
        const connection = dial(path);
        await connection.next();
        connection.ws.send(new Uint8Array(limit + 1));
        return await ending(connection);
        """,
        path=path,
        limit=LIMIT,
    )

    assert (1009, True) == (event["code"], event["wasClean"])
    assert 1009 == page.ending(path).code


def test_a_server_drops_the_connection(page: Page, path: str) -> None:
    """That is 1006 to a page, and not clean."""
    event = page(
        """
        const connection = dial(path);
        await connection.next();
        connection.ws.send("!drop");
        return await ending(connection);
        """,
        path=path,
    )

    assert (1006, False) == (event["code"], event["wasClean"])


def test_the_subprotocol_is_agreed_on(page: Page, path: str) -> None:
    """Of those that a page offers, it gets the one that the server speaks; and it is told how to compress."""
    opened, described = page(
        """
        const connection = dial(path, ["unknown", subprotocol]);
        const opened = await connection.next();
        connection.ws.send("!describe");
        const described = await connection.next();
        connection.ws.close();
        return [opened, described.data];
        """,
        path=path,
        subprotocol=SUBPROTOCOL,
    )
    described = json.loads(described)

    assert {"type": "open", "subprotocol": SUBPROTOCOL, "extensions": AGREED} == opened
    assert SUBPROTOCOL == described["subprotocol"]
    assert OFFER == described["headers"]["sec-websocket-extensions"]


def test_a_page_wants_one_of_its_subprotocols(page: Page, path: str) -> None:
    """Where the server speaks none of them, the browser fails the connection (RFC 6455 leaves it to the client)."""
    event = page('return await dial(path, ["unknown"]).next();', path=path)

    assert (1006, False) == (event["code"], event["wasClean"])


def test_a_page_of_the_same_origin_may_connect(page: Page, path: str) -> None:
    """A server's own pages may connect; the browser says whose they are."""
    described = page(
        """
        const connection = dial(path);
        await connection.next();
        connection.ws.send("!describe");
        const { data } = await connection.next();
        connection.ws.close();
        return data;
        """,
        path=path,
    )

    assert page.origin == json.loads(described)["headers"]["origin"]


def test_a_page_of_another_origin_is_refused(page: Page, path: str, transport: str, stage: Stage, tls: Tls) -> None:
    """Another port is another origin: its server answers 403, and the page learns only that there is no connection."""
    answers = Answers()
    secure = page.origin.startswith("https")
    with SERVE[transport](stage._replace(tls=tls if secure else None), tap=lambda: answers) as port:
        event = page("return await dial(uri).next();", uri=f"{'wss' if secure else 'ws'}://{HOST}:{port}{path}")

    assert (1006, False) == (event["code"], event["wasClean"])
    assert b"HTTP/1.1 403 " == answers.first[:13]


def test_a_page_of_another_origin_may_be_let_in(page: Page, path: str, transport: str, stage: Stage, tls: Tls) -> None:
    """A server may name the origins of its clients."""
    secure = page.origin.startswith("https")
    with SERVE[transport](stage._replace(tls=tls if secure else None), origins=[page.origin]) as port:
        event = page(
            """
            const connection = dial(uri);
            const opened = await connection.next();
            connection.ws.close();
            await ending(connection);
            return opened;
            """,
            uri=f"{'wss' if secure else 'ws'}://{HOST}:{port}{path}",
        )

    assert "open" == event["type"]


# --- Compression ----------------------------------------------------------------------------------------------------

COMPRESSIBLE = """
const letters = (size) => Array.from({ length: size }, (_, at) => "abcdefgh "[(at * at + (at >> 9)) % 9]).join("");
const noise = (size) => crypto.getRandomValues(new Uint8Array(size));
const again = (bytes) => new Uint8Array([...bytes, ...bytes, ...bytes]);
const messages = [
  ...[0, 1, 125, 255, 256, 4096, 65535, 65536, limit].map(letters),
  ...[0, 1, 256, 70000, limit].map((size) => new TextEncoder().encode(letters(size))),
  ...[200, 400, 900, 1900, 3900, 8000, 16000].map(noise).map(again),
  noise(60000),
];
const connection = dial(uri), wrong = [];
const opened = await connection.next();
for (const round of [1, 2]) {
  for (const [number, message] of messages.entries()) {
    connection.ws.send(message);
    const event = await connection.next();
    if (!same(message, event.data)) wrong.push([number, event]);
  }
}
connection.ws.send("!pinged " + JSON.stringify(["one, ", "", letters(5000), "два"]));
const { data } = await connection.next();
if (data !== "one, " + letters(5000) + "два") wrong.push(data);
connection.ws.close();
await ending(connection);
return [opened.extensions, wrong];
"""
"""What it takes a page to see that compressed messages of any kind and length come back, each twice."""


def converse(page: Page, uri: str, wire_of: Callable[[], Wire]) -> tuple[str, Wire]:
    """Have the page send and receive; what it says was agreed on, and what passed by on the wire."""
    extensions, wrong = page(COMPRESSIBLE, uri=uri, limit=LIMIT)
    wire = wire_of()
    assert [] == wrong
    assert [] == wire.remarks
    return extensions, wire


def test_messages_are_compressed(page: Page, path: str) -> None:
    """Both ways, in fragments and with a Ping between them, too; the server leaves the short ones as they are."""
    extensions, wire = converse(page, path, lambda: page.host.wire(path))

    assert AGREED == extensions
    assert 2 * 22 + 1 == len(wire.compressed(Role.CLIENT))
    assert 2 * 16 + 1 == len(wire.compressed(Role.SERVER))


@pytest.mark.parametrize(
    "wish, agreed",
    [
        (Deflate(15, 15), "permessage-deflate"),
        (Deflate(9, 10), "permessage-deflate; server_max_window_bits=9; client_max_window_bits=10"),
        (Deflate(10, 9), "permessage-deflate; server_max_window_bits=10; client_max_window_bits=9"),
        (Deflate(8, 15), "permessage-deflate; server_max_window_bits=8"),
        (Deflate(15, 8), "permessage-deflate; client_max_window_bits=8"),
        (Deflate(15, 15, True, False), "permessage-deflate; server_no_context_takeover"),
        (
            Deflate(9, 9, True, True, threshold=0),
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover; "
            "server_max_window_bits=9; client_max_window_bits=9",
        ),
        (None, ""),
    ],
    ids=["nothing", "9 and 10", "10 and 9", "8 and 15", "15 and 8", "server forgets", "9, and both forget", "none"],
)
def test_a_server_has_wishes(
    page: Page, path: str, transport: str, stage: Stage, tls: Tls, wish: Deflate | None, agreed: str
) -> None:
    """The page is told what was agreed on, and the browser abides by it."""
    secure = page.origin.startswith("https")
    host = Host()
    own = stage._replace(host=host, tls=tls if secure else None, compression=wish)
    with SERVE[transport](own, origins=[page.origin]) as port:
        uri = f"{'wss' if secure else 'ws'}://{HOST}:{port}{path}"
        extensions, wire = converse(page, uri, lambda: host.wire(path))

    assert agreed == extensions
    assert (wish is not None) == bool(wire.compressed(Role.CLIENT)) == bool(wire.compressed(Role.SERVER))
