"""TLS as a case wants it, also wrong: certificates, and the server's end of TLS over a peer whose TCP is bare.

`trustme` makes the certificates (`pip install rawws[conform]`); without it these cases are skipped.
"""

import os
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from rawws.conformance.heard import shown
from rawws.conformance.peer import Peer
from rawws.conformance.verdict import Skip, Wrong

TRUST = ("SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE", "WEBSOCKET_CLIENT_CA_BUNDLE")
"""Where clients look for those whom they trust, besides the system's."""


@dataclass(frozen=True)
class Certificate:
    """What a server shows."""

    name: str
    trusted: bool = True
    """The client is told to trust who issued it."""
    expired: bool = False


@contextmanager
def issued(certificate: Certificate) -> Iterator[tuple[ssl.SSLContext, dict[str, str]]]:
    """A context with such a certificate, and what makes a client trust who issued it.

    Raises:
        Skip: there is nothing to make certificates with.
    """
    try:
        import trustme
    except ImportError:
        raise Skip("needs trustme: pip install rawws[conform]") from None
    now = datetime.now(UTC)
    authority = trustme.CA()
    begin, end = (now - timedelta(2), now - timedelta(1)) if certificate.expired else (now - timedelta(1), None)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(certificate.name, not_before=begin, not_after=end).configure_cert(context)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "authority.pem")
        authority.cert_pem.write_to_path(path)
        yield context, dict.fromkeys(TRUST, path) if certificate.trusted else {}


class _End:
    """The server's end of TLS over a peer."""

    def __init__(self, peer: Peer, context: ssl.SSLContext) -> None:
        self.peer = peer
        self.names: list[str | None] = []
        context.sni_callback = lambda tls, name, own: self.names.append(name)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)

    async def first(self) -> bytes:
        """What the client says first within TLS; b"" if it ends before.

        Raises:
            ssl.SSLError: TLS fails.
        """
        is_open = False
        while True:
            try:
                if not is_open:
                    self._tls.do_handshake()
                    is_open = True
                return self._tls.read()
            except ssl.SSLWantReadError:
                pass
            finally:
                await self.peer.write(self._outgoing.read())
            if not (octets := await self.peer.some()):
                return b""
            self._incoming.write(octets)


async def names(peer: Peer, context: ssl.SSLContext) -> None:
    """The client says in its handshake of TLS which server it means."""
    end = _End(peer, context)
    with suppress(ssl.SSLError):
        await end.first()
    if not end.names:
        raise Wrong("a handshake of TLS", "none")
    if end.names[0] != "localhost":
        raise Wrong("the name localhost in the handshake of TLS (RFC 6066)", f"{end.names[0] or 'no name'}")


async def trusts(peer: Peer, context: ssl.SSLContext) -> bool:
    """Whether the client finds the certificate good, and makes its request."""
    with suppress(ssl.SSLError):
        return bool(await _End(peer, context).first())
    return False


async def distrusts(peer: Peer, context: ssl.SSLContext) -> None:
    """The client finds the certificate bad: it says nothing within TLS, nor without, and ends TCP."""
    expected = "the end of the attempt, before a word of HTTP"
    end = _End(peer, context)
    try:
        said = await end.first()
    except ssl.SSLError as error:
        if error.reason == "HTTP_REQUEST":
            raise Wrong("a handshake of TLS", "a request with no TLS") from None
        said = b""
    if said:
        raise Wrong(expected, f"the certificate is taken: {shown(said)}")
    await peer.rest(peer.patience.reply)
    if not peer.has_ended:
        raise Wrong(expected, f"it is kept open for {peer.patience.reply:g} s")
