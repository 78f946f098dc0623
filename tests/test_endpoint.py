"""What the two transports share: their options, their answers, and what they raise."""

from dataclasses import fields
from typing import Any

import pytest

from rawws import (
    ClientConnection,
    Closed,
    Deflate,
    HandshakeRejected,
    Rejected,
    RemoteProtocolError,
    Response,
    ServerConnection,
)
from rawws.core import rules
from rawws.core.events import Event
from rawws.core.http1 import Request
from rawws.core.settings import Limits
from rawws.endpoint import (
    Options,
    Reception,
    check_compression,
    check_options,
    client_connection,
    header_pairs,
    limits_of,
    names,
    opening_failed,
    patience_of,
)
from rawws.session import Patience
from rawws.uri import parse
from tests.net import NONCE, request


def no_secret(size: int) -> bytes:
    return b"the sample nonce"[:size]


def client(uri: str = "ws://a.example", **options: Any) -> bytes:
    """The request of a client."""
    given = {"headers": (), "origin": None, "subprotocols": (), "compression": None, "user_agent": None}
    given |= {"limits": Limits()} | options
    return client_connection(parse(uri), random=no_secret, **given).data_to_send()


class TestOptions:
    """How much and how long."""

    def test_are_all_for_something(self) -> None:
        """Each option changes one bound of `Limits` or of `Patience`."""
        for name in Options.__annotations__:
            options: Any = {name: 12345}
            assert (limits_of(options), patience_of(options)) != (Limits(), Patience())

    def test_leave_the_defaults(self) -> None:
        """Without options the defaults are those of `Limits` and `Patience`."""
        assert (Limits(), Patience()) == (limits_of({}), patience_of({}))

    def test_are_named_after_what_they_do(self) -> None:
        """The options stand for these bounds; None lifts one."""
        assert Limits(message=None, frame=7, fragments=8) == limits_of(
            {"max_size": None, "max_frame": 7, "max_fragments": 8}
        )
        assert Patience(opening=1, ping_interval=2, ping_timeout=3, writing=4, closing=None) == patience_of(
            {"open_timeout": 1, "ping_interval": 2, "ping_timeout": 3, "write_timeout": 4, "close_timeout": None}
        )

    def test_keep_the_low_mark_under_the_high_one(self) -> None:
        """Sending goes on at a quarter of `write_limit`."""
        patience = patience_of({"write_limit": 1000, "receive_limit": 2000})

        assert (1000, 250, 2000) == (patience.write_high, patience.write_low, patience.receive_high)

    def test_with_a_misspelt_name_are_refused(self) -> None:
        """The message names those that there are."""
        wrong: Any = {"max_sise": 1}
        with pytest.raises(TypeError, match=r"'max_sise'.* max_size, .*receive_limit"):
            check_options(wrong)

    @pytest.mark.parametrize("wrong", ["deflate", "", 0, False, True, object(), Deflate])
    def test_of_compression_are_values(self, wrong: Any) -> None:
        """A compression is an instance of `Deflate` or of one's own, or None; what else is falsy is none of them."""
        check_compression(None)
        check_compression(Deflate(level=9))
        with pytest.raises(TypeError, match=r"compression is Deflate\(\.\.\.\) or None, not "):
            check_compression(wrong)

    def test_do_not_cover_everything(self) -> None:
        """What has no option of its own is left to who embeds the core."""
        assert {"pongs", "header_bytes", "header_line", "header_count", "response_body"} == {
            field.name for field in fields(Limits)
        } - {"message", "frame", "fragments"}


class TestRequest:
    """What a client asks."""

    @pytest.mark.parametrize(
        "headers",
        [{"a": "é"}, [("a", "é")], ((b"a", "é".encode()),), iter([(b"a", bytearray("é".encode()))])],
        ids=["mapping", "pairs", "bytes", "iterator"],
    )
    def test_headers_become_pairs_of_bytes(self, headers: Any) -> None:
        """Text is sent as UTF-8."""
        assert [(b"a", "é".encode())] == header_pairs(headers)

    def test_fields_stand_in_this_order(self) -> None:
        """The fields of the handshake come first, then what the arguments add, then one's own."""
        asked = client(
            "ws://me:secret@a.example:81/b",
            headers={"X-A": "1"},
            origin="http://a.example",
            subprotocols=("chat",),
            user_agent="me",
        )
        lines = asked.decode().split("\r\n")

        assert ["GET /b HTTP/1.1", "Host: a.example:81"] == lines[:2]
        assert f"Sec-WebSocket-Key: {NONCE}" in lines
        assert ["Origin", "User-Agent", "Authorization", "X-A"] == [line.partition(":")[0] for line in lines[-6:-2]]

    def test_offers_what_it_is_given(self) -> None:
        """Compression is offered in a field of its own, and only if it is asked for."""
        assert b"Extensions" not in client()
        assert b"\r\nSec-WebSocket-Extensions: permessage-deflate; " in client(compression=Deflate())

    @pytest.mark.parametrize("name", ["user-agent", "USER-AGENT", "authorization"])
    def test_fields_of_ones_own_go_first(self, name: str) -> None:
        """A header that is given replaces the one that would be added, however it is written."""
        asked = client("ws://me@a.example", headers={name: "mine"}, user_agent="rawws").decode().lower()

        assert 1 == asked.count(f"\r\n{name.lower()}:")
        assert f"\r\n{name.lower()}: mine\r\n" in asked

    def test_one_name_is_no_list_of_names(self) -> None:
        """A `str` is an iterable too, of letters."""
        assert ("a", "b") == names(iter(["a", "b"]))
        with pytest.raises(TypeError):
            names("chat")


def received(answer: bytes) -> list[Event]:
    """What a client makes of an answer."""
    connection = ClientConnection("a.example", random=no_secret)
    connection.receive_data(answer)
    connection.receive_eof()
    return list(connection.events())


class TestAnswer:
    """What a server answers, and what a client tells of it."""

    def test_a_response_is_empty_and_fine(self) -> None:
        """A `Response` is 200 with no body unless it says more."""
        assert (200, (), b"") == Response()

    @pytest.mark.parametrize(
        "response", [None, Response(404), Response(403, {"a": "b"}, "text"), Response(200, (), b"x")]
    )
    def test_a_reception_says_whether_it_was_a_welcome(self, response: Response | None) -> None:
        """The answer is the response if there is one, and else a 101 for who deserves it."""
        connection = ServerConnection()
        connection.receive_data(request(80))
        asked = connection.next_event()
        assert isinstance(asked, Request)
        opened = Reception().answer(connection, asked, response)
        answer = connection.data_to_send()

        assert (response is None) == opened
        assert f"HTTP/1.1 {101 if response is None else response.status} ".encode() == answer[:13]
        assert response is None or answer.endswith(response.body if isinstance(response.body, bytes) else b"text")

    def test_a_rejection_tells_what_was_said(self) -> None:
        """`HandshakeRejected` has status, reason, headers and body, and its text shows the beginning of the body,
        in one line."""
        error = HandshakeRejected(Rejected(503, "Later", ((b"a", b"b"),), b"\xffwait\n" + b"x" * 1000))

        assert (503, "Later", ((b"a", b"b"),)) == (error.status, error.reason, error.headers)
        assert str(error).startswith("the server answered 503 Later: \ufffdwait x")
        assert len(str(error)) < 250
        assert "the server answered 404 Not Found" == str(HandshakeRejected(Rejected(404, "Not Found", (), b" \n")))

    @pytest.mark.parametrize(
        "ending, kind",
        [
            (None, ConnectionError),
            (Closed(1006, "", "lost"), ConnectionError),
            (Closed(1006, "the opening handshake took over 1 s", "local"), TimeoutError),
            (Closed(1006, "", "error", RemoteProtocolError(rules.ACCEPT_WRONG)), RemoteProtocolError),
        ],
    )
    def test_an_end_without_an_answer_has_a_cause(self, ending: Closed | None, kind: type[Exception]) -> None:
        """The network, our patience, or the rule that the server broke."""
        assert kind is type(opening_failed(ending))
