"""Which proxy a connection goes through, what an HTTP proxy is asked for, and how proxies fail: without I/O."""

import pickle
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawws import ProxyError
from rawws.proxies import Proxy, Tunnel, chosen_proxy, is_loopback, is_passing, parse_proxy, proxy_for, unreachable
from rawws.uri import parse
from tests.wire import chopped

SECRET = "s3cret"


def chosen(uri: str, *bypassed: str, proxy: Any = True, **variables: str) -> str | None:
    """The proxy for `uri`, where the environment has these variables, and `no_proxy` lists what is bypassed."""
    found = proxy_for(parse(uri), proxy, lambda: variables, lambda place: place in bypassed)
    return None if found is None else str(found)


class TestTheEnvironment:
    """`proxy=True`: what `wss_proxy` and its like say."""

    @pytest.mark.parametrize("uri", ["ws://a.example", "wss://a.example"])
    def test_may_name_none(self, uri: str) -> None:
        """Without a variable, the way is straight."""
        assert chosen(uri) is None
        assert chosen(uri, https="", all="") is None

    @pytest.mark.parametrize(
        "uri, order",
        [
            ("wss://a.example", ["wss", "socks", "https", "all"]),
            ("ws://a.example", ["ws", "socks", "https", "http", "all"]),
        ],
        ids=["wss", "ws"],
    )
    def test_names_one_for_each_kind_of_connection(self, uri: str, order: list[str]) -> None:
        """The variable of the scheme goes first, then SOCKS, HTTPS and HTTP, as section 4.1 would have it, then all."""
        for first in range(len(order)):
            variables = {name: f"{'socks5' if name == 'socks' else 'http'}://{name}:1" for name in order[first:]}

            assert chosen(uri, **variables) == variables[order[first]]

    def test_does_not_send_tls_where_http_goes(self) -> None:
        """`http_proxy` and `ws_proxy` are not for wss."""
        assert chosen("wss://a.example", http="http://p:1", ws="http://p:1") is None

    def test_leaves_out_what_no_proxy_lists(self) -> None:
        """The host and the port are held against `no_proxy`."""
        assert chosen("wss://a.example/x", "a.example:443", https="http://p:1") is None
        assert "http://p:1" == chosen("wss://b.example:99", "b.example:443", https="http://p:1")

    @pytest.mark.parametrize(
        "host", ["localhost", "a.localhost", "LOCALHOST.", "127.0.0.1", "127.9.9.9", "[::1]", "[::ffff:127.0.0.1]"]
    )
    def test_is_not_for_this_machine(self, host: str) -> None:
        """What listens on loopback is out of reach of any proxy but one that runs here too."""
        assert chosen(f"ws://{host}:8765", http="http://p:1", all="http://p:1") is None
        assert "http://p:1" == chosen(f"ws://{host}:8765", proxy="http://p:1")

    @pytest.mark.parametrize(
        "host", ["a.example", "localhost.example", "128.0.0.1", "10.0.0.1", "::2", "::ffff:10.0.0.1"]
    )
    def test_is_for_all_others(self, host: str) -> None:
        """Other machines are not this one, private ones neither."""
        assert not is_loopback(host)

    def test_is_not_asked_where_none_is_wanted(self) -> None:
        """None and False go straight."""
        assert [None, None] == [chosen("ws://a.example", proxy=none, all="http://p:1") for none in (None, False)]

    def test_of_a_desktop_may_mean_socks_and_say_http(self) -> None:
        """The settings of macOS and Windows name a SOCKS proxy with some scheme or other: names are left to it."""
        for scheme in ("http", "socks", "socks4"):
            assert "socks5h://p:1" == chosen("wss://a.example", socks=f"{scheme}://p:1")

    def test_is_blamed_for_what_it_says(self) -> None:
        """What is no address tells which variable says so, and how to go without; a password in it is not told."""
        with pytest.raises(ValueError, match=r"https_proxy of the .* says 'ftp://…@p:1'.*proxy=None") as raised:
            chosen("wss://a.example", https=f"ftp://u:{SECRET}@p:1")

        assert SECRET not in str(raised.value)

    def test_is_read_as_every_program_does(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """By default the standard library reads the variables."""
        monkeypatch.setenv("https_proxy", "http://p:1")
        monkeypatch.setenv("no_proxy", "b.example,.c.example")

        found = [proxy_for(parse(f"wss://{host}"), True) for host in ("a.example", "b.example", "x.c.example")]

        assert ["http://p:1", "None", "None"] == [str(proxy) for proxy in found]


class TestAddresses:
    """What `proxy=` takes."""

    @pytest.mark.parametrize(
        "address, proxy",
        [
            ("http://p:3128", Proxy("http", "p", 3128)),
            ("http://p:3128/", Proxy("http", "p", 3128)),
            ("p:3128", Proxy("http", "p", 3128)),
            ("p", Proxy("http", "p", 80)),
            ("https://p", Proxy("https", "p", 443)),
            ("socks5://p", Proxy("socks5", "p", 1080)),
            ("SOCKS5H://P:1", Proxy("socks5h", "p", 1)),
            ("socks4://u@10.0.0.1", Proxy("socks4", "10.0.0.1", 1080, "u")),
            ("socks4a://[::1]:7", Proxy("socks4a", "::1", 7)),
            ("http://u:p%40ss%20%C3%BC@p:1", Proxy("http", "p", 1, "u", "p@ss ü")),
            ("u:x@p:1", Proxy("http", "p", 1, "u", "x")),
            ("http://bücher.example:1", Proxy("http", "xn--bcher-kva.example", 1)),
        ],
    )
    def test_name_a_proxy(self, address: str, proxy: Proxy) -> None:
        """A scheme (http if there is none), perhaps user and password, a host, and perhaps a port."""
        assert proxy == parse_proxy(address)

    @pytest.mark.parametrize(
        "wrong, why",
        [
            ("ftp://p:1", "none of http, https"),
            ("ws://p:1", "none of http, https"),
            ("http://", "no host"),
            ("http://p:0", "no port"),
            ("http://p:x", "cannot be read"),
            ("http://user:12/34@p:1", "an @ stands behind the host"),
            ("http://p:99999", "cannot be read"),
            ("http://p p:1", "blanks"),
            ("http://p:1\r\nX: y", "blanks"),
            ("http://[::1", "cannot be read"),
            ("http://a%00c:1", "cannot be read"),
            ("socks5://ü:x@p", "ASCII"),
            (f"socks5://{'u' * 256}:x@p", "255"),
        ],
    )
    def test_that_are_none_say_why(self, wrong: str, why: str) -> None:
        """A ValueError with one sentence."""
        with pytest.raises(ValueError, match="not the address of a proxy") as raised:
            parse_proxy(wrong)

        assert why in str(raised.value)

    @pytest.mark.parametrize(
        "wrong",
        [
            f"ftp://u:{SECRET}@p",
            f"http://u:{SECRET}@p:x",
            f"http://u:x/{SECRET}@p",
            f"u:{SECRET}@p:x",
            f"http://{SECRET} @p",
            f"http://u:{SECRET}",
            f"u:{SECRET}",
        ],
    )
    def test_keep_their_password_when_they_are_wrong(self, wrong: str) -> None:
        """Not even a wrong address is told with its password: it ends up in logs."""
        with pytest.raises(ValueError, match=r"@p|u:…") as raised:
            parse_proxy(wrong)

        assert SECRET not in str(raised.value)

    def test_keep_their_password_when_they_are_shown(self) -> None:
        """Neither `str` nor `repr` say who we are."""
        proxy = parse_proxy(f"http://ann:{SECRET}@[::1]:1")

        assert "http://[::1]:1" == str(proxy)
        assert SECRET not in repr(proxy)
        assert "ann" not in repr(proxy)

    @given(st.text(max_size=30), st.text(st.characters(codec="utf-8"), max_size=20), st.text(max_size=10))
    def test_are_read_or_refused(self, front: str, password: str, back: str) -> None:
        """Any text is a proxy or a ValueError, and a password that is longer than chance is in neither."""
        secret = SECRET + password.replace("@", "")
        try:
            told = repr(parse_proxy(f"{front}://u:{secret}@{back}"))
        except ValueError as error:
            told = f"{error} {error.__cause__}"

        assert SECRET not in told

    @pytest.mark.parametrize("wrong", [5, b"http://p", ["http://p"]])
    def test_are_text(self, wrong: Any) -> None:
        """Anything else is a TypeError."""
        with pytest.raises(TypeError, match="proxy is an address"):
            proxy_for(parse("ws://a.example"), wrong)

    def test_have_no_place_where_there_is_a_socket(self) -> None:
        """With a socket or a Unix socket one is there already: an address beside it is a mistake, the default not."""
        uri = parse("ws://a.example")

        assert chosen_proxy(uri, True, True) is None
        with pytest.raises(ValueError, match="needs no proxy"):
            chosen_proxy(uri, "http://p", True)


HTTP = parse_proxy("http://p:3128")


def heard(answer: bytes, proxy: Proxy = HTTP) -> bool:
    """Whether the tunnel is open after this answer, however it was cut."""
    outcomes = set()
    for pieces in chopped(answer):
        tunnel = Tunnel(proxy, parse("wss://a.example"))
        outcomes.add([tunnel.receive_data(piece) for piece in pieces][-1])
    assert 1 == len(outcomes)
    return outcomes.pop()


def refused(answer: bytes, proxy: Proxy = HTTP) -> ProxyError:
    """The error after this answer, however it was cut, and at its end."""
    errors = {}
    for pieces in chopped(answer):
        tunnel = Tunnel(proxy, parse("wss://a.example"))
        with pytest.raises(ProxyError) as raised:
            any(tunnel.receive_data(piece) for piece in [*filter(None, pieces), b""])
        errors[str(raised.value)] = raised.value
    assert 1 == len(errors)
    return errors.popitem()[1]


class TestTunnels:
    """The dialogue with an HTTP proxy (RFC 9110 9.3.6)."""

    @pytest.mark.parametrize(
        "uri, place",
        [
            ("wss://a.example/x?y", "a.example:443"),
            ("ws://a.example", "a.example:80"),
            ("ws://[2001:db8::1]:99/", "[2001:db8::1]:99"),
            ("ws://user:word@10.0.0.1", "10.0.0.1:80"),
        ],
    )
    def test_ask_for_host_and_port(self, uri: str, place: str) -> None:
        """The request names the server and its port, and nothing else of the URI."""
        assert f"CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n\r\n".encode() == Tunnel(HTTP, parse(uri)).request

    def test_carry_credentials_for_the_proxy(self) -> None:
        """User and password of the proxy's address go to the proxy (RFC 9110 11.7.1)."""
        request = Tunnel(parse_proxy("http://Aladdin:open%20sesame@p"), parse("ws://a.example")).request

        assert b"\r\nProxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n" in request

    @pytest.mark.parametrize(
        "answer",
        [
            b"HTTP/1.1 200 Connection established\r\n\r\n",
            b"HTTP/1.0 200 OK\r\nVia: x\r\nProxy-Agent: y\r\n\r\n",
            b"HTTP/1.1 200\r\n\r\n",
            b"HTTP/1.1 299 Why not\r\nContent-Length: 5\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Wait\r\nx: y\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
        ],
    )
    def test_are_open_after_any_2xx(self, answer: bytes) -> None:
        """Any 2xx opens, behind its whole head; what that says about a body does not count."""
        assert heard(answer)
        assert not heard(answer[:-1])

    def test_are_not_open_before(self) -> None:
        """An interim answer is none."""
        assert not heard(b"HTTP/1.1 100 Continue\r\n\r\n")

    @pytest.mark.parametrize(
        "answer, told, status, hopeless",
        [
            (b"HTTP/1.1 403 Not there\r\n\r\n", "answered 403 Not there", 403, True),
            (b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 9\r\n\r\nsorry", "answered 502 Bad Gateway", 502, False),
            (b"HTTP/1.1 503\r\n\r\n", "answered 503", 503, False),
            (b"HTTP/1.1 301 Moved\r\nLocation: http://q\r\n\r\n", "answered 301 Moved", 301, True),
            (
                b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
                "answered 101 Switching",
                101,
                True,
            ),
            (b"HTTP/1.1 407 No\r\n\r\n", "answered 407 No: it wants a user and a password", 407, True),
            (b"", "hung up without an answer", None, False),
            (b"HTTP/1.1 200 O", "hung up without an answer", None, False),
            (b"HTTP/1.1 200 OK\r\n\r", "hung up without an answer", None, False),
            (b"\x05\x00", "speaks no HTTP: it does not begin with HTTP/", None, True),
            (b"HTTP/1.1 2x0 OK\r\n\r\n", "speaks no HTTP: ", None, True),
            (b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 129 + b"\r\n", "speaks no HTTP: more than 128 fields", None, True),
        ],
        ids=lambda given: given[:20] if isinstance(given, bytes) else None,
    )
    def test_are_refused(self, answer: bytes, told: str, status: int | None, hopeless: bool) -> None:
        """Any other answer is a `ProxyError`, with the status and the proxy's words, and whether to try again."""
        error = refused(answer)

        assert str(error).startswith(f"the proxy http://p:3128 {told}")
        assert (status, hopeless, "http://p:3128") == (error.status, error.hopeless, error.proxy)

    def test_tell_a_wrong_password_from_none(self) -> None:
        """With 407 it is said whether a password was sent; the password is not."""
        error = refused(
            b"HTTP/1.1 407 No\r\nProxy-Authenticate: Basic\r\n\r\n", parse_proxy(f"http://ann:{SECRET}@p:1")
        )

        assert "the proxy http://p:1 answered 407 No: it does not take this user and password" == str(error)
        assert ((b"proxy-authenticate", b"Basic"),) == error.headers

    def test_bring_nothing_that_was_not_asked_for(self) -> None:
        """The server waits for us, in TLS and in WebSocket: bytes behind the proxy's head are none of its."""
        tunnel = Tunnel(HTTP, parse("wss://a.example"))
        with pytest.raises(ProxyError, match="nobody asked for"):
            tunnel.receive_data(b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 101")

    @given(
        st.lists(
            st.sampled_from([b" OK", b"\r\n", b"x: y", b"\n", b"\0", b": ", b"HTTP/1.1 100"]) | st.binary(max_size=9)
        )
    )
    def test_open_or_fail_whatever_comes(self, pieces: list[bytes]) -> None:
        """Any bytes open a tunnel, or do not yet, or are a `ProxyError`; nothing else is raised."""
        tunnel = Tunnel(HTTP, parse("wss://a.example"))
        with suppress(ProxyError):
            is_open = any(tunnel.receive_data(piece) for piece in [b"HTTP/1.1 200", *filter(None, pieces)])

            assert is_open == (b"\r\n\r\n" in b"".join(pieces))


class TestErrors:
    """How a proxy that fails is told of."""

    def test_are_errors_of_the_network(self) -> None:
        """Who catches `OSError` catches them; they can be pickled."""
        error = unreachable(HTTP, ConnectionRefusedError(111, "Connection refused"))
        again = pickle.loads(pickle.dumps(error))

        assert isinstance(error, OSError)
        assert "the proxy http://p:3128 cannot be reached: Connection refused" == str(error) == str(again)
        assert vars(error) == vars(again)

    @pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 521, 599])
    def test_may_be_over_soon(self, status: int) -> None:
        """Too many, too early, too slow, and what went wrong inside."""
        assert is_passing(status)

    @pytest.mark.parametrize("status", [200, 301, 400, 401, 403, 404, 407, 410, 426, 451, 501, 505, 511])
    def test_may_last(self, status: int) -> None:
        """What we asked for is wrong, and will be."""
        assert not is_passing(status)
