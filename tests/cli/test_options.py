"""Sizes, times, addresses and extensions, as people write them."""

import argparse
from collections.abc import Callable

import pytest

from rawws.cli.options import Address, address, count, extensions, seconds, size
from rawws.core.agreement import Agreement
from rawws.core.deflate import Deflate, DeflateTerms


@pytest.mark.parametrize(
    "text, expected",
    [
        ("1048576", 2**20),
        ("16MiB", 2**24),
        ("16 MB", 2**24),
        ("64k", 2**16),
        ("64KiB", 2**16),
        ("1g", 2**30),
        ("0", 0),
        ("none", None),
    ],
)
def test_a_size_may_have_a_unit(text: str, expected: int | None) -> None:
    """Units are powers of two, whichever way they are written; none is no limit."""
    assert expected == size(text)


@pytest.mark.parametrize(
    "text, expected",
    [
        ("localhost:9000", Address("localhost", 9000)),
        (":9000", Address(None, 9000)),
        ("9000", Address("localhost", 9000)),
        ("0.0.0.0", Address("0.0.0.0", 8765)),
        ("example.com", Address("example.com", 8765)),
        ("[::1]:0", Address("::1", 0)),
        ("[::1]", Address("::1", 8765)),
    ],
)
def test_an_address_may_leave_out_what_is_usual(text: str, expected: Address) -> None:
    """The port is 8765; a port alone means localhost; nothing before the colon means everywhere."""
    assert expected == address(text)


@pytest.mark.parametrize(
    "text, expected",
    [
        ("none", None),
        ("", None),
        ("permessage-deflate", DeflateTerms(wish=Deflate())),
        ("permessage-deflate;client_no_context_takeover", DeflateTerms(client_no_context_takeover=True)),
        (
            'Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits="9"',
            DeflateTerms(server_max_window_bits=9),
        ),
    ],
)
def test_extensions_are_written_as_in_the_answer(text: str, expected: DeflateTerms | None) -> None:
    """Also with the name of the field, as it is copied from a log."""
    assert Agreement(compression=expected) == extensions(text)


@pytest.mark.parametrize(
    "read, text",
    [(size, "1.5M"), (size, "big"), (size, "-1"), (seconds, "soon"), (seconds, "-1"), (seconds, "nan")]
    + [(extensions, text) for text in ("permessage-deflate;;", "foo", "permessage-deflate, foo", "ğ")]
    + [
        (extensions, f"permessage-deflate; {text}")
        for text in ("a=b", "server_max_window_bits", "client_max_window_bits=7")
    ]
    + [(address, text) for text in ("", "a:b", "::1", "x:70000", "http://x", "[x", "70000")],
)
def test_what_makes_no_sense_is_refused(read: Callable[[str], object], text: str) -> None:
    """argparse makes the line of it that says what to write."""
    with pytest.raises(argparse.ArgumentTypeError):
        read(text)


@pytest.mark.parametrize("text, expected", [("0", 0), ("5", 5), ("010", 10)])
def test_a_count_is_a_number(text: str, expected: int) -> None:
    """Of redirects, for instance."""
    assert expected == count(text)


@pytest.mark.parametrize("text", ["", "-1", "1.5", "five", "٣", "1" * 10])
def test_what_is_no_count(text: str) -> None:
    """The complaint shows what could be written."""
    with pytest.raises(argparse.ArgumentTypeError, match="write 0, 1 or 5"):
        count(text)
