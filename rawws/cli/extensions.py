"""What Sec-WebSocket-Extensions says, in a request and in an answer, parameter by parameter (RFC 7692 section 7.1)."""

from rawws.core.agreement import Extension
from rawws.core.deflate import NAME, Deflate
from rawws.core.headers import read_extensions
from rawws.records import printable

_OFFERED = {
    "server_no_context_takeover": "the server shall compress each message by itself, so that the client need not "
    "remember the ones before.",
    "client_no_context_takeover": "the client will compress each message by itself, whether the server asks for it or "
    "not.",
    "server_max_window_bits": "the server shall refer back {window} at most.",
    "client_max_window_bits": "the client will refer back {window} at most, and fewer if the server asks for it.",
}
_ANSWERED = {
    "server_no_context_takeover": "the server compresses each message by itself and forgets it.",
    "client_no_context_takeover": "the client compresses each message by itself and forgets it.",
    "server_max_window_bits": "the server refers back {window} at most.",
    "client_max_window_bits": "the client refers back {window} at most.",
}
_BARE = "the server may limit how far the client refers back."


def offered(value: bytes) -> str:
    """A request's, one line of text for each thing that it says."""
    lines = ["Extensions that the client is ready to use, the best first."]
    words = f"{NAME}: messages may be compressed with DEFLATE (RFC 7692)."
    for extension in _read(value):
        if extension.name != NAME:
            lines.append(f"{extension.name}: not known here.")
            continue
        lines.append(words)
        lines += _parameters(extension, _OFFERED, "a server declines this offer")
        words = f"{NAME}: another offer, if the one before is declined."
    return "\n".join(lines)


def answered(value: bytes) -> str:
    """An answer's."""
    lines = ["What is in use from here on."]
    for extension in _read(value):
        if extension.name != NAME:
            lines.append(f"{extension.name}: not known here.")
            continue
        lines.append(f"{NAME}: either side may compress a message, and marks that with RSV1 (RFC 7692).")
        lines += _parameters(extension, _ANSWERED, "a client hangs up")
    return "\n".join(lines)


def _read(value: bytes) -> tuple[Extension, ...]:
    try:
        return read_extensions(value)
    except ValueError:
        return ()


def _parameters(extension: Extension, words: dict[str, str], cost: str) -> list[str]:
    lines: list[str] = []
    seen: set[str] = set()
    for key, value in extension.parameters:
        shown = key if value is None else printable(f"{key}={value}".encode())
        wrong = f"{key} is there twice" if key in seen else _wrong(key, value, words)
        seen.add(key)
        if wrong:
            lines.append(f"{shown}: not valid, {wrong}; {cost}.")
        elif value is None and key.endswith("_bits"):
            lines.append(f"{shown}: {_BARE}")
        else:
            window = f"{1 << int(value):,} bytes (2^{value})" if value is not None else ""
            lines.append(f"{shown}: {words[key].format(window=window)}")
    return lines


def _wrong(key: str, value: str | None, words: dict[str, str]) -> str:
    """Why a parameter is not valid; "" if it is."""
    if words is _OFFERED and (key, value) == ("client_max_window_bits", None):
        return ""
    try:
        Deflate().check(Extension(NAME, ((key, value),)))
    except ValueError as error:
        return str(error)
    return ""
