"""`rawws serve` as it is used: a process, and Chromium with the page that it serves or with the page of another."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.interop.browser import Lines, Page, PageHost, chromium, show_page
from tests.interop.talk import HOST, Stage, Tls, background_loop
from tests.interop.with_rawws import serve_aio


@contextmanager
def rawws_serve(*options: str) -> Iterator[tuple[Lines, str]]:
    """The command, and where it serves."""
    with Lines(sys.executable, "-m", "rawws", "serve", "--json", "-v", f"{HOST}:0", *options) as lines:
        yield lines, lines.next("listening")["urls"][0]


def test_its_page_connects(tmp_path: Path) -> None:
    """The page opens a WebSocket to the server that it came from, and leaves with 1001 when the browser is closed."""
    with rawws_serve() as (lines, url):
        with chromium(url.replace("ws:", "http:"), tmp_path):
            assert None is lines.next("open")["subprotocol"]
        closed = lines.next("closed")

    assert (1001, "peer", 0) == (closed["code"], closed["by"], closed["messages"])


def test_its_page_connects_over_tls(tmp_path: Path, tls: Tls) -> None:
    """The same with a certificate."""
    with rawws_serve("--tls", tls.certificate, tls.key) as (lines, url):
        with chromium(url.replace("wss:", "https:"), tmp_path):
            lines.next("open")
        closed = lines.next("closed")

    assert (1001, "peer") == (closed["code"], closed["by"])


def test_other_pages_connect_if_they_are_let_in(tmp_path: Path) -> None:
    """A page of another origin is refused, and with --allow-origin it gets its echoes, and its Close is heard."""
    host = PageHost()
    with background_loop() as loop, serve_aio(Stage(host, loop), process_request=show_page) as port:
        origin = f"http://{HOST}:{port}"
        with chromium(origin, tmp_path):
            page = Page(origin, host, Stage(host, loop).run)
            with rawws_serve() as (lines, url):
                assert "close" == page("return (await dial(url).next()).type;", url=url)
                assert "Origin: " + origin in lines.next("head")["lines"]
                assert lines.next("head")["lines"][0].startswith("HTTP/1.1 403 ")
            with rawws_serve("--allow-origin", origin) as (lines, url):
                assert [True] * 6 == page(CONVERSATION, url=url)
                closed = lines.next("closed")

    assert (3000, "чао", "peer", 6) == tuple(closed[name] for name in ("code", "reason", "by", "messages"))


CONVERSATION = """
const connection = dial(url), right = [];
await connection.next();
const text = "Grüße, мир, 世界, 🌍";
for (const message of ["Hello", "", text, new Uint8Array([0, 255]), new Uint8Array(0), new Uint8Array(70000).fill(7)]) {
  connection.ws.send(message);
  right.push(same(message, (await connection.next()).data));
}
connection.ws.close(3000, "чао");
await ending(connection);
return right;
"""
