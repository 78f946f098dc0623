"""The callback client: programs written for websocket-client run with one line changed.

    from rawws.compat import websocket

    def on_message(ws, message):
        print(message)

    ws = websocket.WebSocketApp("ws://localhost:8765", on_message=on_message)
    ws.run_forever()

What is the same, what is better and what is left out stands in docs/compat.md.
"""

from rawws.compat.websocket.app import WebSocketApp
from rawws.compat.websocket.client import WebSocket, create_connection
from rawws.compat.websocket.exceptions import (
    LeftOut,
    WebSocketAddressException,
    WebSocketBadStatusException,
    WebSocketConnectionClosedException,
    WebSocketException,
    WebSocketPayloadException,
    WebSocketProtocolException,
    WebSocketProxyException,
    WebSocketTimeoutException,
)
from rawws.compat.websocket.frames import (
    ABNF,
    STATUS_ABNORMAL_CLOSED,
    STATUS_BAD_GATEWAY,
    STATUS_GOING_AWAY,
    STATUS_INVALID_EXTENSION,
    STATUS_INVALID_PAYLOAD,
    STATUS_MESSAGE_TOO_BIG,
    STATUS_NORMAL,
    STATUS_POLICY_VIOLATION,
    STATUS_PROTOCOL_ERROR,
    STATUS_SERVICE_RESTART,
    STATUS_STATUS_NOT_AVAILABLE,
    STATUS_TLS_HANDSHAKE_ERROR,
    STATUS_TRY_AGAIN_LATER,
    STATUS_UNEXPECTED_CONDITION,
    STATUS_UNSUPPORTED_DATA_TYPE,
)
from rawws.compat.websocket.options import getdefaulttimeout, setdefaulttimeout
from rawws.compat.websocket.reconnecting import set_reconnect
from rawws.compat.websocket.trace import enableTrace, isEnabledForDebug, isEnabledForError, isEnabledForTrace

__all__ = [
    "ABNF",
    "STATUS_ABNORMAL_CLOSED",
    "STATUS_BAD_GATEWAY",
    "STATUS_GOING_AWAY",
    "STATUS_INVALID_EXTENSION",
    "STATUS_INVALID_PAYLOAD",
    "STATUS_MESSAGE_TOO_BIG",
    "STATUS_NORMAL",
    "STATUS_POLICY_VIOLATION",
    "STATUS_PROTOCOL_ERROR",
    "STATUS_SERVICE_RESTART",
    "STATUS_STATUS_NOT_AVAILABLE",
    "STATUS_TLS_HANDSHAKE_ERROR",
    "STATUS_TRY_AGAIN_LATER",
    "STATUS_UNEXPECTED_CONDITION",
    "STATUS_UNSUPPORTED_DATA_TYPE",
    "LeftOut",
    "WebSocket",
    "WebSocketAddressException",
    "WebSocketApp",
    "WebSocketBadStatusException",
    "WebSocketConnectionClosedException",
    "WebSocketException",
    "WebSocketPayloadException",
    "WebSocketProtocolException",
    "WebSocketProxyException",
    "WebSocketTimeoutException",
    "create_connection",
    "enableTrace",
    "getdefaulttimeout",
    "isEnabledForDebug",
    "isEnabledForError",
    "isEnabledForTrace",
    "set_reconnect",
    "setdefaulttimeout",
]
