"""`python -m examples.feed`: the server, with a page to look at.

Alone it is one process.  With Redis it is several: this one then only starts the others, and starts another one for
each that ends.
"""

import argparse
import asyncio
import errno
import os
import secrets
import signal
import socket
import sys
from contextlib import suppress
from importlib.util import find_spec

from examples.feed.hub import Hub
from examples.feed.market import Market
from examples.feed.server import listen, make_prices, serving


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m examples.feed", description="A feed of currencies and prices.")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (127.0.0.1)")
    parser.add_argument("--port", type=int, default=8765, help="8765; 0 for any that is free")
    parser.add_argument("--rate", type=float, default=4.0, help="changes of each price in a second (4)")
    parser.add_argument("--seed", type=int, default=1, help="of the prices that are made (1)")
    parser.add_argument("--redis", metavar="URL", help="join several processes: redis://localhost:6379")
    parser.add_argument("--processes", type=int, default=1, help="that serve, with --redis (1)")
    parser.add_argument("--part", choices=PARTS, default="all", help="of those with --redis, on this machine (all)")
    parser.add_argument("--parent", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if not 0 <= arguments.port < 1 << 16:
        parser.error(f"{arguments.port} is no port: they go from 0 to 65535")
    if arguments.redis is None and (arguments.processes > 1 or arguments.part != "all"):
        parser.error("several processes are joined through Redis: --redis redis://localhost:6379")
    if arguments.part != "all" and arguments.processes > 1:
        parser.error("a part is one process: --processes goes with --part all")
    if arguments.redis is not None and find_spec("redis") is None:
        parser.error("Redis is spoken by a package: pip install -r examples/feed/requirements.txt")
    part = alone if arguments.redis is None else PARTS[arguments.part]
    try:
        asyncio.run(part(arguments))
    except KeyboardInterrupt:
        pass
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            sys.exit(f"Port {arguments.port} is in use; --port 0 takes any that is free.")
        sys.exit(f"Cannot listen on port {arguments.port} of {arguments.host}: {error}")


async def alone(arguments: argparse.Namespace) -> None:
    """Everything in this process."""
    hub = Hub()
    sock = listen(arguments.host, arguments.port)
    producer = asyncio.create_task(make_prices(hub, Market(secrets.token_hex(4), arguments.seed), arguments.rate))
    await asyncio.sleep(0)  # It has filled the hub now.
    async with serving(hub, sock):
        tell_where(sock)
        await until_stopped(producer)
    producer.cancel()


async def produce(arguments: argparse.Namespace) -> None:
    """The prices, told to Redis."""
    from examples.feed import joined

    market = Market(secrets.token_hex(4), arguments.seed)
    producer = asyncio.create_task(joined.produce(arguments.redis, market, arguments.rate))
    await until_stopped(producer, parent=arguments.parent)
    producer.cancel()


async def serve(arguments: argparse.Namespace) -> None:
    """A server, of those that share a port; it listens as soon as it has something to tell."""
    from examples.feed import joined

    hub, ready = Hub(), asyncio.Event()
    receiver = asyncio.create_task(joined.receive(arguments.redis, hub, ready))
    stopped = asyncio.create_task(until_stopped(receiver, parent=arguments.parent))
    readiness = asyncio.create_task(ready.wait())
    await asyncio.wait([stopped, readiness], return_when=asyncio.FIRST_COMPLETED)
    if ready.is_set():
        async with serving(hub, listen(arguments.host, arguments.port, shared=True)):
            await stopped
    await stopped
    receiver.cancel()


async def together(arguments: argparse.Namespace) -> None:
    """One that makes prices and some that serve them, each a process."""
    with socket.socket(socket.AF_INET6 if ":" in arguments.host else socket.AF_INET) as sock:
        # Bound, and not listened on: it keeps the port for the others, and is sent nobody.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind((arguments.host, arguments.port))
        port = sock.getsockname()[1]
        names = ["producer", *["server"] * arguments.processes]
        keepers = [asyncio.create_task(keep(name, port, arguments)) for name in names]
        telling = asyncio.create_task(tell_when_it_listens(sock))
        await until_stopped()
        for task in (telling, *keepers):
            task.cancel()
        await asyncio.gather(telling, *keepers, return_exceptions=True)


async def keep(part: str, port: int, arguments: argparse.Namespace) -> None:
    """Run a part as a process, and again when it ends."""
    words = ["--part", part, "--port", str(port), "--parent", str(os.getpid())]
    words += [f"--{name}={getattr(arguments, name)}" for name in ("host", "rate", "seed", "redis")]
    while True:
        process = await asyncio.create_subprocess_exec(sys.executable, "-m", "examples.feed", *words)
        try:
            code = await process.wait()
        finally:
            if process.returncode is None:
                process.terminate()
                await process.wait()
        await asyncio.sleep(0.5)
        print(f"A {part} ended with {code}; there is another one now.", flush=True)


async def tell_when_it_listens(sock: socket.socket) -> None:
    """Say which page to open, when there is somebody who serves it."""
    host, port = sock.getsockname()[:2]
    while True:
        with suppress(OSError):
            _, writer = await asyncio.open_connection(host, port)
            writer.close()
            return tell_where(sock)
        await asyncio.sleep(0.1)


def tell_where(sock: socket.socket) -> None:
    """Say which page to open."""
    host, port = sock.getsockname()[:2]
    host = "localhost" if host in ("127.0.0.1", "0.0.0.0", "::1", "::") else host
    host = f"[{host}]" if ":" in host else host
    print(f"Open http://{host}:{port}/ in a browser. Ctrl-C ends it.", flush=True)


async def until_stopped(*tasks: "asyncio.Task[None]", parent: int | None = None) -> None:
    """Wait for Ctrl-C or SIGTERM, or for the end of the process that started this one; raise what a task raises."""
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    while not stopped.is_set() and parent in (None, os.getppid()):
        with suppress(TimeoutError):
            async with asyncio.timeout(1):
                await stopped.wait()
        for task in tasks:
            if task.done():
                task.result()


PARTS = {"all": together, "producer": produce, "server": serve}

if __name__ == "__main__":
    main()
