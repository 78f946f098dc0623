"""What the tests need to talk: links between clients and servers, and certificates."""

import asyncio
import inspect
import logging
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from tests.interop.links import PAIRS, Link, Servers
from tests.interop.talk import HOST, TIMEOUT, Tls


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a test that is a coroutine function, and not for ever."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in inspect.signature(pyfuncitem.obj).parameters}

    async def run() -> None:
        async with asyncio.timeout(3 * TIMEOUT):
            await pyfuncitem.obj(**arguments)

    asyncio.run(run())
    return True


@pytest.fixture(scope="session", autouse=True)
def no_proxy() -> Iterator[None]:
    """Nobody asks a proxy for the way to this machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("no_proxy", HOST)
        yield


@pytest.fixture(autouse=True)
def no_complaints(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Neither rawws nor the event loop finds anything worth a warning, whatever the peer does."""
    yield
    ours = [record for record in caplog.get_records("call") if record.name.split(".")[0] in ("rawws", "asyncio")]
    assert [] == [record.getMessage() for record in ours if record.levelno >= logging.WARNING]


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    """A certificate from an authority that was made for this run."""
    authority = trustme.CA()
    certificate = authority.issue_cert(HOST, "localhost")
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    certificate.configure_cert(server)
    # The sync client of websockets reads and writes one SSL object in two threads, and may lose what it says just when
    # the tickets of TLS 1.3 come: https://github.com/openssl/openssl/issues/20446.
    server.num_tickets = 0
    authority.configure_trust(client)
    files: Path = tmp_path_factory.mktemp("tls")
    certificate.cert_chain_pems[0].write_to_path(files / "certificate.pem")
    certificate.private_key_pem.write_to_path(files / "key.pem")
    authority.cert_pem.write_to_path(files / "authority.pem")
    return Tls(server, client, *(str(files / f"{name}.pem") for name in ("certificate", "key", "authority")))


@pytest.fixture(scope="session")
def servers(tls: Tls) -> Iterator[Servers]:
    """The servers that run, for all tests."""
    servers = Servers(tls)
    try:
        yield servers
    finally:
        servers.stop()


@pytest.fixture(params=PAIRS, ids=str)
def link(request: pytest.FixtureRequest, servers: Servers, tls: Tls) -> Iterator[Link]:
    """Each client with each server, one of them ours; and no frame of either side breaks a rule."""
    link = Link(request.param, servers, tls)
    yield link
    assert [] == [remark for wire in link.wires for remark in wire.remarks]
