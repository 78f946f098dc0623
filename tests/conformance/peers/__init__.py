"""Other WebSocket libraries as targets: each an echo as its own documentation writes one, with its own defaults.

    python -m tests.conformance.peers                                     # all that are installed, twice
    python -m tests.conformance.peers aiohttp ws --role server --out DIR
    python -m tests.conformance.peers.publish DIR docs/conformance        # pages of what was found

No limit is raised and no option set, compression is as it comes, so that what is found is what their users have.  In
this order: `table` (who they are), `with_*` (the echoes), `play` (one of them as a process), `playing` (such processes
as targets), `__main__` (ask them everything), `findings`, `sent`, `pages` and `publish` (tell of it).
"""
