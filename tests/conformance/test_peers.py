"""The other libraries that the suite is run against: each that is installed comes up, and is an echo."""

import asyncio
import os
from contextlib import suppress
from random import Random
from signal import SIGTERM

import pytest

from rawws import Role
from rawws.conformance import CASES, Report, Result, Verdict
from rawws.conformance.heard import Text
from rawws.conformance.target import Target, Unreachable
from tests.conformance.peers.__main__ import differences
from tests.conformance.peers.playing import START, Restarted, playing
from tests.conformance.peers.table import PEERS, Peer

ANY_CASE = CASES["6455/5.2/1.2"]


def see_that_it_is_there(peer: Peer) -> None:
    """Skip the test of what is not installed; fail it where nothing may be missing."""
    if peer.missing and os.environ.get("RAWWS_NO_SKIP"):
        pytest.fail(peer.missing)
    if peer.missing:
        pytest.skip(peer.missing)


async def echoes(target: Target) -> bool:
    """Whether a message comes back; said again if not, for one of them loses what comes right behind the 101."""
    async with target.meet(ANY_CASE, Random(0)) as peers:
        for number in range(10):
            await peers[0].send(peers[0].text(f"Hello {number}"))
            if isinstance(heard := await peers[0].hear(1.0), Text):
                return str(heard.data).startswith("Hello")
    return False


@pytest.mark.parametrize("peer", PEERS, ids=str)
def test_each_peer_that_is_installed_is_an_echo(peer: Peer) -> None:
    """Each of them starts as a process of its own, takes part in an opening handshake, and sends a message back."""
    see_that_it_is_there(peer)

    async def ask() -> bool:
        async with playing(peer) as target:
            return await echoes(target)

    assert asyncio.run(ask())


def test_a_server_that_ends_is_there_again() -> None:
    """When its process ends it is started again, at the same port, and it is counted how often."""
    peer = next(one for one in PEERS if one.name == "websockets-asyncio" and one.role is Role.SERVER)
    see_that_it_is_there(peer)

    async def end_it_twice() -> tuple[int, bool]:
        async with playing(peer) as target:
            assert isinstance(target, Restarted)
            for _ in range(2):
                os.kill(target.pid, SIGTERM)
                pid = target.pid
                async with asyncio.timeout(START):
                    while target.pid == pid:
                        with suppress(Unreachable):
                            await target.is_alive()
                        await asyncio.sleep(0.05)
            return target.restarts, await echoes(target)

    assert (2, True) == asyncio.run(end_it_twice())


def test_peers_have_names_of_their_own() -> None:
    """A name and a role are one peer, as reports are named after them."""
    assert len(PEERS) == len({(peer.name, peer.role) for peer in PEERS})


def test_what_is_not_installed_is_named() -> None:
    """Of a peer whose packages are not there it is said which."""
    assert "not installed: no-such-thing" == PEERS[0]._replace(packages=("no-such-thing",)).missing


def test_runs_that_do_not_agree_are_told_apart() -> None:
    """Two runs agree where their verdicts are the same; where not, each is said, and what only one had."""
    first, second = (Report("anyone", Role.SERVER) for _ in range(2))
    first.results = [
        Result("6455/5.4/1.1", Verdict.PASS),
        Result("6455/5.4/1.2", Verdict.PASS),
        Result("6455/9/1", Verdict.WARN),
    ]
    second.results = [Result("6455/5.4/1.1", Verdict.PASS), Result("6455/5.4/1.2", Verdict.FAIL)]

    assert {"6455/5.4/1.2": ["pass", "fail"], "6455/9/1": ["warn", "none"]} == differences([first, second])
