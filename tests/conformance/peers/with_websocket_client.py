"""websocket-client, with its WebSocketApp, which its documentation has for connections that last."""

import websocket


def _on_message(app: websocket.WebSocketApp, message: str | bytes) -> None:
    if isinstance(message, str):
        app.send_text(message)
    else:
        app.send_bytes(message)


def connect(url: str) -> None:
    """Echo what comes from a server."""
    websocket.WebSocketApp(url, on_message=_on_message).run_forever()
