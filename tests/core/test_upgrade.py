"""Section 4 on header fields: what a server lets pass and answers, and what a client asks and believes."""

import pickle
import re
from contextlib import suppress
from copy import deepcopy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawws.core import rules
from rawws.core.agreement import Agreement, Extension
from rawws.core.connection import Connection
from rawws.core.deflate import Deflate, DeflateTerms
from rawws.core.errors import LocalProtocolError, ProtocolError, RemoteProtocolError
from rawws.core.settings import Limits, Role
from rawws.core.states import State
from rawws.core.upgrade import SAME_ORIGIN, ClientUpgrade, UpgradeRequest, refusal

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
REQUEST = {
    b"host": b"server.example.com",
    b"upgrade": b"websocket",
    b"connection": b"Upgrade",
    b"sec-websocket-key": KEY,
    b"sec-websocket-version": b"13",
}
ANSWER = {b"upgrade": b"websocket", b"connection": b"Upgrade", b"sec-websocket-accept": ACCEPT}
HTTP2 = {b"host": b"server.example.com", b"sec-websocket-version": b"13"}


def changed(fields, *changes):
    """Fields with others in their place: a list of values for each name, an empty one to leave it out."""
    replaced = dict(changes)
    kept = [(name, value) for name, value in fields.items() if name not in replaced]
    return kept + [(name, value) for name, given in changes for value in given]


def parse(*changes, **options):
    """A request as in section 1.2, changed."""
    return UpgradeRequest.parse(changed(REQUEST, *changes), **options)


def parse2(*changes, **options):
    """An extended CONNECT as in RFC 8441, changed."""
    given = {"method": b"CONNECT", "http_version": "2", "protocol": b"websocket", **options}
    return UpgradeRequest.parse(changed(HTTP2, *changes), **given)


def nonce(size):
    """The RFC's sample nonce instead of a random one."""
    return b"the sample nonce"[:size]


def check(*changes, status=101, **options):
    """Hold an answer as in section 1.2, changed, against a request with the sample key."""
    return ClientUpgrade(random=nonce, **options).check(status, changed(ANSWER, *changes))


def rule_of(call, *args, kind=RemoteProtocolError, **kwargs):
    """The rule that a call finds broken."""
    with pytest.raises(ProtocolError) as caught:
        call(*args, **kwargs)
    assert kind is type(caught.value)
    return caught.value.rule


# --- What a server reads --------------------------------------------------------------------------------------------


def test_the_request_of_the_rfc_is_read():
    """Section 1.2: the example, with everything that it says."""
    request = parse(
        (b"origin", [b"http://example.com"]),
        (b"sec-websocket-protocol", [b"chat, superchat"]),
        target=b"/chat",
    )

    assert "/chat" == request.target
    assert "server.example.com" == request.host
    assert "http://example.com" == request.origin
    assert KEY == request.key
    assert ("chat", "superchat") == request.subprotocols
    assert () == request.extensions
    assert "1.1" == request.http_version
    assert (b"host", b"server.example.com") in request.headers


@pytest.mark.parametrize(
    "changes",
    [
        [(b"upgrade", [b"WebSocket"]), (b"connection", [b"UPGRADE"])],
        [(b"connection", [b"keep-alive, Upgrade"])],
        [(b"connection", [b"keep-alive", b"upgrade"])],
        [(b"upgrade", [b"h2c, websocket"])],
        [(b"upgrade", [b"h2c", b"websocket"])],
        [(b"sec-websocket-key", [b" \t" + KEY + b" "])],
        [(b"sec-websocket-key", [b"AQIDBAUGBwgJCgsMDQ4PEC=="])],
        [(b"content-length", [b"0"])],
        [(b"x-unknown", [b"\xff\x80"]), (b"pragma", [b"no-cache"])],
        [(b"sec-websocket-extensions", [b"x-unknown; a=1"]), (b"sec-websocket-protocol", [b"unknown"])],
    ],
)
def test_a_request_may_be_written_in_other_ways(changes):
    """Section 4.2.1: words without case, lists in one or more fields, blanks, unknown fields."""
    assert 101 == parse(*changes).accept().status


def test_the_order_of_fields_does_not_matter():
    """Section 4.2.1: "the order of the header fields is not important"."""
    assert 101 == UpgradeRequest.parse(reversed(REQUEST.items())).accept().status


@pytest.mark.parametrize(
    ("rule", "name", "given"),
    [
        (rules.HOST, b"host", []),
        (rules.HOST, b"host", [b"a", b"a"]),
        (rules.HOST, b"host", [b"a b"]),
        (rules.HOST, b"host", [b"user@a"]),
        (rules.HOST, b"host", [b""]),
        (rules.UPGRADE_MISSING, b"upgrade", []),
        (rules.UPGRADE_MISSING, b"upgrade", [b""]),
        (rules.UPGRADE_MISSING, b"upgrade", [b"h2c"]),
        (rules.UPGRADE_MISSING, b"upgrade", [b"websocket2"]),
        (rules.CONNECTION_MISSING, b"connection", []),
        (rules.CONNECTION_MISSING, b"connection", [b"keep-alive"]),
        (rules.CONNECTION_MISSING, b"connection", [b"upgraded"]),
        (rules.KEY_MISSING, b"sec-websocket-key", []),
        (rules.KEY_REPEATED, b"sec-websocket-key", [KEY, KEY]),
        (rules.KEY_INVALID, b"sec-websocket-key", [b""]),
        (rules.KEY_INVALID, b"sec-websocket-key", [b"dGhlIHNhbXBsZSBub25j"]),
        (rules.KEY_INVALID, b"sec-websocket-key", [b"\xff" * 24]),
        (rules.VERSION, b"sec-websocket-version", []),
        (rules.VERSION, b"sec-websocket-version", [b"12"]),
        (rules.VERSION, b"sec-websocket-version", [b"013"]),
        (rules.VERSION, b"sec-websocket-version", [b"13, 8"]),
        (rules.VERSION, b"sec-websocket-version", [b"255"]),
        (rules.VERSION_REPEATED, b"sec-websocket-version", [b"13", b"13"]),
        (rules.SUBPROTOCOLS_INVALID, b"sec-websocket-protocol", [b"chat room"]),
        (rules.SUBPROTOCOLS_INVALID, b"sec-websocket-protocol", [b"a", b"b, a"]),
        (rules.SUBPROTOCOLS_INVALID, b"sec-websocket-protocol", [b",,"]),
        (rules.SUBPROTOCOLS_INVALID, b"sec-websocket-protocol", [b"a\x7f"]),
        (rules.SUBPROTOCOLS_INVALID, b"sec-websocket-protocol", [b"\xc3\xa4"]),
        (rules.EXTENSIONS_INVALID, b"sec-websocket-extensions", [b";;"]),
        (rules.EXTENSIONS_INVALID, b"sec-websocket-extensions", [b"=x"]),
        (rules.EXTENSIONS_INVALID, b"sec-websocket-extensions", [b'a; b="']),
        (rules.EXTENSIONS_INVALID, b"sec-websocket-extensions", [b'a; b="c d"']),
        (rules.BODY_IN_REQUEST, b"content-length", [b"5"]),
        (rules.BODY_IN_REQUEST, b"content-length", [b"0", b"5"]),
        (rules.BODY_IN_REQUEST, b"transfer-encoding", [b"chunked"]),
        (rules.BODY_IN_REQUEST, b"transfer-encoding", [b""]),
    ],
)
def test_any_deviation_of_a_field_is_refused(rule, name, given):
    """Section 4.2.1: the server stops and answers with an error; each case says which rule."""
    assert rule is rule_of(parse, (name, given))


@pytest.mark.parametrize("method", [b"POST", b"HEAD", b"get", b"CONNECT"])
def test_the_method_is_get(method):
    """Section 4.1: "The method of the request MUST be GET"; methods have a case."""
    assert rules.METHOD is rule_of(parse, method=method)


@pytest.mark.parametrize("version", ["1.0", "0.9", "", "1.1x", "4", "\u0661.1"])
def test_the_version_of_http_is_1_1_or_higher(version):
    """Section 4.1: "the HTTP version MUST be at least 1.1"."""
    assert rules.HTTP_VERSION is rule_of(parse, http_version=version)


@pytest.mark.parametrize("target", [b"/#f", b"*", b"chat", b"", b"/a b", b"/\xff", "/ä", "http:///x", "ftp://a/"])
def test_the_target_is_a_path_or_an_absolute_uri(target):
    """Section 4.2.1: a resource name, or an absolute URI that contains one."""
    assert rules.TARGET is rule_of(parse, target=target)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (b"/chat?x=1", "/chat?x=1"),
        (b"http://server.example.com/chat?x=1", "/chat?x=1"),
        (b"HTTPS://a:1/chat?x=1", "/chat?x=1"),
        (b"http://a", "/"),
        (b"http://a?x", "/?x"),
    ],
)
def test_an_absolute_uri_contains_the_resource_name(target, expected):
    """Section 4.2.1: "or an absolute HTTP/HTTPS URI containing the /resource name/"."""
    assert expected == parse(target=target).target


def test_an_absolute_uri_names_the_host():
    """RFC 9112 3.2.2: "an origin server MUST ignore the received Host header field"; but there has to be one."""
    assert "b:81" == parse((b"host", [b"a"]), target=b"http://b:81/chat").host
    assert rules.HOST is rule_of(parse, (b"host", []), target=b"http://b/chat")


@pytest.mark.parametrize("target", [b"http://ann:secret@a/", b"http://[/", b"http://a:b/", b'http://"/'])
def test_an_absolute_uri_names_a_host_and_no_more(target):
    """RFC 9110 4.2.4: who finds a user in one should treat it as an error."""
    assert rules.TARGET is rule_of(parse, target=target)


def test_several_fields_are_read_as_one():
    """Sections 9.1 and 11.3.4: a list may be split over several fields."""
    request = parse(
        (b"sec-websocket-protocol", [b"a, b", b"c"]),
        (b"sec-websocket-extensions", [b"foo", b"bar; baz=2"]),
    )

    assert ("a", "b", "c") == request.subprotocols
    assert (Extension("foo"), Extension("bar", (("baz", "2"),))) == request.extensions


def test_a_request_can_be_copied_and_pickled():
    """It is a value: equal to its copies."""
    request = parse((b"sec-websocket-protocol", [b"a"]))

    assert request == deepcopy(request) == pickle.loads(pickle.dumps(request))


# --- Refusing -------------------------------------------------------------------------------------------------------


def refused(call, *args, **kwargs):
    """What a server answers to a request."""
    with pytest.raises(RemoteProtocolError) as caught:
        call(*args, **kwargs)
    return refusal(caught.value)


def test_another_version_is_told_which_one_is_spoken():
    """Section 4.4: the answer lists all versions; RFC 9110 15.5.22: a 426 names the protocol."""
    status, headers, _ = refused(parse, (b"sec-websocket-version", [b"25"]))

    assert 426 == status
    assert (b"sec-websocket-version", b"13") in headers
    assert (b"upgrade", b"websocket") in headers
    assert (b"connection", b"Upgrade") in headers


def test_a_plain_request_is_told_to_upgrade():
    """RFC 9110 15.5.22: "The server MUST send an Upgrade header field in a 426 response"."""
    status, headers, _ = refused(parse, (b"upgrade", []))

    assert 426 == status
    assert (b"upgrade", b"websocket") in headers


def test_another_method_is_told_which_one_is_allowed():
    """RFC 9110 15.5.6: a 405 lists the methods."""
    status, headers, _ = refused(parse, method="POST")

    assert 405 == status
    assert (b"allow", b"GET") in headers


def test_the_text_of_a_refusal_names_the_rule_in_one_line():
    """Whoever reads it can look it up; no byte of the request gets in there unescaped."""
    status, headers, body = refused(parse, (b"sec-websocket-key", [b"\x1b\n" * 40]))

    assert 400 == status
    assert (b"content-type", b"text/plain; charset=utf-8") in headers
    assert b"key-invalid" in body
    assert 1 == body.count(b"\n")
    assert b"\x1b" not in body


def test_an_error_without_a_status_is_a_bad_request():
    """A rule of frames has a close code, which is no status."""
    assert 400 == refusal(ProtocolError(rules.MASK_MISSING))[0]


@pytest.mark.parametrize(
    "changes", [(b"sec-websocket-key", [KEY, KEY]), (b"host", [b"a", b"a"]), (b"sec-websocket-version", [b"13", b"13"])]
)
def test_a_field_that_is_there_twice_is_a_bad_request(changes):
    """Sections 11.3.1 and 11.3.5: two programs could believe two different ones."""
    assert 400 == refused(parse, changes)[0]


# --- Whose pages may connect ----------------------------------------------------------------------------------------


def allowed(origins, *origin, host=b"example.com"):
    """Whether a request with this Origin, or none, may connect."""
    request = parse((b"origin", list(origin)), (b"host", [host]))
    try:
        request.check_origin(origins)
    except RemoteProtocolError as error:
        return {403: False}[refusal(error)[0]]
    return True


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        (b"http://example.com", b"example.com"),
        (b"https://example.com", b"example.com"),
        (b"https://EXAMPLE.com", b"Example.COM"),
        (b"http://example.com:8080", b"example.com:8080"),
        (b"https://example.com", b"example.com:443"),
        (b"http://example.com:80", b"example.com"),
        (b"http://[::1]:8080", b"[::1]:8080"),
    ],
)
def test_a_page_of_this_server_has_the_same_origin(origin, host):
    """Section 10.2: host and port are equal, the usual port written or not."""
    assert allowed(SAME_ORIGIN, origin, host=host)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        (b"http://evil.example", b"example.com"),
        (b"http://example.com.evil.example", b"example.com"),
        (b"http://evil-example.com", b"example.com"),
        (b"http://example.com:8080", b"example.com"),
        (b"http://example.com", b"example.com:8080"),
        (b"http://example.com", b"example.com:443"),
        (b"null", b"example.com"),
        (b"null", b"null"),
        (b"file://", b"example.com"),
        (b"chrome-extension://example.com", b"example.com"),
        (b"example.com", b"example.com"),
        (b"", b"example.com"),
        (b"http://example.com\xff", b"example.com"),
    ],
)
def test_any_other_page_has_not(origin, host):
    """Section 10.2: a page of another server, port or scheme gets 403."""
    assert not allowed(SAME_ORIGIN, origin, host=host)


def test_who_may_not_connect_is_told_so():
    """Section 10.2: the refusal names the rule, and the origin that it got."""
    request = parse((b"origin", [b"http://evil.example"]))

    assert rules.ORIGIN is rule_of(request.check_origin, SAME_ORIGIN)
    assert b"http://evil.example" in refused(request.check_origin, SAME_ORIGIN)[2]
    assert b"there is none" in refused(parse().check_origin, [])[2]


def test_two_origins_are_no_origin():
    """A request has one, or it is not from a browser."""
    assert not allowed(SAME_ORIGIN, b"http://example.com", b"http://evil.example")
    assert not allowed(["http://example.com"], b"http://example.com", b"http://evil.example")


def test_who_is_no_browser_has_no_origin():
    """Section 4.2.1: without Origin it is no browser, and cannot be misled by a page."""
    assert allowed(SAME_ORIGIN)


def test_with_none_anybody_may_connect():
    """The check can be switched off, by writing so."""
    assert allowed(None, b"http://evil.example")
    assert allowed(None)


def test_a_list_names_who_may_connect():
    """Whole origins without case, patterns that match whole origins, and None for no browser."""
    origins = ["https://Example.com", re.compile(r"https://[a-z]+\.example\.com")]

    assert allowed(origins, b"https://example.com")
    assert allowed(origins, b"https://APP.example.com")
    assert not allowed(origins, b"https://app.example.com.evil.example")
    assert not allowed(origins, b"http://example.com")
    assert not allowed(origins)
    assert not allowed([], b"https://example.com")
    assert allowed([*origins, None])
    assert not allowed([None], b"null")


def test_one_origin_is_not_a_list_of_origins():
    """A str is a sequence too, of letters: the mistake is told at once."""
    with pytest.raises(TypeError):
        parse().check_origin("https://example.com")


# --- Accepting ------------------------------------------------------------------------------------------------------


def test_the_answer_is_what_the_rfc_needs_and_nothing_else():
    """Section 4.2.2: 101, Upgrade, Connection, and the right Accept."""
    accepted = parse().accept()

    assert 101 == accepted.status
    assert tuple(ANSWER.items()) == accepted.headers
    assert Agreement() == accepted.agreement


def test_the_subprotocol_that_is_chosen_is_answered():
    """Section 4.2.2: one of the client's list."""
    accepted = parse((b"sec-websocket-protocol", [b"chat, superchat"])).accept("superchat")

    assert (b"sec-websocket-protocol", b"superchat") in accepted.headers
    assert "superchat" == accepted.agreement.subprotocol


@pytest.mark.parametrize("name", ["other", "CHAT", "", "chat, superchat"])
def test_a_subprotocol_that_was_not_offered_cannot_be_chosen(name):
    """Section 4.2.2: "selecting one of the values" of the client."""
    request = parse((b"sec-websocket-protocol", [b"chat, superchat"]))

    assert rules.SUBPROTOCOL_UNOFFERED is rule_of(request.accept, name, kind=LocalProtocolError)


def test_fields_of_ones_own_follow_in_their_order():
    """Cookies, for instance; several of one name stay several."""
    own = [("Set-Cookie", "a=1"), (b"set-cookie", b"b=2"), ("X-A", "c")]

    expected = ((b"Set-Cookie", b"a=1"), (b"set-cookie", b"b=2"), (b"X-A", b"c"))
    assert (*ANSWER.items(), *expected) == parse().accept(headers=own).headers


@pytest.mark.parametrize(
    "name", ["Upgrade", "connection", "Sec-WebSocket-Accept", "sec-websocket-protocol", "Content-Length", "Host"]
)
def test_what_the_handshake_says_is_not_said_by_others(name):
    """A second Accept, or a length of a body that is frames, would break the answer."""
    assert rules.HEADER_INVALID is rule_of(parse().accept, None, [(name, "1")], kind=LocalProtocolError)


def test_a_header_that_cannot_be_sent_is_refused():
    """No line is smuggled into the answer."""
    assert rules.HEADER_INVALID is rule_of(parse().accept, None, [("X", "a\r\nY: b")], kind=LocalProtocolError)


def test_the_server_has_an_open_connection():
    """What was agreed on and what is asked for stands in it."""
    accepted = parse((b"sec-websocket-protocol", [b"chat"])).accept("chat")
    connection = accepted.connection(limits=Limits(message=10), initial_data=b"\x81\x80\0\0\0\0")

    assert Role.SERVER is connection.role
    assert State.OPEN is connection.state
    assert "chat" == connection.subprotocol
    assert [""] == list(connection.events())


# --- HTTP/2 and 3 ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["2", "2.0", "3"])
def test_an_extended_connect_needs_no_key(version):
    """RFC 8441 5: `:protocol` stands for Upgrade and Connection; key and Accept are not used."""
    request = parse2((b"sec-websocket-protocol", [b"chat"]), target="/chat", http_version=version)
    accepted = request.accept("chat", [("x", "1")])

    assert request.key is None
    assert "/chat" == request.target
    assert 200 == accepted.status
    assert ((b"sec-websocket-protocol", b"chat"), (b"x", b"1")) == accepted.headers
    assert State.OPEN is accepted.connection().state


@pytest.mark.parametrize(
    "hosts", [[(b":authority", [b"a:1"]), (b"host", [])], [(b":authority", [b"a:1"]), (b"host", [b"a:1"])]]
)
def test_the_authority_stands_for_the_host(hosts):
    """RFC 9113 8.3.1: `:authority`, and Host may repeat it."""
    assert "a:1" == parse2(*hosts).host


@pytest.mark.parametrize(
    ("rule", "options"),
    [
        (rules.METHOD, {"method": "GET"}),
        (rules.CONNECT_PROTOCOL, {"protocol": None}),
        (rules.CONNECT_PROTOCOL, {"protocol": "connect-udp"}),
        (rules.TARGET, {"target": "*"}),
    ],
)
def test_an_extended_connect_for_something_else_is_refused(rule, options):
    """RFC 8441 4: the method is CONNECT; 501 answers another `:protocol`."""
    assert rule is rule_of(parse2, **options)


def test_a_refusal_on_http_2_has_no_fields_of_http_1():
    """RFC 9113 8.2.2: no Upgrade and no Connection; the version and the method are told all the same."""
    status, headers, _ = refused(parse2, (b"sec-websocket-version", [b"25"]))
    assert (426, (b"sec-websocket-version", b"13")) == (status, headers[0])
    assert not {name for name, _ in headers} & {b"upgrade", b"connection"}
    assert (b"allow", b"CONNECT") in refused(parse2, method="GET")[1]


@pytest.mark.parametrize(
    ("rule", "name", "given"),
    [
        (rules.HOST, b":authority", [b"other"]),
        (rules.HOST, b"host", []),
        (rules.VERSION, b"sec-websocket-version", [b"8"]),
        (rules.SUBPROTOCOLS_INVALID, b"sec-websocket-protocol", [b""]),
    ],
)
def test_the_other_fields_are_those_of_http_1(rule, name, given):
    """RFC 8441 5: version, subprotocol and extensions as in RFC 6455."""
    assert rule is rule_of(parse2, (name, given))


# --- From a framework -----------------------------------------------------------------------------------------------


def scope(**changes):
    """What an ASGI server says of a request."""
    return {
        "type": "websocket",
        "http_version": "1.1",
        "path": "/ch ät",
        "raw_path": b"/ch%20%C3%A4t",
        "query_string": b"x=1",
        "headers": list(REQUEST.items()),
        **changes,
    }


@pytest.mark.parametrize("raw", [b"/ch%20%C3%A4t", None])
def test_a_scope_of_asgi_is_a_request(raw):
    """The path is there raw, or to be encoded again."""
    request = UpgradeRequest.from_asgi(scope(raw_path=raw))

    assert "/ch%20%C3%A4t?x=1" == request.target
    assert KEY == request.key


def test_a_scope_of_http_2_is_an_extended_connect():
    """The server has seen `:protocol`, or it would not say "websocket"."""
    request = UpgradeRequest.from_asgi(scope(http_version="2", headers=list(HTTP2.items()), query_string=b""))

    assert "/ch%20%C3%A4t" == request.target
    assert 200 == request.accept().status


def test_a_scope_of_plain_http_says_its_method():
    """An upgrade may arrive as type "http"; then it has a method."""
    assert rules.METHOD is rule_of(UpgradeRequest.from_asgi, scope(type="http", method="POST"))


def environ(**changes):
    """What a WSGI server says of a request."""
    return {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/ch \u00c3\u00a4t",
        "QUERY_STRING": "x=1",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "CONTENT_LENGTH": "",
        "CONTENT_TYPE": "",
        **{f"HTTP_{name.decode().upper().replace('-', '_')}": value.decode() for name, value in REQUEST.items()},
        **changes,
    }


def test_an_environ_of_wsgi_is_a_request():
    """PEP 3333: text is bytes in Latin-1."""
    request = UpgradeRequest.from_wsgi(environ(HTTP_X_A="\xff"))

    assert "/ch%20%C3%A4t?x=1" == request.target
    assert KEY == request.key
    assert (b"x-a", b"\xff") in request.headers


def test_an_environ_may_have_an_empty_path():
    """An empty path is the root (section 3)."""
    assert "/" == UpgradeRequest.from_wsgi(environ(PATH_INFO="", QUERY_STRING="")).target


@pytest.mark.parametrize(
    ("rule", "changes"),
    [
        (rules.HTTP_VERSION, {"SERVER_PROTOCOL": "HTTP/1.0"}),
        (rules.BODY_IN_REQUEST, {"CONTENT_LENGTH": "5"}),
        (rules.KEY_INVALID, {"HTTP_SEC_WEBSOCKET_KEY": "a, b"}),
    ],
)
def test_an_environ_is_held_against_the_same_rules(rule, changes):
    """What a WSGI server joined or split is noticed."""
    assert rule is rule_of(UpgradeRequest.from_wsgi, environ(**changes))


# --- What a client asks ---------------------------------------------------------------------------------------------


def test_a_client_asks_with_the_fields_of_the_rfc():
    """Section 4.1: Upgrade, Connection, a key and the version; the sample nonce gives the sample key."""
    expected = (
        (b"upgrade", b"websocket"),
        (b"connection", b"Upgrade"),
        (b"sec-websocket-key", KEY),
        (b"sec-websocket-version", b"13"),
    )
    assert expected == ClientUpgrade(random=nonce).headers()


def test_a_client_offers_subprotocols_in_its_order():
    """Section 4.1: "ordered by preference"."""
    headers = ClientUpgrade(subprotocols=["chat", "superchat"]).headers()

    assert (b"sec-websocket-protocol", b"chat, superchat") == headers[-1]


def test_each_connection_has_a_key_of_its_own():
    """Section 4.1: "The nonce MUST be selected randomly for each connection"."""
    assert 32 == len({ClientUpgrade().key for _ in range(32)})


@pytest.mark.parametrize("names", [["a", "a"], ["a b"], [""], ["ä"], ["a,b"], ["a\r\n"], ["\ud800"]])
def test_subprotocols_to_offer_are_unique_tokens(names):
    """Section 4.1: and nothing else gets into the request."""
    assert rules.SUBPROTOCOLS_INVALID is rule_of(ClientUpgrade, subprotocols=names, kind=LocalProtocolError)


def test_one_subprotocol_is_not_a_list_of_subprotocols():
    """A str is a sequence too, of letters: the mistake is told at once."""
    with pytest.raises(TypeError):
        ClientUpgrade(subprotocols="chat")


# --- What a client believes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        [],
        [(b"upgrade", [b"WebSocket"])],
        [(b"connection", [b"keep-alive, upgrade"])],
        [(b"connection", [b"keep-alive", b"Upgrade"])],
        [(b"sec-websocket-accept", [b" \t" + ACCEPT + b" "])],
        [(b"x-unknown", [b"\xff"]), (b"set-cookie", [b"a=1", b"b=2"])],
        [(b"sec-websocket-version", [b"13", b"8"])],
    ],
)
def test_an_answer_may_be_written_in_other_ways(changes):
    """Section 4.1: words without case, lists, blanks, unknown fields."""
    assert Agreement() == check(*changes)


@pytest.mark.parametrize(
    ("rule", "name", "given"),
    [
        (rules.RESPONSE_UPGRADE, b"upgrade", []),
        (rules.RESPONSE_UPGRADE, b"upgrade", [b""]),
        (rules.RESPONSE_UPGRADE, b"upgrade", [b"h2c"]),
        (rules.RESPONSE_UPGRADE, b"upgrade", [b"websocket, h2c"]),
        (rules.RESPONSE_UPGRADE, b"upgrade", [b"websocket", b"websocket"]),
        (rules.RESPONSE_CONNECTION, b"connection", []),
        (rules.RESPONSE_CONNECTION, b"connection", [b"keep-alive"]),
        (rules.RESPONSE_CONNECTION, b"connection", [b"upgraded"]),
        (rules.ACCEPT_MISSING, b"sec-websocket-accept", []),
        (rules.ACCEPT_WRONG, b"sec-websocket-accept", [b""]),
        (rules.ACCEPT_WRONG, b"sec-websocket-accept", [b"AAAAAAAAAAAAAAAAAAAAAAAAAAA="]),
        (rules.ACCEPT_WRONG, b"sec-websocket-accept", [ACCEPT.swapcase()]),
        (rules.ACCEPT_WRONG, b"sec-websocket-accept", [ACCEPT + b"A"]),
        (rules.ACCEPT_WRONG, b"sec-websocket-accept", [KEY]),
        (rules.ACCEPT_WRONG, b"sec-websocket-accept", [b"\xff"]),
        (rules.ACCEPT_REPEATED, b"sec-websocket-accept", [ACCEPT, ACCEPT]),
        (rules.EXTENSION_UNOFFERED, b"sec-websocket-extensions", [b"permessage-deflate"]),
        (rules.RESPONSE_EXTENSIONS, b"sec-websocket-extensions", [b"a", b"b"]),
        (rules.RESPONSE_EXTENSIONS, b"sec-websocket-extensions", [b";;"]),
        (rules.RESPONSE_EXTENSIONS, b"sec-websocket-extensions", [b""]),
        (rules.SUBPROTOCOL_UNOFFERED, b"sec-websocket-protocol", [b"other"]),
        (rules.SUBPROTOCOL_UNOFFERED, b"sec-websocket-protocol", [b"CHAT"]),
        (rules.SUBPROTOCOL_UNOFFERED, b"sec-websocket-protocol", [b"chat, superchat"]),
        (rules.SUBPROTOCOL_UNOFFERED, b"sec-websocket-protocol", [b""]),
        (rules.SUBPROTOCOL_UNOFFERED, b"sec-websocket-protocol", [b"\xff"]),
        (rules.SUBPROTOCOL_REPEATED, b"sec-websocket-protocol", [b"chat", b"chat"]),
    ],
)
def test_any_deviation_of_an_answer_fails_the_connection(rule, name, given):
    """Section 4.1: each of the checks, and the rules of section 11.3 on what appears once."""
    assert rule is rule_of(check, (name, given), subprotocols=["chat", "superchat"])


def test_a_subprotocol_in_the_answer_is_the_agreed_one():
    """Section 4.1: it is one of those that were offered."""
    assert "chat" == check((b"sec-websocket-protocol", [b"chat"]), subprotocols=["x", "chat"]).subprotocol


def test_an_answer_without_a_subprotocol_is_right_too():
    """Section 4.2.2: a server need not agree to one."""
    assert check(subprotocols=["chat"]).subprotocol is None


@pytest.mark.parametrize("status", [200, 100, 301, 401, 426, 503])
def test_another_status_than_101_opens_nothing(status):
    """Section 4.1: even if all the fields are right."""
    assert rules.RESPONSE_STATUS is rule_of(check, status=status)


def test_the_client_has_an_open_connection():
    """What was agreed on and what is asked for stands in it."""
    upgrade = ClientUpgrade(subprotocols=["chat"], random=nonce)
    answer = changed(ANSWER, (b"sec-websocket-protocol", [b"chat"]))
    connection = upgrade.complete(101, answer, initial_data=b"\x81\x00")

    assert isinstance(connection, Connection)
    assert Role.CLIENT is connection.role
    assert "chat" == connection.subprotocol
    assert [""] == list(connection.events())


def test_a_client_on_http_2_needs_no_key_and_gets_a_2xx():
    """RFC 8441 5: `:protocol` and a success status do what key and 101 do on HTTP/1.1."""
    upgrade = ClientUpgrade(subprotocols=["chat"], http_version="2")

    assert ((b"sec-websocket-version", b"13"), (b"sec-websocket-protocol", b"chat")) == upgrade.headers()
    assert "chat" == upgrade.complete(200, [(b"sec-websocket-protocol", b"chat")]).subprotocol
    assert rules.RESPONSE_STATUS is rule_of(upgrade.check, 101, ANSWER.items())


# --- Compression ----------------------------------------------------------------------------------------------------


def chosen(*fields, compression=Deflate(15, 15)):
    """What a server answers to offers in these fields."""
    accepted = parse((b"sec-websocket-extensions", list(fields))).accept(compression=compression)
    return dict(accepted.headers).get(b"sec-websocket-extensions")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ([b"PMD"], b"PMD"),
        ([b"PMD; server_max_window_bits=9, PMD"], b"PMD; server_max_window_bits=9"),
        ([b"PMD, PMD; server_max_window_bits=9"], b"PMD"),
        ([b"PMD; server_max_window_bits=7, PMD"], b"PMD"),
        ([b"PMD; x, PMD; server_no_context_takeover"], b"PMD; server_no_context_takeover"),
        ([b"PMD; x", b"PMD"], b"PMD"),
        ([b"x-webkit-deflate-frame", b"foo; a=1, PMD; client_no_context_takeover"], b"PMD; client_no_context_takeover"),
        ([b'PMD; server_max_window_bits="10"'], b"PMD; server_max_window_bits=10"),
        ([b"PMD; client_max_window_bits="], None),
        ([b"PMD; x", b"PMD; server_max_window_bits"], None),
        ([b"permessage-foo"], None),
        ([b"Permessage-Deflate"], None),
        ([b"constructor", b"__proto__"], None),
        ([], None),
    ],
)
def test_the_first_offer_that_can_be_accepted_is(fields, expected):
    """RFC 7692 section 5: the order says what the client likes best; what is not right is passed over."""
    fields = [field.replace(b"PMD", b"permessage-deflate") for field in fields]

    assert (expected and expected.replace(b"PMD", b"permessage-deflate")) == chosen(*fields)
    assert None is chosen(*fields, compression=None)


def test_what_was_agreed_on_is_in_the_connection():
    """Both sides, with their own level and threshold."""
    ours, theirs = Deflate(10, 11, level=9), Deflate(9, 9, threshold=1)
    upgrade = ClientUpgrade(compression=theirs, random=nonce)
    accepted = UpgradeRequest.parse([(b"host", b"a"), *upgrade.headers()]).accept(compression=ours)
    terms = DeflateTerms(server_max_window_bits=9, client_max_window_bits=9, wish=ours)

    assert terms == accepted.agreement.compression == accepted.connection().compression
    client = upgrade.complete(accepted.status, accepted.headers)
    assert DeflateTerms(False, False, 9, 9, theirs) == client.compression


def test_compression_works_over_http_2_alike():
    """RFC 8441 5: extensions are negotiated in the same field."""
    upgrade = ClientUpgrade(compression=Deflate(), http_version="2")
    request = parse2((b"sec-websocket-extensions", [dict(upgrade.headers())[b"sec-websocket-extensions"]]))
    accepted = request.accept(compression=Deflate())

    assert accepted.agreement == upgrade.check(accepted.status, accepted.headers)
    assert accepted.agreement.compression is not None


@pytest.mark.parametrize(
    ("rule", "given"),
    [
        (rules.COMPRESSION_TERMS, [b"permessage-deflate; x"]),
        (rules.COMPRESSION_TERMS, [b"permessage-deflate; client_max_window_bits"]),
        (rules.COMPRESSION_TERMS, [b"permessage-deflate; client_max_window_bits=16"]),
        (rules.COMPRESSION_TERMS, [b"permessage-deflate; client_max_window_bits="]),
        (rules.COMPRESSION_TERMS, [b"permessage-deflate; server_no_context_takeover=1"]),
        (rules.COMPRESSION_TERMS, [b"permessage-deflate; server_max_window_bits=9; server_max_window_bits=9"]),
        (rules.COMPRESSION_TERMS, [b"permessage-deflate; x, permessage-foo"]),
        (rules.EXTENSION_UNOFFERED, [b"permessage-deflate, permessage-deflate"]),
        (rules.EXTENSION_UNOFFERED, [b"permessage-deflate, permessage-foo"]),
        (rules.EXTENSION_UNOFFERED, [b"permessage-foo, permessage-deflate"]),
        (rules.EXTENSION_UNOFFERED, [b"Permessage-Deflate"]),
        (rules.RESPONSE_EXTENSIONS, [b"permessage-deflate", b"permessage-deflate"]),
        (rules.RESPONSE_EXTENSIONS, [b"permessage-deflate;"]),
    ],
)
def test_an_answer_about_compression_that_is_not_right_fails_the_connection(rule, given):
    """RFC 7692 sections 5 and 7; RFC 6455 11.3.2 on the field that appears once."""
    assert rule is rule_of(check, (b"sec-websocket-extensions", given), compression=Deflate())


def test_without_an_answer_about_compression_there_is_none():
    """RFC 7692 section 5: "both endpoints proceed without per-message compression"."""
    assert Agreement() == check(compression=Deflate())


# --- Both, and anything ---------------------------------------------------------------------------------------------


def test_both_sides_understand_each_other():
    """What one side writes, the other reads, on every version of HTTP."""
    for version, method, protocol in [("1.1", "GET", None), ("2", "CONNECT", "websocket")]:
        upgrade = ClientUpgrade(subprotocols=["a", "b"], http_version=version)
        headers = [(b"host", b"x"), *upgrade.headers()]
        request = UpgradeRequest.parse(headers, method=method, http_version=version, protocol=protocol)
        accepted = request.accept("b")
        client = upgrade.complete(accepted.status, accepted.headers)
        assert "b" == client.subprotocol == accepted.connection().subprotocol


NAMES = st.sampled_from([*REQUEST, *ANSWER, b"origin", b"sec-websocket-protocol", b"sec-websocket-extensions"])
VALUES = st.binary(max_size=30) | st.sampled_from([*REQUEST.values(), ACCEPT, b"a, b", b'a; b="c"', b"0"])
ANY_FIELDS = st.lists(st.tuples(NAMES | st.binary(max_size=5), VALUES), max_size=4)


@given(ANY_FIELDS, st.binary(max_size=20) | st.just(b"/"), st.sampled_from(["1.1", "2", "1.0", "x"]))
def test_whatever_is_asked_there_is_an_answer(fields, target, version):
    """A request is valid, or refused with a status from 400 to 599 and one line of text; nothing else can come out."""
    names = {name for name, _ in fields}
    headers = [(name, value) for name, value in REQUEST.items() if name not in names] + fields
    try:
        request = UpgradeRequest.parse(headers, target=target, http_version=version)
        request.check_origin(SAME_ORIGIN)
        assert 101 == request.accept(compression=Deflate()).status
    except RemoteProtocolError as error:
        breach = error
    else:
        return
    status, _, body = refusal(breach)
    assert 400 <= status < 600
    assert breach.rule.name in body.decode()
    assert [len(body) - 1] == [at for at, byte in enumerate(body) if byte < 0x20]


@given(ANY_FIELDS, st.integers())
def test_whatever_is_answered_it_is_believed_or_not(fields, status):
    """An answer is right, or a rule is broken; nothing else can come out."""
    names = {name for name, _ in fields}
    headers = [(name, value) for name, value in ANSWER.items() if name not in names] + fields
    for code in (status, 101):
        with suppress(RemoteProtocolError):
            ClientUpgrade(subprotocols=["a"], compression=Deflate(), random=nonce).complete(code, headers)


def test_a_field_of_wsgi_whose_name_is_not_ascii_is_passed_over():
    """Servers write names in capitals, and what "µ" becomes then is not in Latin-1: it must not raise."""
    request = UpgradeRequest.from_wsgi(environ(**{"HTTP_" + "µ".upper(): "1", "HTTP_É": "2"}))
    assert all(name.isascii() for name, _ in request.headers)
