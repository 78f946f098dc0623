"""The protocol with no I/O, no clock and no logging: what an embedder imports.

The modules in reading order: `rules`, `errors`, `settings`, `agreement`, `events` (words and values), `speedups`,
`masking`, `frames`, `headers`, `states`, `deflate`, `messages` (the wire), `connection`, `upgrade`, `http1` (the
machines).
"""
