"""URIs from any text."""

from rawws.core.headers import is_host, is_plain, is_target, outgoing
from rawws.core.http1 import ClientConnection
from rawws.uri import URI, parse


def uri(data: bytes) -> None:
    """A URI is refused with a `ValueError`, or can be asked for as it is, and means the same when written again."""
    text = data.decode("utf-8", "surrogateescape")
    for given in (text, "ws://" + text):
        try:
            found = parse(given)
        except ValueError as error:
            _check_refusal(str(error))
            continue
        _check(found)


def _check_refusal(reason: str) -> None:
    assert len(reason.splitlines()) == 1, "one sentence says why"


def _check(found: URI) -> None:
    assert is_target(found.target.encode())
    assert is_host(found.host_header.encode())
    assert 0 < found.port < 65536
    assert found.host
    assert found.host.isprintable()
    ClientConnection(found.host_header, found.target)
    if found.authorization is not None:
        assert is_plain(found.authorization.encode())
        outgoing([("Authorization", found.authorization)])
    scheme = "wss" if found.secure else "ws"
    again = parse(f"{scheme}://{found.host_header}{found.target}")
    assert (found.secure, found.port, found.target) == (again.secure, again.port, again.target)
    assert found.host_header == again.host_header
