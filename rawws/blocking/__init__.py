"""The blocking transport: `connect`, `reconnect`, `serve`, and the `WebSocket` that an application holds.

with connect("ws://localhost:8765") as ws:
    ws.send("hi")
    print(ws.recv())

def handler(ws):
    for message in ws:
        ws.send(message)

with serve(handler, "localhost", 8765) as server:
    server.serve_forever()
"""

from rawws.blocking.client import connect, reconnect
from rawws.blocking.many import broadcast
from rawws.blocking.server import Server, serve
from rawws.blocking.websocket import WebSocket
from rawws.blocking.wire import PongWaiter

__all__ = ["PongWaiter", "Server", "WebSocket", "broadcast", "connect", "reconnect", "serve"]
