"""The twins: what is written in Python and once more in C does the same to the byte, and the C does no harm."""

import gc
import os
import struct
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawws.core import frames, masking, messages, speedups
from rawws.core.masking import LONG
from tests.wire import BINARY, CONTINUATION, KEY, PING, TEXT, frame, octets, xor

NO_LIMIT = sys.maxsize

NAMES = ["apply_mask", "encode_run", "encode_whole", "take_plain", "compressed_at"]
HOMES: dict[str, ModuleType] = {
    "apply_mask": masking,
    "encode_run": frames,
    "encode_whole": frames,
    "take_plain": messages,
    "compressed_at": messages,
}


def in_c(name: str) -> Callable[..., Any]:
    """The twin in C, also where RAWWS_PURE=1 keeps it out of its place."""
    functions = speedups.functions_in_c("rawws.core._speedups", {})
    if not functions:
        assert not os.environ.get("RAWWS_NO_SKIP"), "the extension is not built"
        pytest.skip("the extension is not built: python setup.py build_ext --inplace")
    twin: Callable[..., Any] = functions[name]
    return twin


def twins(name: str) -> Iterator[Callable[..., Any]]:
    """First the one in Python."""
    yield speedups.in_python[name]
    yield in_c(name)


def outcome(function: Callable[..., Any], *arguments: Any) -> object:
    """What it gives back, and of which type; or which exception it raises, and why."""
    try:
        result = function(*arguments)
    except Exception as error:
        return type(error), str(error) if isinstance(error, ValueError) else ""
    return type(result), result


def same(name: str, *arguments: Any) -> object:
    """The outcome, which is that of both."""
    python, c = (outcome(twin, *arguments) for twin in twins(name))
    assert python == c
    return c


def taken(data: bytes, start: int = 0, masked: bool = False, limit: int = NO_LIMIT) -> tuple[object, list[Any]]:
    """Where both stop, and what both took."""
    found: list[list[Any]] = []
    for twin in twins("take_plain"):
        found.append(out := [])
        out.append(outcome(twin, data, start, masked, limit, out))
    python, c = ([(type(each), each) for each in out] for out in found)
    assert python == c
    return found[1][-1], found[1][:-1]


# --- The seam ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_each_function_in_c_has_a_twin_in_python_and_its_place(name: str) -> None:
    """Which of the two stands there is decided once, for all, when the core is imported."""
    python, c = twins(name)

    assert (c if speedups.in_use else python) is getattr(HOMES[name], name)
    assert HOMES[name].__name__ == python.__module__


def test_nothing_else_is_written_in_c() -> None:
    """And nothing is written in C alone."""
    in_c("apply_mask")
    public = {name for name in speedups.functions_in_c("rawws.core._speedups", {}) if not name.startswith("_")}

    assert set(NAMES) == set(speedups.in_python) == public


def test_who_wants_no_c_gets_none() -> None:
    """RAWWS_PURE=1 in the environment; nothing else is taken for it."""
    for value in ("0", "", "yes"):
        assert "sqrt" in speedups.functions_in_c("math", {"RAWWS_PURE": value})
    assert {} == speedups.functions_in_c("math", {"RAWWS_PURE": "1"})


def test_what_was_not_built_is_done_without() -> None:
    """There may have been no compiler, or the file may be for another Python."""
    assert {} == speedups.functions_in_c("rawws.core._not_built", {})


# --- apply_mask -------------------------------------------------------------------------------------------------------

KEYS = st.binary(min_size=4, max_size=4)
KINDS: list[Callable[[bytes], object]] = [bytes, bytearray, memoryview, lambda data: memoryview(bytearray(data))]


@pytest.mark.parametrize("size", [*range(70), *range(LONG - 2, LONG + 3), 4095, 4096, 65537])
def test_masking_is_the_same_at_every_alignment(size: int) -> None:
    """Wherever the payload begins in memory, and whatever is left over behind the last whole word."""
    data = bytes(i * 7 % 256 for i in range(size + 16))
    for start in range(16):
        view = memoryview(data)[start : start + size]
        assert (bytes, xor(data[start : start + size], KEY)) == same("apply_mask", view, KEY)


@given(st.binary(max_size=100) | st.binary(min_size=LONG, max_size=LONG + 9), KEYS, st.sampled_from(KINDS))
def test_masking_is_the_same_for_any_bytes(data: bytes, key: bytes, kind: Callable[[bytes], object]) -> None:
    """In every kind of buffer, which is left as it was."""
    given_data = kind(data)

    assert (bytes, xor(data, key)) == same("apply_mask", given_data, key)
    assert data == given_data


@pytest.mark.parametrize("size", [0, 1, 3, 5, 8])
@pytest.mark.parametrize("data", [b"", b"abc", bytes(LONG)])
def test_a_key_of_another_length_is_refused(data: bytes, size: int) -> None:
    """It would give something that could be taken for masked."""
    assert (ValueError, f"a key of {size} bytes, not 4") == same("apply_mask", data, bytes(size))
    assert (ValueError, f"a key of {size} bytes, not 4") == same("encode_whole", 0x82, data, bytes(size))


@pytest.mark.parametrize(
    "data, key", [("abc", KEY), (None, KEY), (3, KEY), (b"abc", None), (b"abc", "abcd"), (b"a", 4)]
)
def test_what_is_no_bytes_is_not_masked(data: object, key: object) -> None:
    """A mistake in Python's terms."""
    assert (TypeError, "") == same("apply_mask", data, key)


@pytest.mark.parametrize("name", NAMES)
def test_the_number_of_arguments_is_checked(name: str) -> None:
    """C could read what is not there."""
    for count in (0, 1, 4, 6):
        assert (TypeError, "") == same(name, *[b"abcd"] * count)


# --- encode_whole -----------------------------------------------------------------------------------------------------

SIZES = [0, 1, 7, 8, 125, 126, 127, LONG, 65535, 65536, 65537]


@pytest.mark.parametrize("key", [None, KEY])
@pytest.mark.parametrize("size", SIZES)
def test_a_frame_is_the_same(size: int, key: bytes | None) -> None:
    """With a length in each form, from every kind of buffer."""
    data = bytes(i * 7 % 256 for i in range(size))
    for kind in KINDS:
        assert (bytes, frame(BINARY, data, key=key)) == same("encode_whole", 0x82, kind(data), key)


@given(st.integers(0, 255), st.binary(max_size=200), KEYS | st.none())
def test_a_frame_is_the_same_for_any_bytes(first: int, payload: bytes, key: bytes | None) -> None:
    """Also where the first byte says something that no peer would understand: that is for others to judge."""
    expected = frame(first & 0xF, payload, key=key, fin=first >= 0x80, rsv=first >> 4 & 7)

    assert (bytes, expected) == same("encode_whole", first, payload, key)


@pytest.mark.parametrize("first", [-1, 256, 2**70, -(2**70), "a", None, 1.5])
def test_a_first_byte_is_a_byte(first: object) -> None:
    """Whoever calls this has made it out of bits; anything else is refused, each in its own words."""
    for twin in twins("encode_whole"):
        with pytest.raises((ValueError, TypeError, struct.error)):
            twin(first, b"", None)


@pytest.mark.parametrize("payload", ["a", None, 3])
@pytest.mark.parametrize("key", [None, KEY])
def test_a_frame_is_made_of_bytes(payload: object, key: bytes | None) -> None:
    """A mistake in Python's terms; text is encoded by who knows that it is text."""
    assert (TypeError, "") == same("encode_whole", 0x82, payload, key)


# --- encode_run -------------------------------------------------------------------------------------------------------


def written(messages: list[str | bytes], keys: bytes | None) -> bytes:
    """Frame by frame."""
    return b"".join(
        frame(TEXT if isinstance(each, str) else BINARY, each, key=keys and keys[4 * place : 4 * place + 4])
        for place, each in enumerate(messages)
    )


@given(st.lists(st.text(max_size=60) | st.binary(max_size=150), max_size=6), st.binary(min_size=24, max_size=24))
def test_a_run_of_frames_is_the_same_for_any_messages(messages: list[str | bytes], keys: bytes) -> None:
    """Each with its own four bytes of the keys, or with none; the list is left as it was."""
    for mask in (None, keys[: 4 * len(messages)]):
        given_messages = list(messages)
        assert (bytes, written(messages, mask)) == same("encode_run", given_messages, mask)
        assert messages == given_messages


def test_a_run_of_frames_may_have_lengths_of_all_forms() -> None:
    """What is masked in one go, and what is not; characters of up to four bytes."""
    messages = [*map(bytes, SIZES), *["aé€😀" * (size // 4) for size in SIZES]]

    assert (bytes, written(messages, KEY * len(messages))) == same("encode_run", messages, KEY * len(messages))


@pytest.mark.parametrize("keys", [b"", KEY, KEY * 3, KEY * 2 + b"k"])
def test_there_are_as_many_keys_as_messages(keys: bytes) -> None:
    """Else one would go out under a key that is no key."""
    assert (ValueError, f"{len(keys)} bytes of keys for 2 messages") == same("encode_run", ["a", b"b"], keys)


@pytest.mark.parametrize("keys", [None, KEY * 2])
@pytest.mark.parametrize("message", ["\ud800", None, 3])
def test_a_run_of_frames_is_made_of_messages(message: Any, keys: bytes | None) -> None:
    """Text has to be such that UTF-8 can say it; the rest are mistakes in Python's terms."""
    kind, _ = same("encode_run", [b"good", message], keys)  # type: ignore[misc]

    assert kind is (UnicodeEncodeError if isinstance(message, str) else TypeError)


# --- take_plain -------------------------------------------------------------------------------------------------------

LENGTHS = st.sampled_from([0, 1, 5, 125, 126, 127, 2047, 2048, 2049, 65535, 65536])
LONGER = st.tuples(st.sampled_from("aé€😀"), st.sampled_from([62, 63, 513, 683, 2048, 65536]))
TEXTS = st.text(max_size=20) | LONGER.map(lambda drawn: drawn[0] * drawn[1])
PAYLOADS = st.binary(max_size=20) | LENGTHS.map(bytes) | TEXTS


def any_frame(opcode: int, payload: str | bytes, form: int | None, **fields: Any) -> bytes:
    """A frame of which the length may take more bytes than it has to."""
    long = len(payload.encode() if isinstance(payload, str) else payload) > 65535
    return frame(opcode, payload, form=None if long else form, **fields)


FRAMES = st.builds(
    any_frame,
    st.sampled_from([*[TEXT, BINARY] * 4, PING, CONTINUATION, 3]),
    PAYLOADS,
    st.sampled_from([None, None, None, None, 2, 8]),
    key=st.sampled_from([KEY, KEY, None]),
    fin=st.sampled_from([True, True, True, True, False]),
    rsv=st.sampled_from([0, 0, 0, 0, 0, 4, 1]),
)

WIRE = st.lists(FRAMES | st.binary(max_size=4), max_size=6).map(b"".join)
"""Frames of all kinds, plain and not, and other bytes between them."""

LIMITS = st.sampled_from([NO_LIMIT, 2**63, 2**70, 0, 1, 5, 125, 126, 65535, -1])


@given(WIRE, st.booleans(), LIMITS, st.integers(0, 4))
def test_the_same_messages_are_taken(data: bytes, masked: bool, limit: int, start: int) -> None:
    """Whatever the bytes: up to the same place, in the same order, of the same types."""
    taken(data, start, masked, limit)


@given(st.lists(st.builds(frame, st.sampled_from([TEXT, BINARY]), PAYLOADS, key=st.just(KEY)), max_size=3), st.data())
def test_the_same_messages_are_taken_of_what_is_cut_off_or_damaged(parts: list[bytes], data: st.DataObject) -> None:
    """At every place that matters: in a header, a key, a payload, a character."""
    whole = bytearray(b"".join(parts))
    if whole:
        whole[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(0, 255))
    end = data.draw(st.integers(0, len(whole)))

    for masked in (True, False):
        taken(bytes(whole[:end]), 0, masked)


@pytest.mark.parametrize("masked", [True, False])
def test_the_same_is_taken_at_every_cut(masked: bool) -> None:
    """Three messages, the bytes of which come one by one."""
    key = KEY if masked else None
    whole = frame(TEXT, "aé€😀", key=key) + frame(BINARY, bytes(126), key=key) + frame(TEXT, "", key=key)
    for end, start in product(range(len(whole) + 1), (0, 1, 2)):
        taken(whole[:end], start, masked)


@given(st.binary(max_size=40), st.booleans())
def test_any_bytes_are_looked_at_in_the_same_way(data: bytes, masked: bool) -> None:
    """Behind every header that two bytes can make."""
    for first, second in product((0x81, 0x82, 0x01, 0xC1), (0, 1, 5, 126, 127, 0x80, 0x81, 0x85, 0xFE, 0xFF)):
        taken(bytes((first, second)) + data, 0, masked)


@pytest.mark.parametrize(
    "payload",
    ["ff", "c0 80", "c1 bf", "e0 80 80", "ed a0 80", "f0 80 80 80", "f4 90 80 80", "f8 88 80 80 80", "80", "61 e2 82"],
)
@pytest.mark.parametrize("before", [0, 7, 2046, 65536])
def test_text_that_is_none_is_not_taken(payload: str, before: int) -> None:
    """Overlong, surrogates, out of range, cut off: what lies before it is taken, and no exception is left behind."""
    for key in (None, KEY):
        good = frame(TEXT, "Hi", key=key)
        data = good + frame(TEXT, before * b"a" + octets(payload), key=key) + good
        assert ((int, len(good)), ["Hi"]) == taken(data, 0, key is not None)


@pytest.mark.parametrize(
    "arguments", [("ab", 0, False, 9, []), (None, 0, False, 9, []), (b"\x81\0", "0", False, 9, [])]
)
def test_messages_are_taken_from_bytes(arguments: tuple[object, ...]) -> None:
    """A mistake in Python's terms."""
    assert (TypeError, "") == same("take_plain", *arguments)


def test_the_c_reads_nothing_outside_of_what_it_is_given() -> None:
    """Python's twin would count from the end, or find nothing to append to; C must not try."""
    take = in_c("take_plain")
    for arguments in ((b"\x81\0", -1, False, 9, []), (b"\x81\0", -(2**70), False, 9, []), (b"", 2**70, False, 9, [])):
        with pytest.raises(ValueError):
            take(*arguments)
    with pytest.raises(TypeError):
        take(b"\x81\0", 0, False, 9, ())
    assert 9 == take(b"\x81\0", 9, False, 9, []) == speedups.in_python["take_plain"](b"\x81\0", 9, False, 9, [])


# --- compressed_at ----------------------------------------------------------------------------------------------------


@given(
    st.lists(st.builds(frame, st.sampled_from([TEXT, BINARY, PING]), PAYLOADS, key=KEYS | st.none(), rsv=st.just(4))),
    WIRE,
    st.booleans(),
    LIMITS,
    st.integers(0, 4),
)
def test_the_same_compressed_message_is_found(
    parts: list[bytes], more: bytes, masked: bool, limit: int, start: int
) -> None:
    """Whatever the bytes, wherever they are cut off."""
    data = b"".join(parts) + more
    for end in {*range(min(20, len(data))), len(data)}:
        same("compressed_at", data[:end], start, masked, limit)


@given(st.binary(max_size=40), st.booleans())
def test_any_bytes_are_looked_at_as_a_compressed_message_in_the_same_way(data: bytes, masked: bool) -> None:
    """Behind every header that two bytes can make."""
    for first, second in product((0x81, 0xC1, 0xC2, 0xC3, 0xD1), (0, 1, 5, 126, 127, 0x80, 0x81, 0x85, 0xFE, 0xFF)):
        same("compressed_at", bytes((first, second)) + data, 0, masked, NO_LIMIT)


def test_no_compressed_message_is_looked_for_outside_of_the_data() -> None:
    """Python's twin would count from the end; C must not try."""
    for start in (-1, -(2**70), 2**70):
        with pytest.raises(ValueError):
            in_c("compressed_at")(b"\xc1\1a", start, False, 9)
    assert (TypeError, "") == same("compressed_at", None, 0, False, 9)
    assert (type(None), None) == same("compressed_at", b"\xc1\1a", 9, False, 9)


# --- Memory and threads -----------------------------------------------------------------------------------------------


def everything_once(
    apply_mask: Callable[..., Any],
    run: Callable[..., Any],
    encode: Callable[..., Any],
    take: Callable[..., Any],
    find: Callable[..., Any],
) -> list[Any]:
    """All of them, in ways that go well and ways that fail."""
    out: list[Any] = []
    for payload, key in product((b"", b"abc", "é".encode() * 2000, b"\xff" * 3000, bytes(70_000)), (None, KEY)):
        for first in (0x81, 0x82):
            take(encode(first, payload, key) * 2, 0, key is not None, NO_LIMIT, out)
            out.append(find(encode(first | 0x40, payload, key), 0, key is not None, NO_LIMIT))
        out.append(outcome(apply_mask, payload, key))
        out.append(outcome(encode, 300, payload, key))
        out.append(outcome(run, [payload, payload.decode(errors="ignore"), "é"], key and key * 3))
        out.append(outcome(run, [payload, "\ud800", None], key))
        out.append(outcome(take, payload, -1, key, 0, out))
        out.append(outcome(find, payload, -1, key, 0))
    return out


def test_nothing_leaks() -> None:
    """After a hundred rounds no more memory is held, and no object is referred to more often."""
    c = [in_c(name) for name in NAMES]
    held = [KEY, b"payload", bytearray(b"payload"), out := [1]]
    gc.collect()
    counts = [sys.getrefcount(each) for each in held]
    tracemalloc.start()
    try:
        for round_ in range(120):
            everything_once(*c)
            c[0](held[2], KEY)
            c[1]([held[1]], KEY)
            c[2](0x82, held[1], KEY)
            c[3](held[1], 0, False, 9, out)
            if round_ == 20:
                gc.collect()
                before = tracemalloc.get_traced_memory()[0]
        gc.collect()
        after = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()

    assert counts == [sys.getrefcount(each) for each in held]
    assert after - before < 5000


def test_a_buffer_is_let_go_of() -> None:
    """A bytearray can grow again afterwards, also after a failure."""
    data = bytearray(b"\x81\x02Hi")
    in_c("apply_mask")(data, KEY)
    in_c("encode_whole")(0x82, data, KEY)
    in_c("take_plain")(data, 0, False, NO_LIMIT, [])
    in_c("compressed_at")(data, 0, False, NO_LIMIT)
    with pytest.raises(ValueError):
        in_c("apply_mask")(data, b"")

    data += bytes(10_000)


def test_threads_do_not_disturb_each_other() -> None:
    """There is nothing in the C that two calls share."""
    c = [in_c(name) for name in NAMES]
    expected = everything_once(*c)
    with ThreadPoolExecutor(4) as pool:
        assert all(found == expected for found in pool.map(lambda _: everything_once(*c), range(40)))
