"""Wrong commands: one line that says what is wrong, and an exit code."""

import sys
from collections.abc import Iterator
from subprocess import PIPE, Popen
from threading import Thread

import pytest

from rawws.blocking import serve
from rawws.endpoint import Response
from tests.examples.processes import PATIENCE, ROOT

CLIENTS = ("examples.chat.client", "examples.game.bot", "examples.feed.client")
SERVERS = ("examples.chat", "examples.game", "examples.feed")


def said_by(*command: str, code: int = 1) -> list[str]:
    """What a command says on stderr when it ends with `code`, in lines; its input never ends."""
    with Popen([sys.executable, "-m", *command], cwd=ROOT, stdin=PIPE, stdout=PIPE, stderr=PIPE, text=True) as process:
        try:
            assert code == process.wait(PATIENCE)
        finally:
            process.kill()
        assert process.stderr is not None
        return process.stderr.read().splitlines()


@pytest.fixture(scope="module")
def nowhere() -> Iterator[str]:
    """The address of a server that has no WebSocket, only a page that says so."""

    def refuse(request: object) -> Response:
        return Response(404, [("Content-Type", "text/html")], b"<!DOCTYPE html>\n<title>No</title>\n")

    with serve(lambda ws: None, "127.0.0.1", 0, process_request=refuse) as server:
        Thread(target=server.serve_forever).start()
        yield f"ws://127.0.0.1:{server.port}/x"


@pytest.mark.parametrize("client", CLIENTS)
def test_an_address_that_is_none(client):
    """It is said what an address looks like."""
    assert ["Cannot connect: a WebSocket URI begins with ws:// or wss://: 'nonsense'"] == said_by(client, "nonsense")


@pytest.mark.parametrize("client", CLIENTS)
def test_a_server_with_nothing_there(nowhere, client):
    """A 404 does not pass by itself: nobody tries again.  A page for browsers is not shown."""
    assert ["Cannot connect: the server answered 404 Not Found"] == said_by(client, nowhere)


@pytest.mark.parametrize("server", SERVERS)
def test_an_address_that_is_not_of_this_machine(server):
    """Nobody can listen there."""
    (line,) = said_by(server, "--host", "999.999.999.999")

    assert line.startswith(("Cannot listen on port 8765 of 999.999.999.999: ", "The chat cannot be served: "))


@pytest.mark.parametrize("server", SERVERS)
def test_a_port_that_is_none(server):
    """It is not counted modulo 65536, as some C libraries do."""
    assert said_by(server, "--port", "99999", code=2)[-1].endswith("99999 is no port: they go from 0 to 65535")
