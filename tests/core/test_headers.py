"""The grammar of header fields (sections 4.3 and 9.1)."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawws.core import rules
from rawws.core.agreement import Extension
from rawws.core.errors import LocalProtocolError
from rawws.core.headers import (
    accept_for,
    by_name,
    is_host,
    is_key,
    is_plain,
    is_target,
    is_token,
    joined,
    new_key,
    outgoing,
    quote,
    read_extensions,
    read_subprotocols,
    values,
    words,
    write_extensions,
)

SEPARATORS = b'()<>@,;:\\"/[]?={} \t'
NOT_IN_TOKENS = SEPARATORS + b"\x00\x1f\x7f\x80\xff"


# --- Words ----------------------------------------------------------------------------------------------------------


def test_a_token_is_made_of_letters_digits_and_some_punctuation():
    """RFC 9110 5.6.2: all of these may stand in a token."""
    assert is_token(b"permessage-deflate_v1.0!#$%&'*+^`|~")


@pytest.mark.parametrize("byte", NOT_IN_TOKENS)
def test_one_other_byte_makes_it_no_token(byte):
    """Separators, control characters and what is not ASCII may not stand in a token."""
    assert not is_token(b"a" + bytes([byte]) + b"b")


def test_a_token_is_not_empty():
    """1*: one character at least."""
    assert not is_token(b"")


@pytest.mark.parametrize("byte", [*range(0x20), 0x7F])
def test_a_plain_line_has_no_control_character_but_tabs(byte):
    """CR, LF, NUL and the others are read in different ways by different programs."""
    assert (byte == 9) == is_plain(b"a" + bytes([byte]) + b"b")


@pytest.mark.parametrize(
    "host",
    ["example.com", "example.com:8080", "127.0.0.1", "[::1]", "[::1]:80", "a_b", "example.com:", "[fe80::1%25eth0]:1"],
)
def test_a_host_is_a_name_or_an_address_with_or_without_a_port(host):
    """RFC 9110 7.2: uri-host with an optional port, which may be empty."""
    assert is_host(host.encode())


@pytest.mark.parametrize(
    "host",
    ["", ":80", "a b", "user@a", "a/b", "a?b", "a#b", "a:b", "a:80:80", "::1", "[::1", "::1]", "[]", "a[b]:1", "ä"],
)
def test_what_is_no_host(host):
    """A user, a path, blanks, an address without brackets and a port that is no number are refused."""
    assert not is_host(host.encode())


@pytest.mark.parametrize("target", ["/", "/chat", "/a%20b?x=1&y=?", "//x", "/?"])
def test_a_target_is_a_path_with_an_optional_query(target):
    """Section 3: the resource name."""
    assert is_target(target.encode())


@pytest.mark.parametrize("target", ["", "chat", "*", "/#f", "/a b", "/\r\n", "/\x7f", "/ä", "?x"])
def test_what_is_no_target(target):
    """A fragment, a blank, a control character, what is not ASCII, and whatever does not begin with a slash."""
    assert not is_target(target.encode())


def test_the_key_of_a_client_proves_that_the_server_read_it():
    """Section 1.3: the RFC's example."""
    assert b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" == accept_for(b"dGhlIHNhbXBsZSBub25jZQ==")


def test_a_key_is_the_base64_of_its_nonce():
    """Section 1.3: "the sample nonce"."""
    assert b"dGhlIHNhbXBsZSBub25jZQ==" == new_key(b"the sample nonce")
    assert is_key(new_key(b"the sample nonce"))


def test_the_example_key_of_section_4_1_is_a_key():
    """Its last letter is not the one an encoder would write, but it decodes to 16 bytes."""
    assert is_key(b"AQIDBAUGBwgJCgsMDQ4PEC==")


@pytest.mark.parametrize(
    "key",
    [
        b"",
        b"dGhlIHNhbXBsZSBub25jZQ",  # no padding
        b"dGhlIHNhbXBsZSBub25jZQ=",
        b"dGhlIHNhbXBsZSBub25j",  # 15 bytes
        b"dGhlIHNhbXBsZSBub25jZSE=",  # 17 bytes
        b"dGhlIHNhbXBsZSBub25jZSEh",  # 18 bytes
        b"dGhlIHNhbXBsZSBub25jZ!==",
        b"dGhlIHNhbXBsZSBub25j\xffQ==",
        b"dGhlIHNhbXBsZSBub25jZQ== ",
    ],
)
def test_what_is_no_key(key):
    """Section 4.2.1: base64 that "when decoded, is 16 bytes in length"."""
    assert not is_key(key)


def test_what_a_peer_sent_is_quoted_short_and_harmless():
    """No control character reaches a terminal, and a long value is cut."""
    assert "'\\x1b[31m\\xff'" == quote(b"\x1b[31m\xff")
    assert 100 > len(quote(b"x" * 10_000))


# --- Fields ---------------------------------------------------------------------------------------------------------

FIELDS = ((b"a", b" 1 "), (b"b", b"\tTwo, THREE"), (b"a", b"2"))


def test_fields_of_one_name_are_found_in_their_order_and_trimmed():
    """Blanks around a value do not belong to it."""
    assert [b"1", b"2"] == values(FIELDS, b"a")
    assert [] == values(FIELDS, b"c")
    assert {b"a": [b"1", b"2"], b"b": [b"Two, THREE"]} == by_name(FIELDS)


def test_several_fields_are_one_joined_with_commas():
    """Section 9.1: a field "MAY be split or combined across multiple lines"."""
    assert b"1, 2" == joined(by_name(FIELDS), b"a")
    assert joined(by_name(FIELDS), b"c") is None


def test_words_are_compared_without_case():
    """Connection and Upgrade are lists of words, in any case."""
    assert [b"two", b"three"] == words(by_name(FIELDS), b"b")
    assert [b""] == words(by_name(FIELDS), b"c")


def test_fields_to_send_are_bytes_or_ascii():
    """They are sent as they are given, in their order, repeated ones too."""
    given = [("Set-Cookie", "a=1"), (b"set-cookie", b"b=\xc3\xa4"), ("X", "")]

    assert ((b"Set-Cookie", b"a=1"), (b"set-cookie", b"b=\xc3\xa4"), (b"X", b"")) == outgoing(given)


@pytest.mark.parametrize("value", ["a\r\nB: c", "a\nb", "a\rb", "a\0b", "a\x0bb", "a\x0cb", "a\x7fb", " a", "a\t", "ä"])
def test_a_value_that_could_be_read_as_something_else_is_not_sent(value):
    """No header is smuggled into a head; nothing is stripped to make it fit."""
    with pytest.raises(LocalProtocolError) as caught:
        outgoing([("X", value)])
    assert rules.HEADER_INVALID is caught.value.rule


@pytest.mark.parametrize("name", ["", "a b", "a:", "a\r\n", "ä", ":path"])
def test_a_name_to_send_is_a_token(name):
    """A name that is none would end early, or begin another line."""
    with pytest.raises(LocalProtocolError) as caught:
        outgoing([(name, "1")])
    assert rules.HEADER_INVALID is caught.value.rule


def test_a_header_of_another_type_is_a_type_error():
    """A number is a mistake of the caller in Python's terms, and no protocol error."""
    with pytest.raises(TypeError):
        outgoing([("Content-Length", 5)])


# --- Lists ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "field", [b"chat, superchat", b"chat,superchat", b"\tchat ,\t superchat ", b",chat,,superchat,"]
)
def test_subprotocols_keep_the_order_of_preference(field):
    """Section 4.1: a list of tokens; RFC 9110 5.6.1 lets empty elements pass."""
    assert ("chat", "superchat") == read_subprotocols(field)


@pytest.mark.parametrize(
    "field", [b"", b" ", b",,", b"chat room", b"a, a", b"a;b", b'"a"', b"a\x7f", b"\xc3\xa4", b"a=b"]
)
def test_what_is_no_list_of_subprotocols(field):
    """Not empty, tokens only, each of them once."""
    with pytest.raises(ValueError):
        read_subprotocols(field)


DEFLATE = Extension("permessage-deflate", (("client_max_window_bits", None), ("server_max_window_bits", "10")))


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        (b"deflate-stream", (Extension("deflate-stream"),)),
        (
            b"mux; max-channels=4; flow-control, deflate-stream",
            (Extension("mux", (("max-channels", "4"), ("flow-control", None))), Extension("deflate-stream")),
        ),
        (b"foo, bar; baz=2", (Extension("foo"), Extension("bar", (("baz", "2"),)))),
        (b"permessage-deflate; client_max_window_bits; server_max_window_bits=10", (DEFLATE,)),
        (b'permessage-deflate ;client_max_window_bits; server_max_window_bits = "10"', (DEFLATE,)),
        (b'permessage-deflate;client_max_window_bits;server_max_window_bits="1\\0"', (DEFLATE,)),
        (b"a; b=1; b=2", (Extension("a", (("b", "1"), ("b", "2"))),)),
        (b", a,,b ,", (Extension("a"), Extension("b"))),
    ],
)
def test_extensions_with_their_parameters(field, expected):
    """Section 9.1: the RFC's examples; a value may be quoted, and means the same."""
    assert expected == read_extensions(field)


@pytest.mark.parametrize(
    "field",
    [
        b"",
        b",",
        b";;",
        b"=x",
        b"a;",
        b"a; ;b",
        b"a; =1",
        b"a b",
        b"a; b c",
        b"a=1",
        b'a; b="1',
        b'a; b="1\\',
        b'a; b="1 2"',
        b'a; b="\xff"',
        b'a; b="1"x',
        b'a; "b"',
        b"\xff",
        b"a; b=\xff",
        b"a\x00",
    ],
)
def test_what_is_no_list_of_extensions(field):
    """Section 9.1: the grammar is followed, or the field says nothing."""
    with pytest.raises(ValueError):
        read_extensions(field)


@pytest.mark.parametrize("field", [b"a; b=", b'a; b=""', b"a;b= "])
def test_an_empty_value_is_given_as_it_stands(field):
    """RFC 7692 section 7: who knows the parameter declines the value, and the connection goes on without."""
    assert (Extension("a", (("b", ""),)),) == read_extensions(field)


TOKENS = st.text("abcXYZ019-_.!", min_size=1, max_size=8)
EXTENSIONS = st.lists(
    st.builds(Extension, TOKENS, st.lists(st.tuples(TOKENS, st.none() | TOKENS), max_size=4).map(tuple)),
    min_size=1,
    max_size=4,
).map(tuple)


@given(EXTENSIONS)
def test_extensions_written_and_read_are_the_same(extensions):
    """Writing is the inverse of reading."""
    assert extensions == read_extensions(write_extensions(extensions))


@given(st.binary() | st.text('ab;=,"\\ \t').map(str.encode))
def test_whatever_stands_in_a_list_is_read_or_refused(field):
    """No bytes lead to anything but a result or `ValueError`, and every name read is a token."""
    for read in (read_extensions, read_subprotocols):
        try:
            found = read(field)
        except ValueError:
            continue
        assert found
        assert all(is_token((item if isinstance(item, str) else item.name).encode()) for item in found)


@pytest.mark.parametrize("unit", [b"a;", b"a,", b'a;b="\\a', b" ", b"a; b=c, ", b'"', b"\\", b";="])
def test_reading_takes_time_in_proportion_to_the_length(unit):
    """No backtracking: twice the input runs at most twice the lines, and a few."""

    def steps(count):
        field = b'a; b="c' + unit * count + b"\xff"
        return lines_run(lambda: refused(field))

    assert 2 * steps(500) + 50 >= steps(1000)


def refused(field):
    """Read it in vain."""
    with pytest.raises(ValueError):
        read_extensions(field)


def lines_run(call):
    """How many lines of Python this runs: what time stands for, and the same on every machine."""
    count = 0

    def tracer(frame, event, argument):
        nonlocal count
        count += event == "line"
        return tracer

    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        call()
    finally:
        sys.settrace(before)
    return count
