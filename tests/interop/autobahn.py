"""Autobahn's cases against rawws: both roles, both transports.  A command of its own, not part of `pytest`.

    python -m tests.interop.autobahn                                   # all four combinations
    python -m tests.interop.autobahn --role server --transport aio --cases "6.*" --cases 7.1.1

The cases are run by kosoku, a native runner of Autobahn's own case files.  It plays the fuzzing client or the fuzzing
server in this process; the endpoint under test is an echo in a process of its own.

What is right is written down in `expected`: OK for the messages and OK for the closing, in every case but the three in
which Autobahn only looks on.  A case that is NON-STRICT is as wrong here as one that FAILED.

Groups 12 and 13 are about compression.  It is on in every case, so the others show that it changes nothing; and of
what the endpoint sends nothing is too short for it, so that every echo is compressed.  (In these groups kosoku 0.1.0
stumbles over one that is not.)

kosoku gives a case 20 seconds, whatever the case itself allows (up to 480), and on a busy machine the longest ones need
more.  Who is late is run again once, and counted.
"""

import argparse
import asyncio
import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from fnmatch import fnmatchcase
from multiprocessing.connection import Connection as Pipe
from typing import TYPE_CHECKING, NamedTuple

from rawws import ConnectionClosed, Deflate, aio, blocking
from rawws.core.agreement import Extension, Terms

if TYPE_CHECKING:
    from kosoku._kosoku import CaseResult

ROLES = ("server", "client")
TRANSPORTS = ("aio", "blocking")
GROUPS = tuple(f"{group}.*" for group in (1, 2, 3, 4, 5, 6, 7, 9, 10, 12, 13))
INFORMATIONAL = {"7.1.6", "7.13.1", "7.13.2"}
LARGEST = 16 * 1024 * 1024
"""Group 9 sends messages of up to 16 MiB."""
COMPRESSION = Deflate(threshold=0)
LATE = "Case did not finish"
"""What Autobahn says of a case whose time was over."""


class Offers:
    """What our client offers: what it does by itself, and then the same without context takeover.

    In 13.2, 13.5 and 13.6 Autobahn plays a server that takes no offer but one which names client_no_context_takeover.
    (A server may answer it unasked, RFC 7692 section 7.1.1.2.)
    """

    name = COMPRESSION.name

    def offers(self) -> tuple[Extension, ...]:
        """What a client says, the best first."""
        return COMPRESSION.offers() + replace(COMPRESSION, client_no_context_takeover=True).offers()

    def accept(self, offer: Extension) -> Terms | None:
        """What a server settles on."""
        return COMPRESSION.accept(offer)

    def check(self, answer: Extension) -> Terms:
        """What a client settles on."""
        return COMPRESSION.check(answer)


class Verdict(NamedTuple):
    """What Autobahn says of one case: of its messages, and of the way it was closed."""

    messages: str
    closing: str

    def __str__(self) -> str:
        return self.messages if self.messages == self.closing else f"{self.messages}, closing {self.closing}"


def expected(case: str) -> Verdict:
    """The verdict that a case has to get."""
    return Verdict("INFORMATIONAL", "INFORMATIONAL") if case in INFORMATIONAL else Verdict("OK", "OK")


class Outcome(NamedTuple):
    """What became of one combination."""

    role: str
    transport: str
    verdicts: dict[str, Verdict]
    remarks: dict[str, str]
    """What Autobahn says beside the verdict of a case that is not as expected."""
    again: list[str]
    """The cases that were late and were run again."""
    seconds: float

    @property
    def surprises(self) -> list[str]:
        """The cases that are not as expected."""
        return [case for case, verdict in self.verdicts.items() if verdict != expected(case)]


# --- The endpoints under test, each in a process of its own -------------------------------------------------------


async def _aio_echo(ws: aio.WebSocket) -> None:
    async for message in ws:
        await ws.send(message)


def _blocking_echo(ws: blocking.WebSocket) -> None:
    for message in ws:
        ws.send(message)


async def _aio_server(pipe: Pipe) -> None:
    async with aio.serve(_aio_echo, "127.0.0.1", 0, max_size=LARGEST, compression=COMPRESSION) as server:
        pipe.send(server.port)
        await server.serve_forever()


def _blocking_server(pipe: Pipe) -> None:
    with blocking.serve(_blocking_echo, "127.0.0.1", 0, max_size=LARGEST, compression=COMPRESSION) as server:
        pipe.send(server.port)
        server.serve_forever()


async def _aio_client(pipe: Pipe) -> None:
    uri, agent = pipe.recv()
    async with aio.connect(f"{uri}/getCaseCount") as ws:
        count = int(await ws.recv())
    for case in range(1, count + 1):
        uri_of_case = f"{uri}/runCase?case={case}&agent={agent}"
        ws = await aio.connect(uri_of_case, max_size=LARGEST, compression=Offers())
        with suppress(ConnectionClosed):
            await _aio_echo(ws)
        await ws.close()
    async with aio.connect(f"{uri}/updateReports?agent={agent}"):
        pass


def _blocking_client(pipe: Pipe) -> None:
    uri, agent = pipe.recv()
    with blocking.connect(f"{uri}/getCaseCount") as ws:
        count = int(ws.recv())
    for case in range(1, count + 1):
        uri_of_case = f"{uri}/runCase?case={case}&agent={agent}"
        ws = blocking.connect(uri_of_case, max_size=LARGEST, compression=Offers())
        with suppress(ConnectionClosed):
            _blocking_echo(ws)
        ws.close()
    with blocking.connect(f"{uri}/updateReports?agent={agent}"):
        pass


def _endpoint(role: str, transport: str, pipe: Pipe) -> None:
    """The main function of the process under test."""
    match role, transport:
        case "server", "aio":
            asyncio.run(_aio_server(pipe))
        case "server", "blocking":
            _blocking_server(pipe)
        case "client", "aio":
            asyncio.run(_aio_client(pipe))
        case "client", "blocking":
            _blocking_client(pipe)


@contextmanager
def _under_test(role: str, transport: str) -> Iterator[Pipe]:
    """The process under test, and the pipe to it; the process is gone at the end."""
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_endpoint, args=(role, transport, theirs))
    process.start()
    theirs.close()
    try:
        yield ours
    finally:
        process.terminate()
        process.join()


# --- The runs -----------------------------------------------------------------------------------------------------


async def _fuzz_server(transport: str, cases: Sequence[str]) -> "list[CaseResult]":
    from kosoku import FailureError, run_fuzzingclient

    with _under_test("server", transport) as pipe:
        try:
            return await run_fuzzingclient(f"ws://127.0.0.1:{pipe.recv()}", cases)
        except FailureError as failure:
            return failure.results


async def _fuzz_client(transport: str, cases: Sequence[str]) -> "list[CaseResult]":
    from kosoku import FailureError, run_fuzzingserver

    async with run_fuzzingserver(cases, host="127.0.0.1", port=0) as server:
        with _under_test("client", transport) as pipe:
            pipe.send((f"ws://{server.address}:{server.port}", f"rawws-{transport}"))
            await asyncio.to_thread(_wait_for_end, pipe)
            # The client ends when it has asked for the reports, or has failed; the results are there at once, or never.
            try:
                return await asyncio.wait_for(server.get_result(), 10)
            except FailureError as failure:
                return failure.results
            except TimeoutError:
                return []


def _wait_for_end(pipe: Pipe) -> None:
    """Wait until the process at the other end of `pipe` is gone."""
    with suppress(EOFError):
        pipe.recv()


async def run(role: str, transport: str, cases: Sequence[str]) -> Outcome:
    """Run the `cases` (ids, or globs like "6.*") against our endpoint in this role."""
    start = time.perf_counter()
    fuzz = _fuzz_server if role == "server" else _fuzz_client
    results = {result.case_id: result for result in await fuzz(transport, cases)}
    again = [case for case, result in results.items() if result.result.startswith(LATE)]
    if again:
        results |= {result.case_id: result for result in await fuzz(transport, again)}
    seconds = time.perf_counter() - start
    verdicts = {case: Verdict(result.behavior.value, result.behavior_close.value) for case, result in results.items()}
    remarks = {case: f"{result.result} {result.result_close}" for case, result in results.items()}
    return Outcome(role, transport, verdicts, remarks, again, seconds)


def missing(outcome: Outcome, cases: Sequence[str]) -> list[str]:
    """The cases that were asked for and have no verdict."""
    from kosoku.cases import CASES

    asked = [case for case in CASES if any(fnmatchcase(case, glob) for glob in cases)]
    return [case for case in asked if case not in outcome.verdicts]


# --- The report ---------------------------------------------------------------------------------------------------


def report(outcomes: Sequence[Outcome], cases: Sequence[str]) -> bool:
    """Print what came out; whether everything is as expected."""
    kinds = sorted({str(verdict) for outcome in outcomes for verdict in outcome.verdicts.values()})
    kinds.sort(
        key=["OK", "INFORMATIONAL"].index if set(kinds) <= {"OK", "INFORMATIONAL"} else lambda kind: kind != "OK"
    )
    header = ["role", "transport", "cases", *kinds, "not as expected", "run again", "seconds"]
    rows = [header]
    for outcome in outcomes:
        counts = Counter(str(verdict) for verdict in outcome.verdicts.values())
        wrong = len(outcome.surprises) + len(missing(outcome, cases))
        numbers = [len(outcome.verdicts), *(counts[kind] for kind in kinds), wrong, len(outcome.again)]
        rows.append([outcome.role, outcome.transport, *map(str, numbers), f"{outcome.seconds:.1f}"])
    widths = [max(map(len, column)) for column in zip(*rows)]
    for row in rows:
        print("  ".join(cell.rjust(width) for cell, width in zip(row, widths)))
    for outcome in outcomes:
        _report_surprises(outcome, cases)
    print(f"{sum(outcome.seconds for outcome in outcomes) / 60:.1f} minutes in all")
    return all(outcome.verdicts and not outcome.surprises and not missing(outcome, cases) for outcome in outcomes)


def _report_surprises(outcome: Outcome, cases: Sequence[str]) -> None:
    for case in outcome.surprises:
        print(f"{outcome.role} {outcome.transport} {case}: {outcome.verdicts[case]}; {outcome.remarks[case]}")
    for case in missing(outcome, cases):
        print(f"{outcome.role} {outcome.transport} {case}: no verdict")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.interop.autobahn", description="Autobahn's cases against rawws"
    )
    parser.add_argument("--role", choices=ROLES, action="append", help="what rawws plays (both)")
    parser.add_argument("--transport", choices=TRANSPORTS, action="append", help="how it moves bytes (both)")
    parser.add_argument("--cases", metavar="GLOB", action="append", help="ids or globs (all)")
    options = parser.parse_args(arguments)
    try:
        import kosoku  # noqa: F401
    except ImportError:
        print("kosoku runs the cases and is not installed: pip install kosoku", file=sys.stderr)
        return 2
    cases = options.cases or GROUPS
    combinations = [
        (role, transport) for role in options.role or ROLES for transport in options.transport or TRANSPORTS
    ]
    outcomes = [asyncio.run(run(role, transport, cases)) for role, transport in combinations]
    return 0 if report(outcomes, cases) else 1


if __name__ == "__main__":
    sys.exit(main())
