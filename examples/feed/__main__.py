"""`python -m examples.feed`: the server, with a page to look at."""

import argparse
import asyncio
import secrets
import signal
from contextlib import suppress

from examples.feed.hub import Hub
from examples.feed.market import Market
from examples.feed.server import listen, make_prices, serving


async def alone(arguments: argparse.Namespace) -> None:
    """Everything in this process."""
    hub = Hub()
    sock = listen(arguments.host, arguments.port)
    market = Market(secrets.token_hex(4), arguments.seed)
    producer = asyncio.create_task(make_prices(hub, market, arguments.rate))
    await asyncio.sleep(0)
    async with serving(hub, sock):
        tell_where(arguments.host, sock.getsockname()[1])
        await until_stopped()
    producer.cancel()


def tell_where(host: str, port: int) -> None:
    """Say which page to open."""
    print(
        f"Open http://{'localhost' if host == '127.0.0.1' else host}:{port}/ in a browser. Ctrl-C ends it.", flush=True
    )


async def until_stopped() -> None:
    """Wait for Ctrl-C or SIGTERM."""
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    await stopped.wait()


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m examples.feed", description="A feed of currencies and prices.")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (127.0.0.1)")
    parser.add_argument("--port", type=int, default=8765, help="8765; 0 for any that is free")
    parser.add_argument("--rate", type=float, default=4.0, help="changes of each price in a second (4)")
    parser.add_argument("--seed", type=int, default=1, help="of the prices that are made (1)")
    arguments = parser.parse_args()
    with suppress(KeyboardInterrupt):
        asyncio.run(alone(arguments))


if __name__ == "__main__":
    main()
