"""The echo of embedded.py with everything that time brings: keepalive, timeouts, backpressure, and who hangs up when.

The socket is the embedder's; the session says what to do with it.  Run it, and talk to it with `rawws ws://localhost:8765`.
"""

import contextlib
import socket
from time import monotonic

from rawws import ConnectionClosed, ServerConnection, Session


def serve(sock: socket.socket) -> None:
    connection = ServerConnection()
    session = Session(connection, monotonic())
    while not (todo := session.todo()).drop:
        sock.sendall(todo.send)
        if todo.hang_up:
            sock.shutdown(socket.SHUT_WR)
        sock.settimeout(None if todo.wake_at is None else max(0.001, todo.wake_at - monotonic()))
        try:
            data = sock.recv(65536)
        except TimeoutError:
            session.wake(monotonic())
            continue
        if not data:
            break
        session.receive_data(data, monotonic())
        answer(session, connection)


def answer(session: Session, connection: ServerConnection) -> None:
    while session.opening:
        session.opening.pop(0)
        connection.accept()
        session.proceed(monotonic())
    with contextlib.suppress(ConnectionClosed):
        while (message := session.next_message(monotonic())) is not None:
            if isinstance(message, str):
                connection.send_text(message)
            else:
                connection.send_binary(message)


if __name__ == "__main__":
    with socket.create_server(("localhost", 8765)) as listening:
        while True:
            accepted, _ = listening.accept()
            with accepted, contextlib.suppress(OSError):
                serve(accepted)
