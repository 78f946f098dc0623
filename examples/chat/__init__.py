"""A chat over WebSocket: rooms, history, who is here and who is typing; nothing is lost and nothing comes twice.

Read it in this order: `protocol` (what a member says), `history` (what a room remembers), `member` (what a client
remembers), `server`, `store` (where messages are kept), `redis_store` (the same for several machines), `client`, and
`page.html`.  README.md says how it works.
"""
