"""The blocks of DEFLATE data."""

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawws.cli.blocks import MOST_READ, Block, blocks


@pytest.mark.parametrize(
    "wire, expected",
    [
        ("f248cdc9c907000000ffff", [Block(False, 1, 5, 0, 0, 50), Block(False, 0, 0, 0, 50, 88)]),
        ("f20011000000", [Block(False, 1, 5, 4, 0, 31), Block(False, 0, 0, 0, 31, None)]),
        ("000500faff48656c6c6f", [Block(False, 0, 5, 0, 0, 80)]),
        ("f348cdc9c907000000", [Block(True, 1, 5, 0, 0, 50), Block(False, 0, 0, 0, 56, None)]),
        ("f248", [Block(False, 1, 1, 0, 0, None)]),
        ("000500faff4865", [Block(False, 0, 2, 0, 0, None)]),
        ("0005000000", [Block(False, 0, 0, 0, 0, None)]),
        ("06", [Block(False, 3, 0, 0, 0, None)]),
        ("05", [Block(True, 2, 0, 0, 0, None)]),
        ("", []),
    ],
)
def test_blocks_are_found_bit_by_bit(wire: str, expected: list[Block]) -> None:
    """Where each begins and ends, what it is, and how much it says; to the first that is not whole or not right."""
    assert expected == list(blocks(bytes.fromhex(wire)))


WORDS = st.lists(st.sampled_from([b"abc", b"abcabcabc" * 40, b"\0", bytes(range(256)), b"tick 12.5"]), max_size=8)


@given(WORDS, st.integers(0, 9), st.sampled_from([zlib.Z_DEFAULT_STRATEGY, zlib.Z_FIXED, zlib.Z_HUFFMAN_ONLY]))
def test_what_zlib_writes_is_walked_through(parts: list[bytes], level: int, strategy: int) -> None:
    """Blocks of all three types, to the last bit, and their sizes are those of the data."""
    stream = zlib.compressobj(level, wbits=-15, strategy=strategy)
    data = b"".join(stream.compress(part) + stream.flush(zlib.Z_SYNC_FLUSH) for part in parts) + stream.flush()
    found = list(blocks(data[:MOST_READ]))

    if len(data) <= MOST_READ:
        assert sum(map(len, parts)) == sum(block.size for block in found)
        assert [True] == [block.final for block in found if block.final]
        assert -(-(found[-1].end or 0) // 8) == len(data)


@given(st.binary(max_size=200))
def test_any_bytes_are_walked_through(data: bytes) -> None:
    """Nothing is raised, and the walk does not leave the data."""
    found = list(blocks(data))

    assert all(block.end is not None for block in found[:-1])
    assert all(0 <= block.begin < 8 * len(data) and (block.end or 0) <= 8 * len(data) for block in found)
