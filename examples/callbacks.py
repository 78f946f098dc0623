"""A client with callbacks, as programs for websocket-client are written; only the import is another.

rawws serve &
python examples/callbacks.py ws://localhost:8765
"""

import sys
import threading

from rawws.compat import websocket


def on_open(ws):
    def run():
        for number in range(3):
            ws.send(f"Hello {number}")

    threading.Thread(target=run).start()


def on_message(ws, message):
    print(message)
    if message == "Hello 2":
        ws.close()


def on_error(ws, error):
    print("error:", error)


def on_close(ws, code, reason):
    print("### closed ###", code, reason)


ws = websocket.WebSocketApp(sys.argv[1], on_message=on_message, on_error=on_error, on_close=on_close)
ws.on_open = on_open
ws.run_forever()
