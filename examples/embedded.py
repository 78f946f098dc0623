import socket

from rawws import Request, ServerConnection, Wants


def echo(sock: socket.socket) -> None:
    connection = ServerConnection()
    while connection.wants is Wants.DATA and (data := sock.recv(65536)):
        connection.receive_data(data)
        for event in connection.events():
            match event:
                case Request():
                    connection.accept()  # or reject(404)
                case str():
                    connection.send_text(event)
                case bytes():
                    connection.send_binary(event)
        sock.sendall(connection.data_to_send())
    sock.close()


with socket.create_server(("localhost", 8765)) as listening:
    while True:
        echo(listening.accept()[0])
