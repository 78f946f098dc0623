"""The feed behind the proxies of examples/deploy."""

import json
from pathlib import Path

import pytest

from examples.feed.view import View
from rawws.aio import connect
from tests.examples.feeding import EURO, in_time, port_of, running
from tests.examples.processes import behind, free_port


@pytest.mark.parametrize("proxy", ["nginx.conf", "haproxy.cfg"])
@in_time
async def test_prices_come_through_a_proxy(proxy: str, tmp_path: Path) -> None:
    """And go on for longer than the proxy needs to find that the other servers are not there, and that this one is."""
    with running("--rate", "10") as url:
        ports = [str(port_of(url)), str(free_port()), str(free_port())]
        with behind(proxy, ports, tmp_path) as where:
            view = View([EURO])
            async with connect(f"ws://{where}/", origin=f"http://{where}") as ws:
                for request in view.requests():
                    await ws.send(request)
                deltas = 0
                while deltas < 30:
                    message = await ws.recv()
                    assert view.take(message) is None
                    deltas += json.loads(message)["type"] == "delta"

    assert (0, []) == (view.gaps, view.errors)
