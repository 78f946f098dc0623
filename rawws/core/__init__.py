"""The protocol with no I/O, no clock and no logging: what an embedder imports.

The modules in reading order: `rules`, `errors`, `settings`, `agreement`, `events` (words and values), `speedups`,
`masking`, `frames`, `states`, `messages`, `prepared`, then `streams`, `deflate` (the wire), `outgoing`, `incoming`,
`connection` (an open one), `headers`, `asking`, `upgrade`, `heads`, `opening`, `http1` (how it opens).
"""
