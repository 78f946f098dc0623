"""Masking alone: `python -m bench.contenders.masks NAME` is a worker that times what each library masks with."""

import sys
from collections.abc import Callable, Mapping

from bench.contenders.echo import PURE, no_c
from bench.contenders.timing import Batch
from bench.harness import worker
from bench.harness.suite import Contender
from rawws.core import masking

KEY = bytes.fromhex("37fa213d")
COPY = "memcpy"

Masking = Callable[[bytes], bytes | bytearray]
"""Masks a payload with `KEY`."""


def memcpy() -> Masking:
    """The floor: a copy, and no mask; of all bytes but one, as Python does not copy `bytes` for a whole slice."""
    return lambda data: data[1:]


def rawws() -> Masking:
    return lambda data: masking.apply_mask(data, KEY)


def websockets() -> Masking:
    from websockets.speedups import apply_mask

    return lambda data: apply_mask(data, KEY)


def websockets_python() -> Masking:
    """What it falls back on."""
    from websockets.utils import apply_mask

    return lambda data: apply_mask(data, KEY)


def wsproto() -> Masking:
    from wsproto.frame_protocol import XorMaskerSimple

    return lambda data: XorMaskerSimple(KEY).process(data)


def websocket_client() -> Masking:
    from websocket import ABNF

    return lambda data: ABNF.mask(KEY, data)


def aiohttp() -> Masking:
    """It masks in place; the copy is what makes it comparable, and what aiohttp does of a payload of `bytes` too."""
    from aiohttp._websocket.helpers import websocket_mask

    def mask(data: bytes) -> bytearray:
        copy = bytearray(data)
        websocket_mask(KEY, copy)
        return copy

    return mask


def tornado() -> Masking:
    from tornado.util import _websocket_mask

    return lambda data: _websocket_mask(KEY, data)


MASKS: dict[str, Callable[[], Masking]] = {
    COPY: memcpy,
    "rawws": rawws,
    "websockets": websockets,
    "websockets python": websockets_python,
    "aiohttp": aiohttp,
    "tornado": tornado,
    "websocket-client": websocket_client,
    "wsproto": wsproto,
}


def masks() -> list[Contender]:
    """All of them, and ours with C and without."""
    return [
        _contender(COPY, kind="floor"),
        _contender("rawws", kind="rawws", unable=no_c),
        _contender("rawws pure", "rawws", kind="rawws", environment=PURE),
        _contender("websockets", needs=["websockets.speedups"]),
        _contender("websockets python", needs=["websockets"]),
        _contender("aiohttp", needs=["aiohttp"]),
        _contender("tornado", needs=["tornado"]),
        _contender("websocket-client", needs=["websocket"]),
        _contender("wsproto", needs=["wsproto"]),
    ]


def _contender(name: str, mask: str = "", **more: object) -> Contender:
    floors = () if name == COPY else (COPY,)
    return Contender(name=name, command=("-m", "bench.contenders.masks", mask or name), floors=floors, **more)  # type: ignore[arg-type]


def main(name: str) -> None:
    """Be a worker."""
    mask = MASKS[name]()

    def answer(size: int, seconds: float) -> Mapping[str, float]:
        data = bytes(range(256)) * (size // 256) or bytes(range(size))
        if name != COPY and bytes(mask(data)) != masking.apply_mask(data, KEY):
            raise AssertionError("it masks to something else")
        count = max(1, 256 * 1024 // size)

        def run() -> None:
            for _ in range(count):
                mask(data)

        return Batch(run, count).cost(seconds)

    worker.serve(answer)


if __name__ == "__main__":
    main(sys.argv[1])
