"""How a head of HTTP/1.1 is cut out of a stream, and written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawws.core import rules
from rawws.core.errors import RemoteProtocolError
from rawws.core.heads import HeadReader, request_line_problem, status_line_problem, write_head
from rawws.core.settings import Limits
from tests.wire import chopped

HEAD = b"GET / HTTP/1.1\r\nHost: example.com\r\nX:\r\n\r\n"


def read(pieces, problem=request_line_problem, **limits):
    """Feed a head reader as a connection does: what a piece leaves over stands before the next."""
    reader = HeadReader(Limits(**limits), problem, rules.HTTP_MALFORMED, rules.HEADERS_TOO_LARGE)
    data, offset = b"", 0
    for piece in pieces:
        data += piece
        try:
            start, head = reader.read(data, 0, offset)
        except RemoteProtocolError as error:
            return error.rule, error.detail, error.offset
        data, offset = data[start:], offset + start
        if head is not None:
            return head
    return None


def test_a_head_ends_with_its_empty_line():
    """However it comes, it is whole with the empty line and not before."""
    for pieces in chopped(HEAD):
        assert HEAD == read(pieces)
    for pieces in chopped(HEAD[:-1]):
        assert read(pieces) is None


def test_what_stands_behind_a_head_is_left_alone():
    """The first frame may come with it."""
    reader = HeadReader(Limits(), request_line_problem, rules.HTTP_MALFORMED, rules.HEADERS_TOO_LARGE)

    assert (len(HEAD) + 2, HEAD) == reader.read(b"??" + HEAD + b"\x81\x00", 2, 0)


@pytest.mark.parametrize(
    ("head", "offset"),
    [
        (b"GET / HTTP/1.1\nHost: a\n\n", 0),
        (b"GET / HTTP/1.1\r\nHost: a\n\r\n", 16),
        (b"GET / HTTP/1.1\r\n folded: a\r\n\r\n", 16),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\tfolded\r\n\r\n", 25),
        (b"GET / HTTP/1.1\r\nX: a\x00b\r\n\r\n", 16),
        (b"GET / HTTP/1.1\r\nX: a\rb\r\n\r\n", 16),
        (b"GET / HTTP/1.1\r\nX: a\x0bb\r\n\r\n", 16),
        (b"\x16\x03\x01\x02\x00\x01", 0),
        (b"\r\n\r\n", 0),
        (b" GET / HTTP/1.1\r\n\r\n", 0),
        (b"GET /\r\n", 0),
        (b"GET / \r\n", 0),
        (b"GET / a HTTP/1.1\r\n\r\n", 0),
        (b"G\r\n", 0),
    ],
)
def test_a_line_that_is_no_http_is_refused_at_once(head, offset):
    """Bare LFs, folded lines, control characters, other protocols: the line is judged when it is there."""
    for pieces in chopped(head):
        rule, _, at = read(pieces)
        assert (rules.HTTP_MALFORMED, offset) == (rule, at)


@pytest.mark.parametrize("limits", [{"header_line": 24}, {"header_bytes": 40}, {"header_count": 1}])
def test_a_head_over_a_bound_is_refused(limits):
    """Bytes, the length of a line and the number of fields are counted as they come."""
    head = b"GET / HTTP/1.1\r\nHost: a\r\nX: bbbbbbbbbbbbbbbbbbbbbb\r\n\r\n"
    for pieces in chopped(head):
        rule, _, at = read(pieces, **limits)
        assert (rules.HEADERS_TOO_LARGE, 25) == (rule, at)


@pytest.mark.parametrize("limits", [{"header_line": 19}, {"header_bytes": len(HEAD)}, {"header_count": 2}])
def test_a_head_just_within_a_bound_is_read(limits):
    """The bounds are what is still allowed, line ends and the empty line counted."""
    assert HEAD == read([HEAD], **limits)


def test_a_line_without_end_is_refused_when_it_is_too_long():
    """Nobody waits for the end of it."""
    assert rules.HEADERS_TOO_LARGE is read([b"A" * 8193])[0]
    assert read([b"A" * 8192]) is None


@given(st.binary(max_size=60) | st.text("GET /HP1.\r\n :a", max_size=60).map(str.encode))
def test_how_a_stream_is_cut_does_not_change_what_is_read(data):
    """Any bytes: the same head, or the same error at the same place."""
    expected = read([data], header_line=20, header_bytes=40, header_count=2)
    for pieces in chopped(data):
        assert expected == read(pieces, header_line=20, header_bytes=40, header_count=2)


@pytest.mark.parametrize("line", [b"", b"H", b"HTTP/", b"HTTP/1.1 101\r\n"])
def test_what_can_begin_an_answer(line):
    """An answer begins with HTTP/, of which only some may be there."""
    assert "" == status_line_problem(line)


@pytest.mark.parametrize("line", [b"h", b"HTTP1", b"SSH-2.0-x\r\n", b"\x00", b"\r\n"])
def test_what_cannot_begin_an_answer(line):
    """Another protocol is noticed with its first bytes."""
    assert status_line_problem(line)


def test_a_head_is_written_as_the_rfc_spells_it():
    """Names of the handshake are spelled as in the RFC, for peers that look at the case; others stay as they are."""
    fields = ((b"upgrade", b"websocket"), (b"sec-websocket-accept", b"x"), (b"x-own", b"1"))

    expected = b"HTTP/1.1 101 Hi\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\nx-own: 1\r\n\r\n"
    assert expected == write_head("HTTP/1.1 101 Hi", fields)
