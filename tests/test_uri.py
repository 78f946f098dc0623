"""`ws:` and `wss:` URIs (section 3): what they say, and which are none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawws.core.headers import is_host, is_target
from rawws.uri import URI, parse


def test_a_uri_says_where_to_connect_and_what_to_ask_for():
    """Section 3: host, port, resource name, and whether it is secure."""
    expected = URI(
        secure=False,
        host="example.com",
        port=8080,
        target="/chat?room=1",
        host_header="example.com:8080",
        username=None,
        password=None,
    )
    assert expected == parse("ws://example.com:8080/chat?room=1")


@pytest.mark.parametrize(
    ("uri", "secure", "port", "host_header"),
    [
        ("ws://a", False, 80, "a"),
        ("wss://a", True, 443, "a"),
        ("WSS://A", True, 443, "a"),
        ("ws://a:80", False, 80, "a"),
        ("ws://a:", False, 80, "a"),
        ("ws://a:443", False, 443, "a:443"),
        ("wss://a:443", True, 443, "a"),
        ("wss://a:80", True, 80, "a:80"),
        ("ws://a:65535", False, 65535, "a:65535"),
        ("ws://a:0080", False, 80, "a"),
    ],
)
def test_the_usual_port_is_left_out(uri, secure, port, host_header):
    """Section 3: 80 and 443; section 4.1: Host has the port only "when not using the default port"."""
    found = parse(uri)

    assert (secure, port, host_header) == (found.secure, found.port, found.host_header)


@pytest.mark.parametrize(
    ("rest", "target"),
    [
        ("", "/"),
        ("/", "/"),
        ("?x=1", "/?x=1"),
        ("/?", "/"),
        ("/a%20b?x", "/a%20b?x"),
        ("/a//b/../c", "/a//b/../c"),
        ("/%23", "/%23"),
        ("/ä?ö=ü", "/%C3%A4?%C3%B6=%C3%BC"),
        ('/"<>?{}|^`', "/%22%3C%3E?%7B%7D%7C%5E%60"),
        ("/a;b=c,d@e:f!$&'()*+~-._?a/b?c", "/a;b=c,d@e:f!$&'()*+~-._?a/b?c"),
    ],
)
def test_the_target_is_path_and_query(rest, target):
    """Section 3: '/' for an empty path; what HTTP cannot carry as it is, is percent-encoded."""
    assert target == parse(f"ws://a{rest}").target


@pytest.mark.parametrize(
    ("written", "host", "host_header"),
    [
        ("127.0.0.1", "127.0.0.1", "127.0.0.1"),
        ("[::1]", "::1", "[::1]"),
        ("[2001:DB8::0:1]:90", "2001:db8::1", "[2001:db8::1]:90"),
        ("[fe80::1%25eth0]", "fe80::1%eth0", "[fe80::1]"),
        ("bücher.example", "xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("b%C3%BCcher.example", "xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("例え。テスト", "xn--r8jz45g.xn--zckzah", "xn--r8jz45g.xn--zckzah"),
        ("a_b.local.", "a_b.local.", "a_b.local."),
    ],
)
def test_a_host_is_a_name_or_an_address(written, host, host_header):
    """Names are ASCII for DNS and Host; an IPv6 address has brackets in Host, and no zone."""
    found = parse(f"ws://{written}")

    assert (host, host_header) == (found.host, found.host_header)


def test_a_user_is_kept_out_of_the_host():
    """User and password become Basic credentials (RFC 7617): the example there."""
    found = parse("ws://Aladdin:open%20sesame@a/")

    assert ("Aladdin", "open sesame", "a") == (found.username, found.password, found.host_header)
    assert "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==" == found.authorization


def test_a_user_may_have_no_password_and_there_may_be_none():
    """No password is an empty one; no user is no header."""
    assert "Basic YTo=" == parse("ws://a@b/").authorization
    assert parse("ws://b/").authorization is None


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "a",
        "//a/",
        "/chat",
        "http://a",
        "https://a",
        "ws:a",
        "ws:/a",
        "ws://",
        "ws:///chat",
        "ws://:80",
        "ws://user@",
        "ws://a/#f",
        "ws://a#",
        "ws://a:0",
        "ws://a:65536",
        "ws://a:-1",
        "ws://a:b",
        "ws://a:80:80",
        "ws://[::1",
        "ws://[::1::1]",
        "ws://[x]:1:2",
        "ws://::1/",
        "ws://a b/",
        " ws://a/",
        "ws://a/ b",
        "ws://a/\r\nX: y",
        "ws://a\t/",
        "ws://a/\x00",
        "ws://a/\x7f",
        "ws://a\\b/",
        "ws://a%0d%0aX/",
        "ws://a%2Fb/",
        "ws://a%40b/",
        "ws://a<b/",
        "ws://ä" + "a" * 64 + ".example/",
        "ws://ä..b/",
        "ws://a/\ud800",
    ],
)
def test_what_is_no_websocket_uri(uri):
    """One clear sentence says why; nothing gets through that would end a line or a header."""
    with pytest.raises(ValueError) as caught:
        parse(uri)
    assert ValueError is type(caught.value)
    assert 1 == len(str(caught.value).splitlines())


@pytest.mark.parametrize(
    "uri",
    [
        "ws://ann:geheim",
        "ws://ann:geheim/chat",
        "ws://ann:ge/heim/chat",
        "ws://ann:geheim@h/#f",
        "ws://ann:geheim@h:x",
        "http://ann:geheim@h",
        "ws://ann:geheim@",
        "ws://ann:geheim @h",
        "ws://ann:geheim@h:0",
        "ws://ann:gehei℀@h",
    ],
)
def test_an_error_says_no_password(uri):
    """Not even of a URI that is none, or whose @ was forgotten: it ends up in logs."""
    with pytest.raises(ValueError) as caught:
        parse(uri)
    assert "hei" not in str(caught.value)


@given(st.text() | st.text("ws:/@[]%:?#a1.é", max_size=20).map(lambda rest: "ws://" + rest))
def test_whatever_is_given_can_be_asked_for_or_is_refused(uri):
    """Any text: a host and a target that can be sent, or `ValueError`."""
    try:
        found = parse(uri)
    except ValueError:
        return
    assert is_host(found.host_header.encode())
    assert is_target(found.target.encode())
    assert 1 <= found.port <= 65535


def test_a_name_has_one_spelling():
    """Names of hosts do not know case (RFC 3986, 3.2.2): a letter that was percent-encoded is written small too."""
    assert ("example.com", "example.com") == parse("ws://EX%41MPLE.com/")[1:5:3]
    assert parse("ws://bücher.example/") == parse("ws://B%C3%9CCHER.ex%41mple/")


@pytest.mark.parametrize("uri", ["ws://%2540/", "ws://a%25b/"])
def test_a_name_holds_no_percent(uri):
    """What is encoded twice would be another host for whoever decodes the Host header."""
    with pytest.raises(ValueError, match="names a host"):
        parse(uri)


def test_brackets_that_are_encoded_make_no_address():
    """Brackets stand around an address that was checked, and around nothing else."""
    with pytest.raises(ValueError, match="names a host"):
        parse("ws://%5Bb%5D/")


@pytest.mark.parametrize("uri", ["ws://[fe80::1%25%0d%0a]/", "ws://[::%25%1b]/", "ws://[::%\u03a2]/"])
def test_a_zone_can_be_printed(uri):
    """What stands behind an address goes to the resolver, and into logs: no line ends, and nothing a terminal obeys."""
    with pytest.raises(ValueError) as caught:
        parse(uri)
    assert str(caught.value).isprintable()
