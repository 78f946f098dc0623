"""Masking keys (section 5.3): each drawn once, by nobody else, also in a child process."""

import os
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from rawws.core.connection import Connection
from rawws.core.keys import AT_ONCE, pooled, random_bytes
from rawws.core.settings import Role
from tests.wire import BINARY, frame


def draw(count: int) -> list[bytes]:
    """So many keys."""
    return [random_bytes(4) for _ in range(count)]


def test_a_key_is_drawn_once() -> None:
    """More than are drawn together: of 2500 keys, two are alike once in a thousand times, and never three."""
    keys = draw(2 * AT_ONCE + 500)

    assert {(bytes, 4)} == {(type(key), len(key)) for key in keys}
    assert len(keys) - 3 < len(set(keys))


@pytest.mark.parametrize("size", [0, 1, 16, 4096])
def test_other_sizes_are_drawn_as_they_are(size: int) -> None:
    """The nonce of an opening handshake has 16 bytes."""
    assert size == len(random_bytes(size))


def test_threads_draw_no_key_twice() -> None:
    """The pool is for all of them."""
    with ThreadPoolExecutor(4) as threads:
        keys = [key for drawn in threads.map(draw, [AT_ONCE] * 8) for key in drawn]

    assert len(keys) - 10 < len(set(keys))


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
def test_a_child_process_draws_keys_of_its_own() -> None:
    """What its parent has drawn in advance is the parent's."""
    draw(1)
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:
        os.write(writer, b"".join(draw(5)))
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        told = pipe.read()
    os.waitpid(child, 0)

    assert 20 == len(told)
    assert told != b"".join(draw(5))


def test_who_gives_a_source_gets_exactly_that() -> None:
    """Only `os.urandom` is asked for many keys at a time."""
    assert random_bytes is pooled(os.urandom)
    client = Connection(Role.CLIENT, random=lambda size: b"key!"[:size])
    client.send_binary(b"Hello")

    assert frame(BINARY, b"Hello", key=b"key!") == client.data_to_send()
