"""rawws: the WebSocket protocol from sockets up.

Programs begin with `rawws.aio` (asyncio) or `rawws.blocking`; both have `connect` and `serve`.  The names here are what
both share, and what frameworks embed: a connection from the first HTTP/1.1 byte on (`ServerConnection`,
`ClientConnection`), the opening handshake on headers alone (`UpgradeRequest`, `ClientUpgrade`), an open `Connection`,
and a `Session` that adds time.
"""

from rawws.backoff import Backoff
from rawws.core.agreement import Agreement
from rawws.core.connection import Connection, Wants
from rawws.core.deflate import Deflate
from rawws.core.errors import LocalProtocolError, NotOpen, ProtocolError, RemoteProtocolError
from rawws.core.events import Chunk, Closed, Ping, Pong
from rawws.core.frames import CloseCode
from rawws.core.http1 import ClientConnection, Connected, Rejected, Request, ServerConnection
from rawws.core.prepared import Prepared
from rawws.core.rules import Rule
from rawws.core.settings import Limits, Role
from rawws.core.states import State
from rawws.core.upgrade import SAME_ORIGIN, ClientUpgrade, UpgradeRequest
from rawws.endpoint import HandshakeRejected, Redirect, Response
from rawws.proxies import ProxyError
from rawws.session import ConnectionClosed, Patience, Session, Todo

__version__ = "0.1.0"

__all__ = [
    "SAME_ORIGIN",
    "Agreement",
    "Backoff",
    "Chunk",
    "ClientConnection",
    "ClientUpgrade",
    "CloseCode",
    "Closed",
    "Connected",
    "Connection",
    "ConnectionClosed",
    "Deflate",
    "HandshakeRejected",
    "Limits",
    "LocalProtocolError",
    "NotOpen",
    "Patience",
    "Ping",
    "Pong",
    "Prepared",
    "ProtocolError",
    "ProxyError",
    "Redirect",
    "Rejected",
    "RemoteProtocolError",
    "Request",
    "Response",
    "Role",
    "Rule",
    "ServerConnection",
    "Session",
    "State",
    "Todo",
    "UpgradeRequest",
    "Wants",
]
