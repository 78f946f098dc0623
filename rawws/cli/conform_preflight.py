"""Before any case is run: is there a target, and is it an echo?  If not, one line says what is there in its place."""

import asyncio
import contextlib
import errno
import socket
import ssl
import tempfile
from random import Random
from typing import IO, Any

from rawws.cli.conform_options import Outcome
from rawws.cli.terminal import Trouble
from rawws.conformance import Patience, Target, Unreachable
from rawws.conformance.heard import Close, End, Nothing, Text, quoted
from rawws.conformance.http import Head
from rawws.conformance.peer import Peer
from rawws.conformance.target import ClientTarget, ServerTarget
from rawws.conformance.verdict import Wrong
from rawws.core.settings import Role
from rawws.records import printable

QUESTION = "rawws conform asks for an echo"

SHELL = {"&&", "||", "|", ";", ">", "<", "&"}
"""What is known in the lines of a shell."""

TLS = b"\x16\x03"
"""How a handshake of TLS begins."""

AFTER_AN_END = 3.0
"""Seconds: what ended well and never connected may have started another that will, but not at any time."""

OTHER_NAME = (62, 64)
"""What OpenSSL says of a certificate that is for another host, by name or by address."""

SHOWN = 60
"""How much stands in a line of what a target says that is no WebSocket."""


def unreachable(line: str) -> Trouble:
    """What to raise when there is nothing to test."""
    return Trouble(f"rawws conform: {line}", Outcome.UNREACHABLE)


async def see_server(target: ServerTarget) -> None:
    """See that a server is there, opens a WebSocket and echoes.

    Raises:
        Trouble: it does not.
    """
    place = target.uri.host_header
    try:
        peer = await target.connect(Random(0))
    except Unreachable as error:
        raise unreachable(_no_connection(error.__cause__, target, place)) from None
    try:
        ask = peer.proper_ask()
        await peer.write(bytes(ask))
        answer = await peer.head()
        if not isinstance(answer, Head) or answer.status is None:
            raise unreachable(_no_http(peer, answer, target, place))
        if answer.status != 101:
            raise unreachable(_refused(answer, place, target.uri.target))
        # What is wrong with the 101 itself is for the cases to tell.
        await _see_echo(peer, place)
    finally:
        await peer.leave()


async def _see_echo(peer: Peer, who: str) -> None:
    await peer.send(peer.text(QUESTION))
    heard = await peer.hear()
    if heard == Text(QUESTION):
        with contextlib.suppress(Wrong):
            await peer.bye()
        return
    failed = isinstance(heard, Close) and heard.code == 1011
    advice = "look into its log" if failed else "the target has to send every message back, and nothing else"
    raise unreachable(f"{who} is no echo: sent text {QUESTION!r}, and got {printable(str(heard).encode())}; {advice}")


# --- Servers --------------------------------------------------------------------------------------------------------


def _no_connection(error: BaseException | None, target: ServerTarget, place: str) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        ways = "--sni NAME says whose it is" if error.verify_code in OTHER_NAME else "--ca FILE trusts it"
        said = error.verify_message.rstrip(".")
        return f"the certificate of {place} is not trusted: {said}; {ways}, --insecure takes any"
    if isinstance(error, ssl.SSLError):
        return f"no TLS with {place}: {error.reason or error}; perhaps it speaks ws:// and not wss://"
    if isinstance(error, socket.gaierror):
        return f"the name in {place} is not known ({error.strerror}); is it spelled right?"
    if isinstance(error, TimeoutError) and target.uri.secure:
        return f"no TLS with {place} within {target.patience.reply:g} s; perhaps it speaks ws:// and not wss://"
    if isinstance(error, TimeoutError):
        return f"no connection to {place} within {target.patience.reply:g} s; is it the right address?"
    # Where a name has several addresses, asyncio joins what happened with each into one message.
    if isinstance(error, OSError) and (
        error.errno == errno.ECONNREFUSED or f"[Errno {errno.ECONNREFUSED}]" in str(error)
    ):
        return f"nobody listens on {place}; is the server running?"
    return f"no connection to {place}: {getattr(error, 'strerror', None) or error}"


def _no_http(peer: Peer, answer: Head | End | Nothing, target: ServerTarget, place: str) -> str:
    said = b"".join(chunk.data for chunk in peer.transcript.chunks if chunk.sender is Role.SERVER)
    if said:
        shown = printable(said.strip()[:SHOWN])
        return f"{place} does not speak HTTP; it said {shown!r}"
    if isinstance(answer, Nothing):
        return f"{place} took the connection and said nothing within {answer.seconds:g} s; is it a WebSocket server?"
    advice = "is it a WebSocket server?" if target.uri.secure else "does it want wss://?"
    return f"{place} hung up in the opening handshake; {advice}"


def _refused(answer: Head, place: str, path: str) -> str:
    status = printable(answer.first.partition(b" ")[2])
    line = f"{place} answered {status}, not 101"
    match answer.status:
        case 301 | 302 | 303 | 307 | 308:
            return f"{line}, and points to {printable(answer.get('location') or b'nowhere')}; try that address"
        case 401 | 403:
            return f"{line}; it may want credentials, a cookie or an Origin: --header 'Name: value'"
        case 426 if answer.get("sec-websocket-version"):
            version = printable(answer.get("sec-websocket-version") or b"")
            return f"{line}; it wants version {version}, and there is only 13"
        case 400:
            return f"{line}, to a handshake that is right; it may want wss://, a --subprotocol or a --header"
        case int() as code if code >= 500:
            return f"{line}; look into its log"
    return f"{line}: there is no WebSocket at {path}; is it the right path?"


def why_unreachable(error: Unreachable, target: Target) -> str:
    """What has become of a target that was there before."""
    if not isinstance(target, ServerTarget):
        return str(error)
    said, *since = str(error).split("; ")
    cause = error.__cause__ or OSError(said.removeprefix(f"{target.name}: "))
    return "; ".join([_no_connection(cause, target, target.uri.host_header).partition(";")[0], *since])


# --- Clients --------------------------------------------------------------------------------------------------------


async def see_client(target: ClientTarget, context: ssl.SSLContext | None) -> None:
    """See that the command starts a client that connects, opens a WebSocket and echoes.

    Raises:
        Trouble: it does not; the last line that it wrote to stderr is told.
    """
    came: asyncio.Queue[Any] = asyncio.Queue()

    async def on_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.put_nowait((reader, writer))

    server = await asyncio.start_server(on_connection, "127.0.0.1", 0, ssl=context)
    url = f"{'ws' if context is None else 'wss'}://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    try:
        await _see_command(target, url, came)
    finally:
        server.close()


async def _see_command(target: ClientTarget, url: str, came: asyncio.Queue[Any]) -> None:
    try:
        words = target.words(url)
    except ValueError as error:
        raise unreachable(f"--exec {target.command!a} cannot be read: {error}") from None
    if words == [url]:
        raise unreachable("--exec is empty; write what starts your client, such as 'python client.py {url}'")
    with tempfile.TemporaryFile() as stderr:
        process = await _start(words, stderr)
        try:
            await _see_process(process, target, came, stderr)
        finally:
            await _end(process, target.patience)


async def _see_process(
    process: asyncio.subprocess.Process, target: ClientTarget, came: asyncio.Queue[Any], stderr: IO[bytes]
) -> None:
    reader, writer = await _connection(came, process, target, stderr)
    peer = Peer(Role.SERVER, reader, writer, random=Random(0), patience=target.patience)
    try:
        await _see_client(peer)
    except Trouble as trouble:
        if peer.close_heard is None and not peer.has_ended:
            raise
        # It may have crashed, and what it says of that helps more than what came of it.
        await _end(process, target.patience)
        raise Trouble(f"{trouble.line}{_last_line(stderr)}", trouble.code) from None


async def _start(words: list[str], stderr: IO[bytes]) -> asyncio.subprocess.Process:
    quiet = asyncio.subprocess.DEVNULL
    try:
        return await asyncio.create_subprocess_exec(*words, stdin=quiet, stdout=quiet, stderr=stderr)
    except OSError as error:
        advice = "is it spelled right, and on the PATH?" if error.errno == errno.ENOENT else "is it a program?"
        if SHELL & {*words}:
            advice = "it is run by no shell; write sh -c '...'"
        raise unreachable(f"cannot start {words[0]}: {error.strerror}; {advice}") from None


async def _connection(
    came: asyncio.Queue[Any], process: asyncio.subprocess.Process, target: ClientTarget, stderr: IO[bytes]
) -> Any:
    """The first connection; an exit with an error before it is the end, any other may be that of a launcher."""
    connection, ended = asyncio.ensure_future(came.get()), asyncio.ensure_future(process.wait())
    try:
        async with asyncio.timeout(target.start):
            await asyncio.wait([connection, ended], return_when=asyncio.FIRST_COMPLETED)
            if not connection.done() and ended.result():
                how = f"exited with {ended.result()}" if ended.result() > 0 else f"was killed by {-ended.result()}"
                raise unreachable(f"the client {how} and never connected{_last_line(stderr)}")
            async with asyncio.timeout(AFTER_AN_END):
                return await connection
    except TimeoutError:
        ended_early = ended.done() and not ended.cancelled()
        how = "ended, and" if ended_early else f"runs, but within {target.start:g} s it"
        never = f"the client {how} did not connect"
        raise unreachable(f"{never}{_last_line(stderr)}; {{url}} in the command is where to connect") from None
    finally:
        connection.cancel()
        ended.cancel()


def _last_line(stderr: IO[bytes]) -> str:
    stderr.seek(0)
    lines = [line for line in stderr.read()[-4096:].splitlines() if line.strip()]
    return f"; it said: {printable(lines[-1].strip()[:200])}" if lines else ""


async def _see_client(peer: Peer) -> None:
    try:
        await peer.open()
        await _see_echo(peer, "the client")
    except Wrong as error:
        said = b"".join(chunk.data for chunk in peer.transcript.chunks)
        if said.startswith(TLS):
            raise unreachable("the client connected and began TLS, although the URL is ws://; try --tls") from None
        what = quoted(said.strip()) if said else error.got
        raise unreachable(f"the client connected, but what came is no opening handshake: {what}") from None
    finally:
        await peer.leave()


async def _end(process: asyncio.subprocess.Process, patience: Patience) -> None:
    """Let it end, or make it."""
    try:
        async with asyncio.timeout(patience.close):
            await process.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
