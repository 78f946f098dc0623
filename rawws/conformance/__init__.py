"""The conformance suite: is a server, or a client, what RFC 6455 and RFC 7692 ask for?

    from rawws.conformance import run

    report = run("ws://localhost:9001")                         # a server that echoes
    report = run(client="python my_client.py {url}")            # a client that does
    assert not report.count(Verdict.FAIL), report.failures

In this order: `verdict` and `transcript` (the words), `wire` and `http` (bytes, legal or not), `heard` and `peer` (the
tester's end of a connection), `case` (what a case is) and the pages under `cases/`, `passive`, `target`, `suite`.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from rawws.conformance.case import CASES, Case, Declared, Tier
from rawws.conformance.cases import load
from rawws.conformance.line import Patience
from rawws.conformance.listen import ListeningTarget
from rawws.conformance.running import run as run_cases
from rawws.conformance.suite import Report, Settings, select
from rawws.conformance.target import ClientTarget, ServerTarget, Target, Unreachable
from rawws.conformance.verdict import Level, Result, Verdict

__all__ = [
    "CASES",
    "Case",
    "ClientTarget",
    "Declared",
    "Level",
    "ListeningTarget",
    "Patience",
    "Report",
    "Result",
    "ServerTarget",
    "Settings",
    "Target",
    "Tier",
    "Unreachable",
    "Verdict",
    "run",
    "run_cases",
    "select",
]

load()


def run(
    url: str | None = None,
    *,
    client: str | None = None,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    tiers: Iterable[Tier] = (Tier.CORE,),
    levels: Iterable[Level] = tuple(Level),
    declared: Declared = Declared(),
    patience: Patience = Patience(),
    settings: Settings = Settings(),
    on_result: Callable[[Result], object] = lambda result: None,
    **options: Any,
) -> Report:
    """Test a server at `url`, or a client that is started with a command, and wait until it is done.

    Args:
        url: ws:// or wss://; the server sends every message back.
        client: a command with `{url}` in it; the client connects there and sends every message back.
        include: ids with `*`, sections, families, or "ab:" and an id of Autobahn's; none: all.
        exclude: the same.
        tiers: the sizes of cases.
        levels: MUST, SHOULD, MAY, LIM.
        declared: what is known about the target.
        patience: how long to wait for it.
        settings: how many cases at once, the seed, bounds of time.
        on_result: called with each verdict as it comes.
        options: further ones of `ServerTarget` or `ClientTarget`, such as `ssl`.

    Raises:
        ValueError: neither a server nor a client, or both; the URL is none.
        Unreachable: there is nobody.
    """
    if (url is None) == (client is None):
        raise ValueError("give the URL of a server, or the command of a client")
    target: Target
    if url is not None:
        target = ServerTarget(url, declared=declared, patience=patience, **options)
    else:
        target = ClientTarget(str(client), declared=declared, patience=patience, **options)
    chosen = select(target.role, include=include, exclude=exclude, tiers=tiers, levels=levels)
    return asyncio.run(run_cases(chosen, target, settings, on_result))
