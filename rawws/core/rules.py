"""What RFC 6455, and RFC 7692 besides, ask of an endpoint, as far as rawws enforces it: one requirement, one row.

A row is the only place where a requirement is written down.  From it come the text of an exception, the code in a Close
frame, the HTTP status of a refusal, the remark of `rawws explain`, and the page of rules in the docs.  Names are ids: they
are never renamed.

The rows stand in the order in which a connection meets them: the opening handshake as the server reads it and as the
client reads the answer (section 4), frames and their payload (5 and 8), closing (7), and what this endpoint does not
permit itself or cannot wait for.
"""

from enum import Enum
from typing import NamedTuple


class Duty(Enum):
    """Whom a requirement binds."""

    SENDER = "sender"
    """The peer must not send it.  A receiver that lets it pass is lenient, not broken."""
    RECEIVER = "receiver"
    """The receiver has to act on it, whatever the sender was allowed to do."""


class Rule(NamedTuple):
    """One requirement."""

    name: str
    """The id, in errors, test cases and docs."""
    section: str
    """Of RFC 6455, or of another RFC as "8441/4"."""
    code: int
    """The close code that a breach gets, or the HTTP status in a request.  1006 where nothing can be sent any more: a
    client that is not satisfied with the server's answer drops the TCP connection."""
    text: str
    """The requirement in one sentence, without a full stop."""
    duty: Duty

    def __reduce__(self) -> str:
        """A rule is copied and pickled as the one row that it is, so that `is` still holds."""
        return self.name.upper().replace("-", "_")


S, R = Duty.SENDER, Duty.RECEIVER

# fmt: off
# The opening handshake: the request, as the server reads it.
HTTP_MALFORMED = Rule("http-malformed", "4.2.1", 400, "an opening handshake is a well-formed HTTP request", S)
HEADERS_TOO_LARGE = Rule("headers-too-large", "10.4", 431, "the header block stays within the limits of the server", R)
HTTP_VERSION = Rule("http-version", "4.2.1", 505, "the request is HTTP/1.1 or higher", S)
METHOD = Rule("method", "4.2.1", 405, "the method is GET, or CONNECT on HTTP/2 and 3", S)
TARGET = Rule("target", "4.2.1", 400, "the target is a path with an optional query, or an absolute URI, with no fragment", S)
HOST = Rule("host", "4.2.1", 400, "exactly one valid Host header names the server", S)
UPGRADE_MISSING = Rule("upgrade-missing", "4.2.1", 426, "the Upgrade header contains the token websocket", S)
CONNECTION_MISSING = Rule("connection-missing", "4.2.1", 400, "the Connection header contains the token Upgrade", S)
KEY_MISSING = Rule("key-missing", "4.2.1", 400, "a Sec-WebSocket-Key header is there", S)
KEY_REPEATED = Rule("key-repeated", "11.3.1", 400, "Sec-WebSocket-Key appears once", S)
KEY_INVALID = Rule("key-invalid", "4.2.1", 400, "Sec-WebSocket-Key is the base64 of 16 bytes", S)
VERSION_REPEATED = Rule("version-repeated", "11.3.5", 400, "Sec-WebSocket-Version appears once in a request", S)
VERSION = Rule("version", "4.4", 426, "Sec-WebSocket-Version is 13", S)
SUBPROTOCOLS_INVALID = Rule("subprotocols-invalid", "4.1", 400, "the subprotocols offered are unique tokens", S)
EXTENSIONS_INVALID = Rule("extensions-invalid", "9.1", 400, "Sec-WebSocket-Extensions follows its grammar", S)
BODY_IN_REQUEST = Rule("body-in-request", "4.2.1", 400, "an opening handshake carries no body", S)
ORIGIN = Rule("origin", "10.2", 403, "the Origin is one that this server accepts", R)
CONNECT_PROTOCOL = Rule("connect-protocol", "8441/4", 501, "the :protocol of an extended CONNECT is websocket", S)
EARLY_DATA = Rule("early-data", "4.1", 400, "a client sends little or nothing before the handshake is answered", S)
OPENING_TIMEOUT = Rule("opening-timeout", "4.1", 408, "the opening handshake is done in time", R)

# The opening handshake: the answer, as the client reads it.
RESPONSE_MALFORMED = Rule("response-malformed", "4.1", 1006, "the answer is well-formed HTTP", S)
RESPONSE_TOO_LARGE = Rule("response-too-large", "10.4", 1006, "the answer stays within the limits of the client", R)
RESPONSE_VERSION = Rule("response-version", "4.1", 1006, "the answer is HTTP/1.1 or higher", S)
RESPONSE_STATUS = Rule("response-status", "4.1", 1006, "the status of the answer is 101, or 2xx on HTTP/2 and 3", S)
RESPONSE_UPGRADE = Rule("response-upgrade", "4.1", 1006, "the Upgrade header of the answer is websocket", S)
RESPONSE_CONNECTION = Rule("response-connection", "4.1", 1006, "the Connection header of the answer contains Upgrade", S)
ACCEPT_MISSING = Rule("accept-missing", "4.1", 1006, "the answer carries Sec-WebSocket-Accept", S)
ACCEPT_REPEATED = Rule("accept-repeated", "11.3.3", 1006, "Sec-WebSocket-Accept appears once", S)
ACCEPT_WRONG = Rule("accept-wrong", "4.1", 1006, "Sec-WebSocket-Accept proves that the server read our key", S)
EXTENSION_UNOFFERED = Rule("extension-unoffered", "4.1", 1006, "the server uses no extension that was not offered", S)
RESPONSE_EXTENSIONS = Rule("response-extensions", "9.1", 1006, "the extensions in the answer follow their grammar", S)
COMPRESSION_TERMS = Rule("compression-terms", "7692/7", 1006, "an accepted compression has parameters that are known, valid and there once", S)
SUBPROTOCOL_REPEATED = Rule("subprotocol-repeated", "11.3.4", 1006, "the answer names one subprotocol at most", S)
SUBPROTOCOL_UNOFFERED = Rule("subprotocol-unoffered", "4.1", 1006, "the subprotocol is one of those that were offered", S)

# Frames.
MASK_MISSING = Rule("mask-missing", "5.1", 1002, "a client masks every frame", S)
MASK_UNEXPECTED = Rule("mask-unexpected", "5.1", 1002, "a server masks no frame", S)
COMPRESSED_BIT = Rule("compressed-bit", "7692/6.1", 1002, "RSV1 marks a compressed message, in its first frame and nowhere else", S)
RESERVED_BITS = Rule("reserved-bits", "5.2", 1002, "a reserved bit is 0 unless an extension gives it a meaning", S)
OPCODE_RESERVED = Rule("opcode-reserved", "5.2", 1002, "the opcodes 3 to 7 and 11 to 15 mean nothing yet", S)
LENGTH_NOT_SHORTEST = Rule("length-not-shortest", "5.2", 1002, "a length is written in the shortest of the three forms", S)
LENGTH_TOP_BIT = Rule("length-top-bit", "5.2", 1002, "the top bit of a 64-bit length is 0", S)
CONTROL_FRAGMENTED = Rule("control-fragmented", "5.5", 1002, "a control frame is never fragmented", S)
CONTROL_TOO_LONG = Rule("control-too-long", "5.5", 1002, "the payload of a control frame is 125 bytes at most", S)

# Which frame may follow which.
NOTHING_TO_CONTINUE = Rule("nothing-to-continue", "5.4", 1002, "a continuation frame needs a message to continue", S)
MESSAGE_UNFINISHED = Rule("message-unfinished", "5.4", 1002, "a message is finished before the next one begins", S)
FRAME_AFTER_CLOSE = Rule("frame-after-close", "5.5.1", 1002, "a Close frame is the last frame", S)
FRAME_AFTER_EOF = Rule("frame-after-eof", "7.1.4", 1006, "nothing is sent when the TCP connection has ended", S)

# Messages.
COMPRESSED_DATA = Rule("compressed-data", "7692/7.2.2", 1007, "what is marked as compressed can be decompressed", S)
TEXT_NOT_UTF8 = Rule("text-not-utf8", "8.1", 1007, "a text message is UTF-8", S)
MESSAGE_TOO_BIG = Rule("message-too-big", "10.4", 1009, "a message stays within the limit of its receiver", R)
FRAME_TOO_BIG = Rule("frame-too-big", "10.4", 1009, "a frame stays within the limit of its receiver", R)
TOO_MANY_FRAGMENTS = Rule("too-many-fragments", "10.4", 1009, "a message has no more fragments than its size limit warrants", R)
TOO_MANY_FINAL_BLOCKS = Rule("too-many-final-blocks", "10.4", 1009, "a compressed message does not begin its data anew without end", R)

# Closing.
CLOSE_TOO_SHORT = Rule("close-too-short", "5.5.1", 1002, "the body of a Close frame is empty or begins with a 2-byte code", S)
CLOSE_CODE = Rule("close-code", "7.4", 1002, "a close code is registered for the wire, or from 3000 to 4999", S)
CLOSE_CODE_OF_CLIENTS = Rule("close-code-of-clients", "7.4.1", 1002, "1010 is for clients: a server can refuse the handshake", S)
CLOSE_REASON_NOT_UTF8 = Rule("close-reason-not-utf8", "5.5.1", 1007, "the reason in a Close frame is UTF-8", S)
CLOSE_REASON_ALONE = Rule("close-reason-alone", "5.5.1", 1002, "a reason needs a code in front of it", S)

# What this endpoint asks of itself and of its patience.
NOT_YET_OPEN = Rule("not-yet-open", "4.1", 1006, "no frame is sent before the opening handshake is done", S)
HANDSHAKE_ORDER = Rule("handshake-order", "4.2.2", 1006, "a handshake is read, then answered, and its head before its body", S)
HANDSHAKE_ANSWERED = Rule("handshake-answered", "4.2.2", 1006, "a handshake is answered once", S)
HEADER_INVALID = Rule("header-invalid", "4.1", 1006, "a header that we send follows the grammar of HTTP", S)
KEEPALIVE_TIMEOUT = Rule("keepalive-timeout", "7.2.1", 1011, "a peer that is alive answers a Ping in time", R)
WRITE_TIMEOUT = Rule("write-timeout", "10.4", 1006, "a peer that is alive reads what it is sent", R)
CLOSING_TIMEOUT = Rule("closing-timeout", "7.1.1", 1006, "the closing handshake is done in time", R)

# fmt: on

RULES: dict[str, Rule] = {row.name: row for row in list(globals().values()) if isinstance(row, Rule)}
"""Every rule by its name, in the order of this page."""
