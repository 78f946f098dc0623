"""A game for several players over WebSocket: small ships gather sparks in one arena; the server decides everything.

Read it in this order: `world` (what happens in one tick), `protocol` (the messages, byte by byte), `pace` (when a tick
is due, and how many messages are too many), `server`, `view` (what a client knows), `bot`, `load`, and `page.html`.
README.md says how it works.
"""
