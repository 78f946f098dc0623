"""simple-websocket."""

from contextlib import suppress

from simple_websocket import Client, ConnectionClosed


def connect(url: str) -> None:
    """Echo what comes from a server."""
    ws = Client.connect(url)
    with suppress(ConnectionClosed):
        while True:
            ws.send(ws.receive())
