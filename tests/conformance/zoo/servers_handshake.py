"""Servers that are wrong in one thing about the opening handshake, and right in everything else.

Each names the cases that have to catch it, all of them and no others; ids with `*`, or with 1-3 for a run of numbers.
"""

import re

from rawws import Response
from rawws.core.headers import new_key
from tests.conformance.zoo.lying import (
    Animal,
    Reads,
    Sniffing,
    and_then,
    both,
    having,
    instead,
    of_101,
    of_refusals,
    refusing,
    when,
)

# --- Section 4.2.1 --------------------------------------------------------------------------------------------------

KEY = new_key(b"0123456789abcdef")
A_KEY = rb"(?i)\r\nsec-websocket-key:[ \t]*[a-z0-9+/]{21}[AQgw]==[ \t]*\r\n"
EXTENSIONS = b"Sec-WebSocket-Extensions"


def any_key(asked: bytes) -> bytes:
    """One that is right, if what was there is not."""
    head = asked.partition(b"\r\n\r\n")[0] + b"\r\n"
    return asked if len(re.findall(rb"(?i)sec-websocket-key", head)) == 1 and re.search(A_KEY, head) else _new(asked)


_new = having(b"Sec-WebSocket-Key", KEY)


def version_of(*taken: bytes) -> Reads:
    """Take these versions for 13, too."""
    return when(rb"Version: (%b)\r\n" % b"|".join(taken), having(b"Sec-WebSocket-Version", b"13"))


READING = [
    Animal("takes any method", "6455/4.2.1/1.1-3", instead(rb"\A\w+", b"GET")),
    Animal("takes a method in any case", "6455/4.2.1/1.3", instead(rb"\Aget", b"GET")),
    Animal("takes any version of HTTP", "6455/4.2.1/2.1-3", instead(rb"\A(\S+ \S+)[^\r]*", rb"\1 HTTP/1.1")),
    Animal("takes HTTP/1.0", "6455/4.2.1/2.1", instead(rb" HTTP/1.0\r", rb" HTTP/1.1\r")),
    Animal("looks at no Host", "6455/4.2.1/3.1-4", having(b"Host", b"localhost")),
    Animal("looks at no Upgrade", "6455/4.2.1/4.1-3", having(b"Upgrade", b"websocket")),
    Animal("looks how Upgrade begins", "6455/4.2.1/4.3", instead(rb"websocket2", b"websocket")),
    Animal("looks at no Connection", "6455/4.2.1/5.1-3", having(b"Connection", b"Upgrade")),
    Animal("looks how Connection begins", "6455/4.2.1/5.3", instead(rb"upgraded", b"upgrade")),
    Animal(
        "looks at no key",
        "6455/4.2.1/6.1-3 6455/4.2.1/7.1-4 6455/4.2.2/8.1 6455/4.2.2/9.1",
        any_key,
        # Where a refusal is held to what it says, a 101 is one more failure.
    ),
    Animal("decodes no key", "6455/4.2.1/7.1-4", when(rb"(?s)\A(?!.*Key.*Key)(?=.*Key: [^\r])", any_key)),
    Animal(
        "reads a version as a number",
        "6455/4.2.1/8.3",
        version_of(b"013"),
    ),
    Animal("reads a version up to the comma", "6455/4.2.1/8.4", version_of(b"13, 8")),
    Animal("takes older versions", "6455/4.2.1/8.2", version_of(b"12", b"8")),
    Animal(
        "takes the first of two versions",
        "6455/4.2.1/8.5",
        instead(rb"(Version: 13\r\n)Sec-WebSocket-Version.*?\n", rb"\1"),
    ),
    Animal(
        "needs no version",
        "6455/4.2.1/8.1",
        when(rb"\A(?s:(?!.*\r\nSec-WebSocket-Version))", having(b"Sec-WebSocket-Version", b"13")),
    ),
    Animal("mends targets", "6455/4.2.1/9.1-3", instead(rb"\A(\w+) (?:\*|/?([^# \r]*)(?:#f)?)(?= HTTP)", rb"\1 /\2")),
    Animal("knows no subprotocols", "6455/4.2.1/10.1-4", having(b"Sec-WebSocket-Protocol")),
    Animal("knows no extensions", "6455/4.2.1/11.1-4", having(EXTENSIONS)),
    Animal("puts up with a blank before the colon", "6455/4.2.1/12.1", instead(rb" +:", b":")),
    Animal("ends a value at NUL", "6455/4.2.1/12.2", instead(rb"\x00[^\r]*", b"")),
    Animal("ends a line at CR", "6455/4.2.1/12.3", instead(rb"\r(?!\n)", b"\r\n")),
    Animal("takes control characters in names", "6455/4.2.1/12.4", instead(rb"\x01", b"")),
    Animal("takes any octets in names", "6455/4.2.1/12.5", instead(rb"X-N[^:]*te", b"X-Note")),
    Animal("reads folded lines as fields", "6455/4.2.1/12.6", instead(rb"\r\n ", b"\r\n")),
    Animal("knows names in one case only", "6455/4.2.1/13.1", refusing(rb"sec-websocket-key")),
    Animal("wants Connection to be one word", "6455/4.2.1/13.2", refusing(rb"keep-alive, Upgrade")),
    Animal("takes the first of two Connections", "6455/4.2.1/13.3", refusing(rb"(?s)Connection:.*Connection:")),
    Animal("wants Host first", "6455/4.2.1/13.4", refusing(rb"\A[^\n]*HTTP/1.1\r\nSec-WebSocket-Version")),
    Animal("keeps blanks", "6455/4.2.1/13.5", refusing(rb"Key: +\t")),
    Animal("refuses unknown extensions", "6455/4.2.1/13.6 6455/9.1/1.*", refusing(rb"Extensions: .*x-")),
    Animal("refuses unknown subprotocols", "6455/4.2.1/13.7", refusing(rb"Protocol: x-nobody")),
    Animal("takes no absolute URI", "6455/4.2.1/14.1", refusing(rb"\A\w+ http")),
    Animal("wants Upgrade to be one word", "6455/4.2.1/14.2", refusing(rb"Upgrade: h2c, ")),
    Animal(
        "speaks no HTTP to bare line feeds",
        "6455/4.2.1/14.3",
        says=lambda asked, answer: answer if b"\r" in asked else b"What?\r\n\r\n",
    ),
    Animal(
        "takes a body for frames",
        "6455/4.2.1/15.1-5",
        both(having(b"Content-Length"), having(b"Transfer-Encoding")),
    ),
    Animal("reads once", "6455/4.2.1/16.1-2", reads_once=True),
    Animal(
        "breaks where it should refuse",
        "6455/4.2.1/1.1-3 6455/4.2.1/2.1-3 6455/4.2.1/3.* 6455/4.2.1/4.* 6455/4.2.1/5.* 6455/4.2.1/6.* 6455/4.2.1/7.* "
        "6455/4.2.1/8.* 6455/4.2.1/9.* 6455/4.2.1/10.* 6455/4.2.1/11.* 6455/4.2.1/12.* "
        "6455/4.2.2/5.* 6455/4.2.2/6 6455/4.2.2/7.* 6455/4.2.2/8.* 6455/4.2.2/9.*",
        says=of_refusals(rb"\AHTTP/1.1 \d+ [^\r]*", b"HTTP/1.1 500 Internal Server Error"),
    ),
]

# --- Section 4.2.2 --------------------------------------------------------------------------------------------------

SENDING = [
    Animal("says Upgrade twice", "6455/4.2.2/1", says=of_101(rb"(Upgrade: websocket\r\n)", rb"\1\1")),
    Animal("answers with HTTP/1.0", "6455/4.2.2/1", says=of_101(rb"HTTP/1.1", b"HTTP/1.0")),
    Animal("says no Connection", "6455/4.2.2/1", says=of_101(rb"Connection: [^\n]*\n", b"")),
    Animal("speaks of a body", "6455/4.2.2/2", says=of_101(rb"\r\n\r\n", b"\r\nContent-Length: 0\r\n\r\n")),
    Animal(
        "chooses no extension with an empty field",
        "6455/4.2.2/3.1 7692/5/1.2",
        says=of_101(rb"\r\n\r\n", b"\r\nSec-WebSocket-Extensions: \r\n\r\n", rb"\A(?s:(?!.*-Extensions:))"),
    ),
    Animal(
        "chooses a subprotocol that nobody wanted",
        "6455/4.2.2/3.2",
        says=of_101(rb"\r\n\r\n", b"\r\nSec-WebSocket-Protocol: chat\r\n\r\n", rb"\A(?s:(?!.*-Protocol:))"),
    ),
    Animal(
        "chooses its own subprotocol in any case",
        "6455/4.2.2/4.3-4",
        when(rb"-Protocol: (x-a, x-b|CHAT)", having(b"Sec-WebSocket-Protocol")),
        of_101(rb"\r\n\r\n", b"\r\nSec-WebSocket-Protocol: chat\r\n\r\n", rb"-Protocol: (x-a, x-b|CHAT)"),
    ),
    Animal(
        "chooses all subprotocols",
        "6455/4.2.2/4.1-2",
        says=of_101(rb"Protocol: chat", b"Protocol: x-a, chat, x-b", rb"Protocol: (x-a, )?chat, x-b"),
    ),
    Animal("does not say its versions", "6455/4.2.2/5.1-3", says=of_refusals(rb"Sec-WebSocket-Version[^\n]*\n", b"")),
    Animal("says 426 and no Upgrade", "6455/4.2.2/5.1-3", says=of_refusals(rb"Upgrade: [^\n]*\n", b"")),
    Animal(
        "takes newer versions",
        "6455/4.2.2/5.1-3 6455/4.2.2/8.2 6455/4.2.2/9.2",
        version_of(b"25", b"0", b"255"),
    ),
    Animal("serves every path", "6455/4.2.2/6", instead(rb"/missing", b"/")),
    Animal("looks at no Origin", "6455/4.2.2/7.1-3", having(b"Origin")),
    Animal("takes null for its own Origin", "6455/4.2.2/7.2", when(rb"Origin: null", having(b"Origin"))),
    Animal(
        "promises more than it says", "6455/4.2.2/8.1-2 6455/4.2.2/9.1-2", says=of_refusals(b"Length: ", b"Length: 9")
    ),
    Animal(
        "says more than it promises",
        "6455/4.2.2/8.1-2 6455/4.2.2/9.1-2",
        says=and_then(b"\x88\x02\x03\xea"),
    ),
    Animal(
        "takes for frames what follows a refusal",
        "6455/4.2.2/9.1-2",
        says=and_then(b"\x88\x02\x03\xea", only_if_more_came=True),
    ),
    Animal("loses what comes early", "6455/4.2.2/10", instead(rb"(\r\n\r\n).*\Z", rb"\1")),
    Animal("serves one at a time", "6455/4.2.2/11.7 6455/4.2.2/12", one_at_a_time=True),
    Animal(
        "never answers what is long",
        "6455/4.2.2/11.1-6",
        lambda asked: asked if len(asked) < 2_000 else b"",
    ),
]

# --- Extensions -----------------------------------------------------------------------------------------------------

ANSWER = rb"(Sec-WebSocket-Extensions: permessage-deflate)"
NOT_OFFERED = rb"\A(?s:(?!.*-Extensions:))"


def element(pattern: bytes) -> Reads:
    """Pass over the offers in which the pattern is found."""
    return instead(rb"permessage-deflate;[^,\r]*" + pattern + rb"[^,\r]*", b"x-passed-over")


LENIENT: dict[str, tuple[bytes, bytes]] = {
    "7692/7/1.1": (b"x_nobody", b"client_no_context_takeover"),
    "7692/7/1.2 7692/7/2.1": (b"server_max_window_bits=7", b"server_max_window_bits=8"),
    "7692/7/1.3": (b"server_max_window_bits=16", b"server_max_window_bits=15"),
    "7692/7/1.4": (b"server_max_window_bits=010", b"server_max_window_bits=10"),
    "7692/7/1.5": (rb"server_max_window_bits(?=\r)", b"server_max_window_bits=15"),
    "7692/7/1.6": (b"server_max_window_bits=abc", b"server_max_window_bits=15"),
    "7692/7/1.7": (b"client_max_window_bits=7", b"client_max_window_bits=8"),
    "7692/7/1.8": (b"client_max_window_bits=99", b"client_max_window_bits=15"),
    "7692/7/1.9": (b"takeover=1", b"takeover"),
    "7692/7/1.10": (rb"(server_max_window_bits=10); \1", rb"\1"),
}
"""What is taken for what, by the case that it breaks."""

NEGOTIATING = [
    *(
        Animal(f"takes {was.decode()} for {by.decode()}", cases, instead(was, by))
        for cases, (was, by) in LENIENT.items()
    ),
    Animal(
        "names an extension that it does not know",
        "6455/4.2.1/13.6 6455/9.1/1.*",
        says=of_101(
            rb"\r\n\r\n", b"\r\nSec-WebSocket-Extensions: x-nobody\r\n\r\n", rb"Extensions: (.*, )?x-nobody; a"
        ),
    ),
    Animal(
        "reads one field of extensions only",
        "6455/9.1/1.3",
        instead(rb"(Extensions: .*?\r\n)Sec-WebSocket-Extensions:.*?\r\n", rb"\1"),
    ),
    Animal(
        "reads the first extension only",
        "6455/9.1/1.4 7692/7/2.1",
        instead(rb"(Extensions: [^\r,]*)[^\r]*", rb"\1"),
    ),
    Animal(
        "compresses whether it was offered or not",
        "7692/5/1.2",
        when(NOT_OFFERED, having(EXTENSIONS, b"permessage-deflate")),
        of_101(rb"Sec-WebSocket-Extensions[^\n]*\n", b"", NOT_OFFERED),
    ),
    Animal(
        "refuses offers that are not valid",
        "7692/7/1.1-10 7692/7/2.1",
        refusing(
            rb"x_nobody|bits=(7|16|99|010|abc)\b|server_max_window_bits\r|takeover=1|(server_max_window_bits=10); \2"
        ),
    ),
    Animal(
        "knows no client_max_window_bits",
        "7692/7.1.2/2.2 7692/7.1.2/3.1-9 7692/7/1.7-8",
        refusing(rb"client_max_window_bits"),
    ),
    Animal("knows no window of 8 bits", "7692/7.1.2/1.1 7692/7.1.2/3.2", refusing(rb"bits=8\b")),
    Animal(
        "passes over server_no_context_takeover",
        "7692/7.1.1/1.1-2 7692/7/2.1",
        instead(rb"; server_no_context_takeover(?=[;,\r])", b""),
    ),
    Animal(
        "confirms server_no_context_takeover and takes over",
        "7692/7.1.1/1.1-2 7692/7/2.1-2",
        instead(rb"; server_no_context_takeover(?=[;,\r])", b""),
        of_101(ANSWER, rb"\1; server_no_context_takeover", rb"server_no_context_takeover[;,\r]"),
    ),
    Animal(
        "passes over server_max_window_bits",
        "7692/7.1.2/1.1-8 7692/7.1.2/6 7692/7/1.2-6 7692/7/1.10 7692/7/2.1",
        instead(rb"; server_max_window_bits[^;,\r]*", b""),
        of_101(rb"; server_max_window_bits=\d+", b""),
    ),
    Animal(
        "says 15 bits to any limit",
        "7692/7.1.2/1.1-7 7692/7.1.2/6",
        says=of_101(rb"server_max_window_bits=\d+", b"server_max_window_bits=15"),
    ),
    Animal(
        "limits clients that cannot be limited",
        "7692/5/1.1 7692/7/2.1-2 7692/7.1.1/* 7692/7.1.2/1.1-8 7692/7.1.2/2.1 7692/7.1.2/6",
        says=of_101(ANSWER, rb"\1; client_max_window_bits=15", rb"\A(?s:(?!.*client_max_window_bits))"),
    ),
    Animal(
        "grants clients more than they offer",
        "7692/7.1.2/3.2-8",
        says=of_101(rb"client_max_window_bits=\d+", b"client_max_window_bits=15"),
    ),
    Animal("knows no quotation marks", "7692/7.1.2/6", element(rb'"')),
    Animal("refuses quotation marks", "7692/7.1.2/6", refusing(rb'bits="')),
]

ANIMALS = [*READING, *SENDING, *NEGOTIATING]

# --- TLS ------------------------------------------------------------------------------------------------------------

SNIFFING = [
    Sniffing("speaks with TLS and without", "6455/4.2.2/13.2"),
    Sniffing("speaks only without TLS", "6455/4.2.2/13.1-2", {"process_request": lambda _: Response(400)}),
]
