"""Clients that are wrong in one thing about the opening handshake, and right in everything else.

Each names the cases that have to catch it, all of them and no others; ids with `*`, or with 1-3 for a run of numbers.
"""

import os

from tests.conformance.zoo.mishearing import ACCEPT, Animal, having, instead, proper, refusing, saying, when

EXTENSIONS, PROTOCOL = b"Sec-WebSocket-Extensions", b"Sec-WebSocket-Protocol"

# --- What it asks ---------------------------------------------------------------------------------------------------

ASKING = [
    Animal("asks with POST", "6455/4.1/1", saying(b"GET", b"POST")),
    Animal("asks in HTTP/1.0", "6455/4.1/1", saying(rb"HTTP/1\.1", b"HTTP/1.0")),
    Animal("asks for its favourite page", "6455/4.1/2.1", saying(b"GET / ", b"GET /index.html ")),
    Animal("leaves out the query", "6455/4.1/2.2-3", saying(rb"\?\S*", b"")),
    Animal("decodes the path", "6455/4.1/2.3", saying(b"%20", b"_")),
    Animal("asks for no path at all", "6455/4.1/2.2", saying(rb"GET /\?", b"GET ?")),
    Animal("says no port", "6455/4.1/3.1-3", saying(rb"(Host: .*?):\d+\r", rb"\1\r")),
    Animal("says no brackets", "6455/4.1/3.3", saying(rb"\[::1\]", b"::1")),
    Animal("says two Hosts", "6455/4.1/3.1-3", saying(rb"(Host: [^\n]*\n)", rb"\1\1")),
    Animal("says no Upgrade", "6455/4.1/4.1", saying(rb"Upgrade: websocket\r\n", b"")),
    Animal("says no Connection", "6455/4.1/4.2", saying(rb"Connection: Upgrade\r\n", b"")),
    Animal(
        "has a key of 15 octets",
        "6455/4.1/5.1",
        options={"random": lambda size: os.urandom(min(size, 15))},
    ),
    Animal("says the key twice", "6455/4.1/5.1", saying(rb"(Sec-WebSocket-Key[^\n]*\n)", rb"\1\1")),
    Animal("says version 8", "6455/4.1/5.2", saying(b"Version: 13", b"Version: 8")),
    Animal("says the version twice", "6455/4.1/5.2", saying(rb"(Sec-WebSocket-Version[^\n]*\n)", rb"\1\1")),
    Animal("has one key", "6455/4.1/6", options={"random": lambda size: bytes(size)}),
    Animal("offers a subprotocol twice", "6455/4.1/7.1", saying(b"chat, superchat", b"chat, chat")),
    Animal("offers no token", "6455/4.1/7.1", saying(b"chat, superchat", b"chat, super chat")),
    # Where an answer has to choose among the offers, one that cannot be read is one more failure.
    Animal(
        "offers extensions in no grammar",
        "6455/4.1/7.2 7692/7.1.1/2 7692/7.1.2/5.*",
        saying(b"(permessage-deflate)", rb"x-a; ;, \1"),
    ),
    Animal("speaks of a body", "6455/4.1/9", saying(b"\r\n\r\n", b"\r\nContent-Length: 0\r\n\r\n")),
]

# --- What it makes of the answer ------------------------------------------------------------------------------------

HEARING = [
    Animal(
        "looks at nothing",
        "6455/4.1/20 6455/4.1/21.* 6455/4.1/22 6455/4.1/23.* 6455/4.1/24.* 6455/4.1/25.* 6455/4.1/26.2-6 "
        "6455/4.1/27.1-3 6455/4.1/27.5 6455/4.1/32.1-2 6455/4.1/34.2-4 7692/7/3.* "
        "7692/7.1.1/2 7692/7.1.2/4.* 7692/7.1.2/5.*",
        hears=proper,
    ),
    Animal("takes any status", "6455/4.1/20", hears=instead(rb"\AHTTP/1.1 \d+ ", b"HTTP/1.1 101 ")),
    Animal("takes HTTP/1.0", "6455/4.1/22", hears=instead(rb"\AHTTP/1.0", b"HTTP/1.1")),
    Animal("looks at no Upgrade", "6455/4.1/23.1-3", hears=having(b"Upgrade", b"websocket")),
    Animal("takes any Upgrade", "6455/4.1/23.2", hears=instead(b"Upgrade: h2c", b"Upgrade: websocket")),
    Animal("takes an empty Upgrade", "6455/4.1/23.3", hears=instead(b"Upgrade: \r", b"Upgrade: websocket\r")),
    Animal("looks at no Connection", "6455/4.1/24.1-3", hears=having(b"Connection", b"Upgrade")),
    Animal("looks how Connection begins", "6455/4.1/24.3", hears=instead(b"upgraded", b"upgrade")),
    Animal("looks at no Accept", "6455/4.1/25.1-8 6455/4.1/34.4", hears=having(b"Sec-WebSocket-Accept", ACCEPT)),
    Animal(
        "needs no Accept",
        "6455/4.1/25.1",
        hears=when(rb"\A(?!.*-Accept)HTTP/1.1 101", having(b"Sec-WebSocket-Accept", ACCEPT)),
    ),
    Animal(
        "takes an empty Accept",
        "6455/4.1/25.2",
        hears=when(rb"Accept: \r", having(b"Sec-WebSocket-Accept", ACCEPT)),
    ),
    Animal(
        "takes the first of two Accepts",
        "6455/4.1/25.7",
        hears=instead(rb"(?s)(Accept: [^\n]*\n)Sec-WebSocket-Accept[^\n]*\n", rb"\1"),
    ),
    Animal("reads as much of Accept as it needs", "6455/4.1/25.8", hears=instead(rb"(Accept: \S{28})AAAA", rb"\1")),
    Animal("ends a value at NUL", "6455/4.1/34.4", hears=instead(rb"\x00[^\r]*", b"")),
    Animal("looks at no subprotocol", "6455/4.1/26.2-6", hears=having(PROTOCOL)),
    Animal(
        "looks at no subprotocol, and offers none",
        "6455/4.1/26.1 6455/4.1/26.4-6",
        hears=having(PROTOCOL),
        options={"subprotocols": []},
    ),
    Animal("knows subprotocols in any case", "6455/4.1/26.3", hears=instead(b"CHAT", b"chat")),
    Animal("takes the first of two subprotocols", "6455/4.1/26.4", hears=instead(b"chat, superchat", b"chat")),
    Animal(
        "takes the last of two fields with a subprotocol",
        "6455/4.1/26.5",
        hears=instead(rb"(?s)Sec-WebSocket-Protocol: chat\r\n(Sec-WebSocket-Protocol)", rb"\1"),
    ),
    Animal("takes an empty subprotocol for none", "6455/4.1/26.6", hears=instead(rb"Sec-[^\n]*Protocol: \r\n", b"")),
    Animal(
        "looks at no extension, and offers none",
        "6455/4.1/27.*",
        hears=having(EXTENSIONS),
        options={"compression": None},
    ),
    Animal(
        "passes over extensions that it does not know",
        "6455/4.1/27.1-2",
        hears=instead(rb"Sec-WebSocket-Extensions: x-nobody\r\n", b""),
    ),
    Animal(
        "looks at one field of extensions",
        "6455/4.1/27.2",
        hears=instead(rb"(Extensions: perm[^\n]*\n)Sec-WebSocket-Extensions[^\n]*\n", rb"\1"),
    ),
    Animal(
        "passes over what it cannot read",
        "6455/4.1/27.3",
        hears=instead(rb"-Extensions: [^\r]*(;;|; =x|\"b|: ,)\r", b"-Nothing: \r"),
    ),
    Animal("takes any deflate", "6455/4.1/27.5", hears=instead(rb"Sec[^\n]*x-webkit-deflate-frame\r\n", b"")),
    Animal("knows names in one case only", "6455/4.1/28.1", hears=refusing(b"upgrade: websocket")),
    Animal("knows values in one case only", "6455/4.1/28.2", hears=refusing(b"Upgrade: WebSocket")),
    Animal("wants Connection to be one word", "6455/4.1/28.3", hears=refusing(b"keep-alive, Upgrade")),
    Animal("takes the first of two Connections", "6455/4.1/28.4", hears=refusing(b"keep-alive\r.*Connection")),
    Animal("wants a reason", "6455/4.1/28.5", hears=refusing(rb"101 \r")),
    Animal("keeps blanks", "6455/4.1/28.6", hears=refusing(rb"Accept: +\t")),
    Animal("takes no cookies", "6455/4.1/28.7", hears=refusing(b"Set-Cookie")),
    Animal("reads once", "6455/4.1/30.1-2", reads_once=True),
    Animal("reads folded lines as fields", "6455/4.1/34.2", hears=instead(rb"\r\n ", b"\r\n")),
    Animal("puts up with a blank before the colon", "6455/4.1/34.3", hears=instead(rb" :", b":")),
]

# --- Answers without end --------------------------------------------------------------------------------------------

WAITING = [
    Animal("stays when TCP has ended", "6455/4.1/33.1-2", freezes=lambda answer, _: b"<end>" in answer),
    Animal("chokes on long heads", "6455/4.1/33.3-4", freezes=lambda answer, _: len(answer) > 60_000),
    Animal("says something at 100", "6455/4.1/33.5", greets=b" 100 Continue\r\n\r\nHTTP/1.1 100"),
    Animal("speaks with anybody", "6455/4.1/33.6", greets=b"220 "),
    Animal("loses its patience, and its place", "6455/4.1/33.7", freezes=lambda _, seconds: seconds > 2),
    Animal(
        "chokes on bare line feeds",
        "6455/4.1/34.1",
        freezes=lambda answer, _: b"101 Switching Protocols\n" in answer,
    ),
]

# --- Extensions -----------------------------------------------------------------------------------------------------


def mending(terms: bytes, by: bytes) -> dict[str, object]:
    return {"hears": instead(rb"(Extensions: permessage-deflate[^\r]*)" + terms + rb"\r", rb"\1" + by + rb"\r")}


EXTENDING = [
    Animal(
        "thinks that deflate is always accepted",
        "6455/9.1/2.2",
        hears=when(
            rb"\A(?!.*Extensions)HTTP/1.1 101",
            instead(rb"\r\n\Z", b"\r\nSec-WebSocket-Extensions: permessage-deflate\r\n"),
        ),
    ),
    Animal(
        "overlooks RSV1",
        "6455/9.1/2.1",
        frames=lambda data: bytes([data[0] & 0xBF]) + data[1:] if data[:1] == b"\xc1" and data[1] == 5 else data,
    ),
    Animal("passes over parameters", "7692/7/3.1", **mending(b"; x_nobody", b"")),
    Animal("takes small windows", "7692/7/3.2 7692/7/3.6", **mending(b"=7", b"=8")),
    Animal("takes large windows", "7692/7/3.3 7692/7/3.7", **mending(b"=16", b"=15")),
    Animal("reads numbers with leading zeros", "7692/7/3.4", **mending(b"=010", b"=10")),
    Animal("needs no value for the server's window", "7692/7/3.5", **mending(b"; server_max_window_bits", b"")),
    Animal("needs no value for its own window", "7692/7/3.8", **mending(b"; client_max_window_bits", b"")),
    Animal("takes a value where none belongs", "7692/7/3.9", **mending(b"takeover=1", b"takeover")),
    Animal("takes the last of two", "7692/7/3.10", **mending(b"(; server_max_window_bits=10){2}", b"")),
    Animal("takes an extension twice", "7692/7/3.11", **mending(b", permessage-deflate", b"")),
    Animal("takes over its context", "7692/7.1.1/2", **mending(b"; client_no_context_takeover", b"")),
    Animal(
        "wants the window that it likes", "7692/7.1.2/5.*", hears=refusing(rb"server_max_window_bits=([89]|1[0-5])\r")
    ),
]

ANIMALS = ASKING + HEARING + WAITING + EXTENDING
