"""`python -m examples.chat`: a chat, and where to open it."""

import argparse
import asyncio
import signal
import socket
import sys
from contextlib import AsyncExitStack, suppress
from importlib.util import find_spec

from examples.chat.server import Chat, page
from examples.chat.store import Local, Store
from rawws import CloseCode
from rawws.aio import serve

MAX_SIZE = 32 * 1024
"""Bytes of what a member says; more is closed with 1009.  A message of 2,000 characters fits, however it is escaped."""


def arguments_of(command: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m examples.chat", description="A chat over WebSocket.")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on; 0.0.0.0 is all")
    parser.add_argument("--port", type=int, default=8765, help="0 is any that is free")
    kept = parser.add_mutually_exclusive_group()
    kept.add_argument("--keep", metavar="FILE", help="keep the messages in this file (SQLite)")
    kept.add_argument("--redis", metavar="URL", help="keep them in Redis, for several processes or machines")
    parser.add_argument("--processes", type=int, default=1, help="so many behind the one port; needs --redis")
    parser.add_argument("--shared", action="store_true", help=argparse.SUPPRESS)  # It is one of several.
    arguments = parser.parse_args(command)
    if not 0 <= arguments.port < 1 << 16:
        parser.error(f"{arguments.port} is no port: they go from 0 to 65535")
    if arguments.processes > 1 and not arguments.redis:
        parser.error("--processes needs --redis: what is said in one process has to reach the others")
    if arguments.redis and find_spec("redis") is None:
        parser.error("--redis needs a package: pip install -r examples/chat/requirements.txt")
    return arguments


def store_of(arguments: argparse.Namespace) -> Store:
    if arguments.redis:
        from examples.chat.redis_store import Shared

        return Shared(arguments.redis)
    return Local(arguments.keep or ":memory:")


def url_of(host: str, port: int) -> str:
    """Where to open it, if it listens there."""
    host = "localhost" if host in ("", "0.0.0.0", "::") else host
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def serve_one(arguments: argparse.Namespace) -> None:
    """Serve in this process, until a signal ends it."""
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError):  # Windows: there KeyboardInterrupt ends it.
            asyncio.get_running_loop().add_signal_handler(number, ended.set)
    async with AsyncExitStack() as stack:
        chat = await stack.enter_async_context(Chat(store_of(arguments)))
        server = await serve(
            chat,
            arguments.host,
            arguments.port,
            reuse_port=arguments.shared or None,
            process_request=page,
            max_size=MAX_SIZE,
        )
        print(f"The chat is on {url_of(arguments.host, server.port)}  (Ctrl-C ends it)", flush=True)
        await ended.wait()
        await server.close(CloseCode.SERVICE_RESTART, "the server goes down; come back")


async def serve_several(arguments: argparse.Namespace) -> None:
    """Start so many processes that all listen on one port, and start again whichever ends."""
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    with socket.socket() as reserved:  # It does not listen, so it gets no connections: it only keeps the port.
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        reserved.bind((arguments.host, arguments.port))
        port = reserved.getsockname()[1]
        ready = [asyncio.get_running_loop().create_future() for _ in range(arguments.processes)]
        tasks = [asyncio.create_task(_keep_one(arguments, port, first)) for first in ready]
        try:
            pids = await asyncio.gather(*ready)
            print(f"The chat is on {url_of(arguments.host, port)}  (Ctrl-C ends it)", flush=True)
            print(f"It is served by {len(pids)} processes: {' '.join(map(str, pids))}", flush=True)
            await ended.wait()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _keep_one(arguments: argparse.Namespace, port: int, ready: "asyncio.Future[int]") -> None:
    """Have one process run, whatever happens to it."""
    options = ["--host", arguments.host, "--port", str(port), "--redis", arguments.redis, "--shared"]
    while True:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "examples.chat", *options, stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        try:
            has_begun = await process.stdout.readline()
            if not ready.done():
                if not has_begun:
                    ready.set_exception(OSError("a process did not start"))
                    return
                ready.set_result(process.pid)
            print(f"process {process.pid} ended with {await process.wait()}; another takes its place", file=sys.stderr)
            await asyncio.sleep(1)
        finally:
            if process.returncode is None:
                process.terminate()
                await process.wait()


def main() -> None:
    arguments = arguments_of()
    try:
        asyncio.run(serve_several(arguments) if arguments.processes > 1 else serve_one(arguments))
    except KeyboardInterrupt:
        pass
    except OSError as error:
        sys.exit(f"The chat cannot be served: {error}")


if __name__ == "__main__":
    main()
