"""`python -m examples.game`: the server, with a page to play on and some bots to play with."""

import argparse
import asyncio
import errno
import logging
import signal
import sys
from contextlib import suppress

from examples.game.bot import play
from examples.game.server import GRACE, Game, listen
from examples.game.view import View

NAMES = ("Ada", "Grace", "Alan", "Edsger", "Barbara", "Donald", "Margaret", "Ken")


async def run(arguments: argparse.Namespace) -> None:
    """Serve until a signal ends it."""
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError):  # Windows has no such handlers; KeyboardInterrupt ends it there.
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    game = Game(arguments.seed, arguments.grace)
    async with listen(game, arguments.host, arguments.port) as server, asyncio.TaskGroup() as group:
        place = f"{reachable(arguments.host)}:{server.port}/"
        bots = (
            play(f"ws://{place}", f"{NAMES[number % len(NAMES)]} (bot)", View()) for number in range(arguments.bots)
        )
        tasks = [group.create_task(task) for task in (game.run(), *bots)]
        print(f"Open http://{place} in a browser, once for each player. Ctrl-C ends it.", flush=True)
        await stopped.wait()
        for task in tasks:
            task.cancel()


def reachable(host: str) -> str:
    """What stands in an address for a host that is listened on: all addresses of a machine are no place to go to."""
    host = {"": "localhost", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"[{host}]" if ":" in host else host


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m examples.game", description="Small ships gather sparks.")
    parser.add_argument("--host", default="localhost", help="the name or address to listen on (localhost)")
    parser.add_argument("--port", type=int, default=8765, help="8765; 0 for any that is free")
    parser.add_argument("--bots", type=int, default=3, help="how many play along (3)")
    parser.add_argument(
        "--grace", type=float, default=GRACE, help=f"seconds to come back into one's ship ({GRACE:.0f})"
    )
    parser.add_argument("--seed", type=int, help="of all chance in the world")
    arguments = parser.parse_args()
    if not 0 <= arguments.port < 1 << 16:
        parser.error(f"{arguments.port} is no port: they go from 0 to 65535")
    logging.basicConfig(format="%(message)s")
    try:
        asyncio.run(run(arguments))
    except KeyboardInterrupt:
        pass
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            sys.exit(f"Port {arguments.port} is in use; --port 0 takes any that is free.")
        sys.exit(f"Cannot listen on port {arguments.port} of {arguments.host}: {error}")


if __name__ == "__main__":
    main()
