"""What stands in the place of zlib: it is tried before it is taken, and then both sides understand each other."""

import copy
import pickle
import random
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawws.core import rules
from rawws.core.agreement import Agreement
from rawws.core.codec import ZLIB, library
from rawws.core.connection import Connection
from rawws.core.deflate import Deflate, Deflater, DeflateTerms, Inflater
from rawws.core.errors import ProtocolError
from rawws.core.prepared import Prepared
from rawws.core.settings import Role
from tests.wire import Keys, Pair


class Twin:
    """zlib by another name, and no module."""

    error = zlib.error
    compressobj = staticmethod(zlib.compressobj)
    decompressobj = staticmethod(zlib.decompressobj)


TWIN = Twin()


def codecs() -> list[Any]:
    """Those that there are."""
    found = [pytest.param(zlib, id="zlib"), pytest.param(TWIN, id="a twin of it")]
    try:
        from zlib_ng import zlib_ng
    except ImportError:
        return found
    return [*found, pytest.param(zlib_ng, id="zlib-ng")]


each_codec = pytest.mark.parametrize("codec", codecs())


# --- What is taken ----------------------------------------------------------------------------------------------------


def test_the_default_is_zlib() -> None:
    """Of the standard library."""
    assert ZLIB is Deflate().codec is Deflate(codec=zlib).codec
    assert "zlib" == repr(ZLIB)


@each_codec
def test_a_codec_is_a_value_that_can_be_copied_and_pickled(codec: Any) -> None:
    """A module cannot be pickled; as a part of what was agreed on it can, and so can what compresses with it."""
    wish = Deflate(codec=codec)
    terms = DeflateTerms(wish=wish)
    deflater, inflater = terms.compressor(Role.SERVER), terms.decompressor(Role.SERVER)
    inflated = [inflater.decompress_whole(deflater.compress(b"Hello", True), 9)]

    for again in (copy.copy, copy.deepcopy):
        assert library(codec) is again(wish).codec is again(terms).wish.codec
        assert b"Hello" == again(inflater).decompress_whole(again(deflater).compress(b"Hello", True), 9)
    if codec is not TWIN:
        assert wish == pickle.loads(pickle.dumps(wish))
        twins = pickle.loads(pickle.dumps((deflater, inflater)))
        inflated.append(twins[1].decompress_whole(twins[0].compress(b"Hello", True), 9))
    assert {b"Hello"} == set(inflated)


def test_a_codec_that_is_no_module_is_pickled_as_it_is() -> None:
    """As far as it can be."""
    assert isinstance(pickle.loads(pickle.dumps(Deflate(codec=TWIN))).codec._codec, Twin)


def test_wishes_with_different_codecs_are_different() -> None:
    """And so is what is shared among those that are sent the same."""
    assert Deflate() != Deflate(codec=TWIN)

    memo: dict[Any, Any] = {}
    for codec in (ZLIB, library(TWIN), ZLIB):
        Deflater(15, True, 0, 1, 8, codec).share(b"Hello", memo)
    assert 2 == len(memo)


# --- What is not ------------------------------------------------------------------------------------------------------


class Stream:
    """A stream of zlib, to spoil."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def copy(self) -> "Stream":
        """Another one of its kind."""
        return type(self)(self.stream.copy())


class NoEnd(Stream):
    """Does not flush."""

    def flush(self, mode: int) -> Any:
        """To the bit only."""
        return self.stream.flush(zlib.Z_PARTIAL_FLUSH)


class NoCopy(Stream):
    """Cannot be copied."""

    copy = None  # type: ignore[assignment]


class NoBound(Stream):
    """Gives all at once."""

    def decompress(self, data: bytes, most: int) -> Any:
        """Ever so much."""
        return self.stream.decompress(data)


class Hoard(Stream):
    """Takes all that comes, whatever was asked for."""

    unconsumed_tail = b""


class Endless(Stream):
    """Never says that it is over."""

    eof = False


class Wrong(Stream):
    """Writes or reads something else."""

    def compress(self, data: bytes) -> Any:
        """Backwards."""
        return self.stream.compress(data[::-1])

    def decompress(self, data: bytes, most: int) -> Any:
        """Backwards."""
        return self.stream.decompress(data, most)[::-1]


def flawed(way: str, kind: type[Stream] = Stream, **changed: Any) -> Any:
    """zlib with one of its functions spoilt: another stream, or other arguments."""

    class Flawed(Twin):
        pass

    original = getattr(zlib, way)

    def make(*arguments: Any, **named: Any) -> Any:
        named = dict(zip(("level", "method", "wbits", "memLevel", "strategy"), arguments)) | named | changed
        return kind(original(**named))

    def make_reader(wbits: int, zdict: bytes) -> Any:
        return kind(original(wbits, zdict))

    setattr(Flawed, way, staticmethod(make if way == "compressobj" else make_reader))
    return Flawed()


def up_to_3(level: int, *arguments: Any, **named: Any) -> Any:
    """As isal has them."""
    if level > 3:
        raise ValueError(f"no level {level}")
    return zlib.compressobj(level, *arguments, **named)


class Short(Twin):
    """Knows three levels."""

    compressobj = staticmethod(up_to_3)


class Lenient(Twin):
    """Has another error."""

    error = KeyError  # type: ignore[assignment]


class Blind:
    """Takes everything for the end."""

    eof, unused_data, unconsumed_tail = False, b"", b"."

    def decompress(self, data: bytes, most: int) -> bytes:
        """Nothing."""
        return b""


class Careless(Twin):
    """Sees nothing wrong in what is wrong."""

    @staticmethod
    def decompressobj(wbits: int, zdict: bytes) -> Any:
        """For some data another stream."""
        return zlib.decompressobj(wbits, zdict) if zdict else Blind()


@pytest.mark.parametrize(
    "codec, why",
    [
        (None, "None cannot be the codec: it has no compressobj"),
        (random, "random cannot be the codec: it has no compressobj"),
        (Short(), "no level 4"),
        (flawed("compressobj", NoCopy), "not callable"),
        (flawed("compressobj", NoEnd), "Z_SYNC_FLUSH does not end with 00 00 ff ff"),
        (flawed("compressobj", Wrong), "it compresses wrong at level 1"),
        (flawed("compressobj", strategy=zlib.Z_DEFAULT_STRATEGY), "it takes no notice of Z_RLE"),
        (flawed("compressobj", zdict=b""), "it takes no notice of zdict"),
        (flawed("decompressobj", NoCopy), "not callable"),
        (flawed("decompressobj", NoBound), "it takes no notice of max_length"),
        (flawed("decompressobj", Hoard), "it holds back more than it says"),
        (flawed("decompressobj", Wrong), "it takes no notice of max_length"),
        (flawed("decompressobj", Endless), "it does not tell the end"),
        (Lenient(), "invalid block type"),
        (Careless(), "it takes what is no DEFLATE data"),
    ],
)
def test_a_codec_that_lacks_something_is_refused(codec: Any, why: str) -> None:
    """Where it is named, and not by a peer some day."""
    with pytest.raises(TypeError) as caught:
        Deflate(codec=codec)

    assert why in str(caught.value)
    assert "cannot be the codec" in str(caught.value)


# --- Side by side -----------------------------------------------------------------------------------------------------


def pair(client: Any, server: Any, bits: int = 12, takeover: bool = True, level: int = 1) -> Pair:
    """Two that use different codecs, and agreed on all else."""
    ends = []
    for role, codec in ((Role.CLIENT, client), (Role.SERVER, server)):
        wish = Deflate(bits, bits, level=level, threshold=0, codec=codec)
        terms = DeflateTerms(not takeover, not takeover, bits, bits, wish)
        ends.append(Connection(role, Agreement(compression=terms), random=Keys()))
    return Pair(*ends)


WORDS = st.lists(st.sampled_from(["Hello", " ", "world", "é€😀", "0123456789" * 30, "a" * 5000]), max_size=9)
MESSAGES = st.lists(WORDS.map("".join) | st.binary(max_size=300), max_size=8)


@each_codec
@given(MESSAGES, st.integers(8, 15), st.booleans(), st.integers(1, 9))
def test_each_codec_and_zlib_understand_each_other(
    codec: Any, messages: list[str | bytes], bits: int, takeover: bool, level: int
) -> None:
    """In both directions, with any window, whole, in fragments and shared."""
    both = pair(codec, zlib, bits, takeover, level)
    for sender in (both.client, both.server):
        for message in messages:
            send: Any = sender.send_text if isinstance(message, str) else sender.send_binary
            half = len(message) // 2
            send(message)
            send(message[:half], more=True)
            send(message[half:])
            sender.send_prepared(Prepared(message, compress=True))
        assert [message for message in messages for _ in range(3)] == both.carry(sender.role)


@each_codec
@pytest.mark.parametrize("bits", range(8, 16))
@pytest.mark.parametrize("level", [1, 2, 6, 9])
def test_no_codec_reaches_back_over_its_window(codec: Any, bits: int, level: int) -> None:
    """7.1.2: zlib notices when it is given a byte at a time, and remembers as much as was agreed on."""
    source = random.Random(bits)
    past = bytearray(source.randbytes(300))
    deflater = Deflater(bits, True, 0, level, 5, library(codec))
    stream = zlib.decompressobj(-bits)
    for _ in range(30):
        start = len(past)
        for _ in range(source.randrange(1, 30)):
            back = min(len(past), round(2 ** source.uniform(3, 16)))
            past += past[len(past) - back :][: source.randrange(4, 80)]
        payload = deflater.compress(bytes(past[start:]), True) + b"\x00\x00\xff\xff"

        assert past[start:] == b"".join(stream.decompress(payload[at : at + 1]) for at in range(len(payload)))


@each_codec
def test_what_is_cut_off_or_corrupt_is_refused(codec: Any) -> None:
    """At once it is left for the long way, which says so."""
    payload = Deflater(15, True, 0, 9, 8).compress(b"It is what it is", True)
    for wrong in (payload[:-2], b"\x07", payload + b"\xff"):
        inflater = Inflater(15, True, library(codec))

        assert None is inflater.decompress_whole(wrong, 99)
        with pytest.raises(ProtocolError) as caught:
            read(inflater, wrong)
        assert rules.COMPRESSED_DATA is caught.value.rule


def read(inflater: Inflater, payload: bytes) -> bytes:
    """A message, the long way."""
    data, used = inflater.decompress(payload, 99)
    return data + inflater.decompress(payload[used:], 99)[0] + inflater.finish()
