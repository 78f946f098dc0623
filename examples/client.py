import sys

from rawws.blocking import connect

with connect(sys.argv[1]) as ws:
    ws.send("hello")
    print(ws.recv())
    ws.send([b"one message, ", b"two fragments"])
    print(ws.recv(timeout=5))
    print(f"{ws.ping().wait() * 1000:.1f} ms there and back")
