"""Faces that programs written for other libraries know, on top of rawws.

from rawws.compat import websocket      # the callback client: WebSocketApp, create_connection
"""
