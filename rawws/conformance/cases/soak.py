"""RFC 7692 without a section: many compressed messages, in every size, in every kind, and on all terms.

Autobahn sends a thousand in each case, here it is as many as are declared (`--soak`), 16 otherwise.  What the target
compresses is read bit by bit up to a point (`inflating.Judge`): it may look back no farther than was agreed on.
"""

from collections.abc import Sequence

from rawws.conformance.case import MUST, Entry, Opening, Tier, family
from rawws.conformance.corpora import CORPORA, messages
from rawws.conformance.heard import Binary, Text
from rawws.conformance.peer import Peer
from rawws.conformance.speech import agree_on, compressed, room_for
from rawws.conformance.verdict import Wrong
from rawws.conformance.wire import BINARY, TEXT, cut
from rawws.core import rules
from rawws.core.deflate import NAME

_WHOLE = [16, 64, 256, 1024, 4096, 8192, 16384, 32768, 65536, 131072]
_SHAPES = [(size, 0) for size in _WHOLE]
_SHAPES += [(size, 256) for size in _WHOLE[5:]] + [(131072, size) for size in (1024, 4096, 32768)]
"""The size of a message, and of its fragments as they are compressed; 0: it is in one."""


def _shape(size: int, fragment: int) -> str:
    return f"{size:,} bytes" + (f" in fragments of {fragment:,}" if fragment else "")


def _rows(kinds: Sequence[str]) -> dict[str, Entry]:
    return {f"{kind}, {_shape(*shape)}": (kind, *shape) for kind in kinds for shape in _SHAPES}


def _names(titles: dict[str, Entry], group: int) -> dict[str, list[str]]:
    """The counterparts: Autobahn counts the kinds, and within each the shapes."""
    per = len(_SHAPES)
    return {title: [f"{group}.{place // per + 1}.{place % per + 1}"] for place, title in enumerate(titles)}


_KINDS = _rows(list(CORPORA))


@family(
    "7692/soak/1",
    MUST,
    rules.COMPRESSED_DATA,
    _KINDS,
    tier=Tier.SOAK,
    offer=NAME,
    autobahn=_names(_KINDS, 12),
)
async def kinds(peer: Peer, corpus: str, size: int, fragment: int) -> None:
    """Whatever is compressed, and in whatever pieces it comes, it comes back as it was."""
    await _come_back(peer, corpus, size, fragment)


# What is asked is asked of the target, about its own messages; what is behind a comma is for when the rest is declined.
_TERMS = {
    "no conditions": ("",),
    "no takeover": ("; {0}_no_context_takeover",),
    "9 bits": ("; {0}_max_window_bits=9",),
    "15 bits": ("; {0}_max_window_bits=15",),
    "no takeover and 9 bits": ("; {0}_no_context_takeover; {0}_max_window_bits=9",),
    "no takeover and 15 bits": ("; {0}_no_context_takeover; {0}_max_window_bits=15",),
    "one of three": ("; {0}_no_context_takeover; {0}_max_window_bits=9", "; {0}_no_context_takeover", ""),
}
_PARAMETERS = _rows(list(_TERMS))


@family(
    "7692/soak/2",
    MUST,
    rules.COMPRESSED_DATA,
    _PARAMETERS,
    tier=Tier.SOAK,
    opening=Opening.RAW,
    autobahn=_names(_PARAMETERS, 13),
)
async def terms(peer: Peer, name: str, size: int, fragment: int) -> None:
    """The terms that were agreed on are kept to, message after message."""
    await agree_on(peer, *(parameters.format(peer.target.value) for parameters in _TERMS[name]))
    await _come_back(peer, "JSON", size, fragment)


async def _come_back(peer: Peer, corpus: str, size: int, fragment: int) -> None:
    """As many messages as are declared, each said when the one before it has come back."""
    room_for(peer, size)
    assert peer.terms is not None
    deflater = peer.terms.compressor(peer.role)
    is_text = CORPORA[corpus][1]
    for number, data in zip(range(peer.declared.soak), messages(corpus, peer.random, size)):
        payload = deflater.compress(data, True)
        parts = cut(payload, fragment) if fragment else [payload]
        await peer.write(b"".join(compressed(peer, *parts, opcode=TEXT if is_text else BINARY)), peer.patience.large)
        heard = await peer.hear(peer.patience.large)
        if heard != (Text(data.decode()) if is_text else Binary(data)):
            raise Wrong(f"the echo of message {number + 1}, of {len(data):,} bytes", str(heard))
