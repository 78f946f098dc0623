"""Every target by its name: a function that takes any bytes and raises if something does not hold."""

from collections.abc import Callable

from fuzz import connections, deflate, differential, opening, sessions, taps, twins, uris

TARGETS: dict[str, Callable[[bytes], None]] = {
    "server": connections.server,
    "client": connections.client,
    "open": connections.opened,
    "grammar": opening.grammar,
    "upgrade": opening.upgrade,
    "session": sessions.session,
    "uri": uris.uri,
    "tap": taps.tap,
    "negotiation": deflate.negotiation,
    "inflate": deflate.inflate,
    "twins": twins.twins,
    "differential": differential.differential,
}
