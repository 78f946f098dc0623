"""Where a redirect leads, and what goes along: without I/O."""

import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawws import HandshakeRejected, Redirect, Rejected
from rawws.core.http1 import ClientConnection
from rawws.plan import REDIRECTS, Plan, check_way, led_to, plan
from rawws.uri import parse
from tests.net import NONCE


def going(uri: str = "wss://a.example/chat", redirects: int = 5, **options: Any) -> Plan:
    """What `connect` would do with these arguments."""
    given: dict[str, Any] = {"headers": (), "origin": None, "subprotocols": (), "compression": None}
    given |= {"user_agent": None, "random": lambda size: b"the sample nonce"[:size], "options": {}}
    return plan(uri, redirects=redirects, **given | options).begin()


def moved(*locations: str, status: int = 302) -> Rejected:
    """An answer that leads there."""
    return Rejected(status, "Moved", tuple((b"location", location.encode()) for location in locations), b"")


def request(plan: Plan) -> list[str]:
    """The lines that the plan sends first."""
    return plan.connection().data_to_send().decode().split("\r\n")


def problem(plan: Plan, *locations: str) -> str:
    """Why a redirect is not followed."""
    with pytest.raises(HandshakeRejected) as raised:
        plan.after(moved(*locations))
    return raised.value.problem


class TestLocations:
    """Where a Location leads."""

    @pytest.mark.parametrize(
        "location, uri",
        [
            ("/other", "wss://a.example:444/other"),
            ("other?x=1", "wss://a.example:444/rooms/other?x=1"),
            ("?x=1", "wss://a.example:444/rooms/one?x=1"),
            ("../up", "wss://a.example:444/up"),
            ("//b.example/x", "wss://b.example/x"),
            ("wss://b.example", "wss://b.example/"),
            ("https://b.example/x", "wss://b.example/x"),
            ("HTTPS://B.example:443/x#top", "wss://b.example/x"),
            ("wss://[2001:db8::1]:99/x", "wss://[2001:db8::1]:99/x"),
            ("/ü", "wss://a.example:444/%C3%BC"),
            ("/a%20b", "wss://a.example:444/a%20b"),
        ],
    )
    def test_may_be_relative_and_may_speak_of_http(self, location: str, uri: str) -> None:
        """A Location is relative to where we asked (RFC 9110 10.2.2); http stands for ws, and a fragment is dropped."""
        assert uri == led_to(parse("wss://a.example:444/rooms/one?y"), location.encode()).text

    def test_may_lead_into_tls(self) -> None:
        """http: stays ws:, and https: is wss:."""
        base = parse("ws://a.example/")

        assert ["ws://a.example/b", "wss://a.example/b"] == [
            led_to(base, location).text for location in (b"http://a.example/b", b"https://a.example/b")
        ]

    @pytest.mark.parametrize(
        "location, why",
        [
            ("ws://a.example/", "from wss to ws"),
            ("http://a.example/", "from wss to ws"),
            ("ftp://a.example/", "ws:// or wss://"),
            ("javascript:alert(1)", "ws:// or wss://"),
            ("file:///etc/passwd", "ws:// or wss://"),
            ("wss://ann:word@b.example/", "with a user in it"),
            ("//ann@b.example/", "with a user in it"),
            ("wss://b.example:x/", "not a URI"),
            ("/a b", "no blanks"),
            ("/\\b.example/", "backslashes"),
            ("//b.example\\@a.example/", "user in it"),
            ("wss://[::1/", "IPv6"),
        ],
    )
    def test_may_lead_nowhere(self, location: str, why: str) -> None:
        """Out of TLS, to other protocols, to addresses that hide where they lead: the reason is told."""
        with pytest.raises(ValueError, match=why):
            led_to(parse("wss://a.example/"), location.encode())

    @given(st.binary(max_size=40) | st.text("/:@#?[].%wshtpa\\ ", max_size=30).map(str.encode))
    def test_may_be_anything(self, location: bytes) -> None:
        """Any bytes lead somewhere within TLS, with no user and no fragment, or they are a ValueError."""
        try:
            uri = led_to(parse("wss://ann:word@a.example/"), location)
        except ValueError:
            return

        assert (True, None, None) == (uri.secure, uri.username, uri.password)
        assert uri == parse(uri.text)

    def test_may_be_no_text(self) -> None:
        """Bytes that are no UTF-8 lead nowhere."""
        with pytest.raises(ValueError, match="URI"):
            led_to(parse("wss://a.example/"), b"/\xff")


class TestFollowing:
    """`redirects=`."""

    @pytest.mark.parametrize("status", REDIRECTS)
    def test_goes_on_where_the_answer_leads(self, status: int) -> None:
        """All five kinds of redirect are alike: the opening handshake is a GET anyway."""
        after = going(subprotocols=["chat"], origin="https://a.example").after(moved("/b", status=status))

        assert ["GET /b HTTP/1.1", "Host: a.example"] == request(after)[:2]
        assert {f"Sec-WebSocket-Key: {NONCE}", "Sec-WebSocket-Protocol: chat", "Origin: https://a.example"} <= set(
            request(after)
        )
        assert (Redirect(status, "wss://a.example/chat", "wss://a.example/b"),) == after.redirects

    @pytest.mark.parametrize("status", [200, 300, 304, 305, 306, 401, 404, 503])
    def test_is_for_redirects(self, status: int) -> None:
        """Another status is a refusal, whatever Location it has."""
        with pytest.raises(HandshakeRejected) as raised:
            going().after(moved("/b", status=status))

        assert (status, "", ()) == (raised.value.status, raised.value.problem, raised.value.redirects)

    def test_is_off_by_default(self) -> None:
        """With none to follow, a redirect is an answer like any other that is not 101."""
        with pytest.raises(HandshakeRejected) as raised:
            going(redirects=0).after(moved("/b"))

        assert "the server answered 302 Moved" == str(raised.value)

    def test_has_an_end(self) -> None:
        """One more than were allowed is too many; those before it can be read."""
        plan = going(redirects=2)
        for path in ("/1", "/2"):
            plan = plan.after(moved(path))
        with pytest.raises(HandshakeRejected, match="more than 2 redirects") as raised:
            plan.after(moved("/3"))

        assert ["wss://a.example/1", "wss://a.example/2"] == [redirect.uri for redirect in raised.value.redirects]

    @pytest.mark.parametrize("back", ["/chat", "/1", "/2", "https://a.example:443/chat#x", ""])
    def test_does_not_go_in_circles(self, back: str) -> None:
        """Where it has been, it does not go again: nothing would be different."""
        plan = going().after(moved("/1")).after(moved("/2"))

        assert "in a circle" in problem(plan, back)

    def test_needs_one_location(self) -> None:
        """None, or two, are told."""
        assert "it does not say where to" == problem(going())
        assert "there are 2 Location fields" == problem(going(), "/a", "/b")

    def test_tells_why_not(self) -> None:
        """The reason stands in the message and in `problem`; the error can be pickled."""
        with pytest.raises(HandshakeRejected) as raised:
            going().after(moved("/1")).after(moved("ws://a.example/"))
        again = pickle.loads(pickle.dumps(raised.value))

        assert "the server answered 302 Moved: it leads from wss to ws, to ws://a.example/" == str(raised.value)
        assert (str(raised.value), raised.value.redirects) == (str(again), again.redirects)

    @pytest.mark.parametrize("wrong", [-1, -5])
    def test_is_a_number(self, wrong: int) -> None:
        """Fewer than none is a mistake."""
        with pytest.raises(ValueError, match="redirects"):
            going(redirects=wrong)


class TestSecrets:
    """What goes along."""

    HEADERS = {"Authorization": "Bearer x", "Cookie": "a=b", "X-Api-Key": "k"}

    def test_stay_with_their_origin(self) -> None:
        """Within the origin all of it goes along: headers, and the user of the URI."""
        lines = request(
            going("wss://ann:word@a.example/", headers=self.HEADERS | {"Authorization": "y"}).after(moved("/b"))
        )
        named = request(going("wss://ann:word@a.example/").after(moved("https://a.example/b")))

        assert {"Authorization: y", "Cookie: a=b", "X-Api-Key: k"} <= set(lines)
        assert "Authorization: Basic YW5uOndvcmQ=" in named

    @pytest.mark.parametrize(
        "elsewhere",
        ["wss://b.example/", "wss://a.example:444/", "wss://a.example.b.example/", "wss://sub.a.example/"],
    )
    def test_do_not_go_to_another(self, elsewhere: str) -> None:
        """Another host or port gets none of it, and what the library says by itself goes along."""
        plan = going("wss://ann:word@a.example/", headers=self.HEADERS, user_agent="me/1", subprotocols=["chat"])
        lines = request(plan.after(moved(elsewhere)))
        names = {line.partition(":")[0] for line in lines}

        assert set() == names & {"Authorization", "Cookie", "X-Api-Key"}
        assert {"User-Agent: me/1", "Sec-WebSocket-Protocol: chat"} <= set(lines)

    def test_do_not_follow_into_tls(self) -> None:
        """wss: on the same host is another origin (RFC 6454); there they would be asked for anew."""
        lines = request(going("ws://ann:word@a.example/", headers=self.HEADERS).after(moved("https://a.example/")))

        assert set() == {line.partition(":")[0] for line in lines} & {"Authorization", "Cookie", "X-Api-Key"}

    def test_do_not_come_back(self) -> None:
        """Who was left out in between may have chosen the last address: nothing is sent there any more."""
        plan = going("wss://ann:word@a.example/", headers=self.HEADERS)
        lines = request(plan.after(moved("wss://b.example/")).after(moved("wss://a.example/2")))

        assert set() == {line.partition(":")[0] for line in lines} & {"Authorization", "Cookie", "X-Api-Key"}

    def test_are_not_told(self) -> None:
        """The chain names addresses with no user and no password."""
        plan = going("wss://ann:word@a.example/1").after(moved("/2"))

        assert "word" not in repr(plan.redirects)


class TestPlans:
    """One attempt to connect."""

    def test_can_be_carried_out_again(self) -> None:
        """Headers that come from an iterator are there for each attempt, with a key of its own."""
        keys = iter([b"the sample nonce", b"another nonce..."])
        plan = going(headers=iter([("X-A", "1")]), random=lambda size: next(keys))
        first, second = request(plan), request(plan.begin())

        assert ["X-A: 1"] * 2 == [line for line in first + second if line.startswith("X-A")]
        assert first != second

    def test_ask_for_headers_each_time(self) -> None:
        """What gives headers is asked at the beginning of each attempt, for a fresh token, and not between."""
        tokens = iter("abc")
        plan = going(headers=lambda: {"X-Token": next(tokens)})
        after = plan.after(moved("/1"))

        assert ["a", "a", "b"] == [dict(each.headers)[b"X-Token"].decode() for each in (plan, after, after.begin())]

    def test_make_a_connection(self) -> None:
        """What it gives is the client's side of the opening handshake, with the limits that were given."""
        connection = going(options={"max_size": 7}).connection()

        assert isinstance(connection, ClientConnection)
        assert 7 == connection.limits.message

    def test_may_not_fit_how_to_get_there(self) -> None:
        """A context needs wss:, or redirects that may lead there; a socket that is given leads to one place."""
        for arguments in ((going("ws://a.example", 0), True, False), (going(), False, True)):
            with pytest.raises(ValueError, match=r"context|socket"):
                check_way(*arguments)

        check_way(going("ws://a.example"), True, False)
        check_way(going("wss://a.example", 0), True, True)
