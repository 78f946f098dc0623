"""rawws: the WebSocket protocol from sockets up."""

__version__ = "0.1.0"
