"""The frame, bit by bit, and the body of a Close frame."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawws.core import rules
from rawws.core.errors import ProtocolError
from rawws.core.frames import (
    CloseCode,
    FrameHeader,
    Opcode,
    breaches,
    check,
    decode_close,
    decode_header,
    encode_close,
    encode_frame,
    encode_header,
    encode_whole,
    is_control,
    may_appear,
)
from rawws.core.settings import Role
from tests.wire import KEY, close_body, frame, octets

LENGTHS = {0: [0, 1, 125], 2: [0, 125, 126, 65535], 8: [0, 65535, 65536, 2**62, 2**63 - 1, 2**63, 2**64 - 1]}
"""Lengths at the boundaries, by the number of bytes that they are written in."""

REGISTERED = {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014}
"""Section 7.4.1 and the IANA registry, without 1004, 1005, 1006 and 1015, which are never sent."""


def is_legal(
    fin: bool, rsv: int, opcode: int, masked: bool, form: int, length: int, sender: Role, compression: bool = False
) -> bool:
    """Sections 5.1, 5.2 and 5.5, and RFC 7692 6.1, once more, as one condition."""
    shortest = 0 if length <= 125 else 2 if length <= 65535 else 8
    if opcode >= 8 and not (fin and length <= 125):
        return False
    known = opcode in {0x0, 0x1, 0x2, 0x8, 0x9, 0xA}
    rsv_known = rsv == 0 or (compression and rsv == 4 and opcode in {0x1, 0x2})
    return known and rsv_known and masked == (sender is Role.CLIENT) and form == shortest and length < 2**63


def headers() -> list[tuple[bool, int, int, bool, int, int]]:
    """Every first byte, with and without a mask, with every length at a boundary."""
    lengths = [(form, length) for form, several in LENGTHS.items() for length in several]
    bits = product((False, True), range(8), range(16), (False, True), lengths)
    return [(fin, rsv, opcode, masked, *written) for fin, rsv, opcode, masked, written in bits]


# --- Reading ----------------------------------------------------------------------------------------------------------


def test_every_header_is_read_as_it_is_written() -> None:
    """Reading never judges: legal or not, what stands in the bits comes out."""
    for fin, rsv, opcode, masked, form, length in headers():
        key = KEY if masked else None
        data = frame(opcode, fin=fin, rsv=rsv, key=key, length=length, form=form)

        assert FrameHeader(fin, rsv, opcode, length, key, len(data)) == decode_header(data)


def test_any_two_bytes_begin_a_header() -> None:
    """No combination of the first two bytes makes the reader raise."""
    for first, second in product(range(256), repeat=2):
        header = decode_header(bytes([first, second]) + bytes(range(12)))

        assert header is not None
        assert (first, second & 0x80) == (header.fin << 7 | header.rsv << 4 | header.opcode, 0x80 * bool(header.key))


@pytest.mark.parametrize("form, key", list(product((0, 2, 8), (None, KEY))))
def test_a_header_that_is_not_all_there_is_waited_for(form: int, key: bytes | None) -> None:
    """There is no header until its last byte has come, and what comes behind it plays no part."""
    data = frame(Opcode.BINARY, key=key, length=LENGTHS[form][-1], form=form)

    assert [None] * len(data) == [decode_header(data[:size]) for size in range(len(data))]
    assert decode_header(data) == decode_header(data + b"\xff" * 20)


def test_a_header_may_stand_anywhere_in_the_data() -> None:
    """`start` says where; nobody has to cut the data first."""
    data = frame(Opcode.PING, key=KEY)

    assert decode_header(data) == decode_header(bytearray(b"\x82\x7e" + data), 2)
    assert decode_header(b"\x82\x7e" + data[:-1], 2) is None


# --- Judging ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sender", Role)
@pytest.mark.parametrize("compression", [False, True])
def test_a_header_is_in_order_exactly_if_the_rfc_allows_it(sender: Role, compression: bool) -> None:
    """Nothing legal is refused and nothing illegal passes, whatever the combination of bits."""
    for fin, rsv, opcode, masked, form, length in headers():
        header = decode_header(frame(opcode, fin=fin, rsv=rsv, key=KEY if masked else None, length=length, form=form))

        assert header is not None
        legal = is_legal(fin, rsv, opcode, masked, form, length, sender, compression)
        assert legal == (not breaches(header, sender, compression))


@pytest.mark.parametrize(
    "data, sender, expected",
    [
        ("81 00", Role.SERVER, []),
        ("f3 00", Role.SERVER, [(rules.RESERVED_BITS, "RSV is 111", 0), (rules.OPCODE_RESERVED, "opcode 3", 0)]),
        ("09 00", Role.CLIENT, [(rules.CONTROL_FRAGMENTED, "a PING without FIN", 0), (rules.MASK_MISSING, "", 1)]),
        ("81 80 37fa213d", Role.SERVER, [(rules.MASK_UNEXPECTED, "", 1)]),
        ("8a 7e 007e", Role.SERVER, [(rules.CONTROL_TOO_LONG, "126 bytes", 1)]),
        ("8a 7e 0001", Role.SERVER, [(rules.LENGTH_NOT_SHORTEST, "1 in a header of 4 bytes", 1)]),
        ("8b 7f 8000000000000000", Role.SERVER, [(rules.OPCODE_RESERVED, "opcode 11", 0),
            (rules.CONTROL_TOO_LONG, f"{2**63} bytes", 1), (rules.LENGTH_TOP_BIT, "", 2)]),
    ],
)  # fmt: skip
def test_all_that_is_wrong_is_told_in_the_order_of_the_bytes(
    data: str, sender: Role, expected: list[tuple[rules.Rule, str, int]]
) -> None:
    """Each fault comes with its rule, the particular, and the byte of the frame that is to blame."""
    header = decode_header(octets(data))

    assert header is not None
    assert expected == breaches(header, sender)


@pytest.mark.parametrize(
    "data, expected",
    [
        ("c1 00", []),
        ("42 00", []),
        ("c0 00", [(rules.COMPRESSED_BIT, "opcode 0", 0)]),
        ("c9 00", [(rules.COMPRESSED_BIT, "opcode 9", 0)]),
        ("f1 00", [(rules.RESERVED_BITS, "RSV is 011", 0)]),
        ("e8 7e 0001", [(rules.COMPRESSED_BIT, "opcode 8", 0), (rules.RESERVED_BITS, "RSV is 010", 0),
            (rules.LENGTH_NOT_SHORTEST, "1 in a header of 4 bytes", 1)]),
        ("c3 00", [(rules.COMPRESSED_BIT, "opcode 3", 0), (rules.OPCODE_RESERVED, "opcode 3", 0)]),
    ],
)  # fmt: skip
def test_with_compression_rsv1_has_a_place(data: str, expected: list[tuple[rules.Rule, str, int]]) -> None:
    """RFC 7692 6.1: in the first frame of a data message; and it is told apart from the two bits that mean nothing."""
    header = decode_header(octets(data))

    assert header is not None
    assert expected == breaches(header, Role.SERVER, compression=True)


def test_the_first_fault_is_the_one_that_is_raised() -> None:
    """`check` is for those who need to know only whether to go on."""
    header = FrameHeader(True, 4, Opcode.TEXT, 0, None, 2)

    with pytest.raises(ProtocolError) as caught:
        check(header, Role.CLIENT)

    assert (rules.RESERVED_BITS, 0) == (caught.value.rule, caught.value.offset)
    check(header._replace(rsv=0), Role.SERVER)
    check(header, Role.SERVER, compression=True)


@pytest.mark.parametrize("opcode", range(16))
def test_the_highest_bit_of_the_opcode_marks_a_control_frame(opcode: int) -> None:
    """5.5: "Control frames are identified by opcodes where the most significant bit of the opcode is 1"."""
    assert bool(opcode & 0b1000) == is_control(opcode)


# --- Writing ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [0, 1, 125, 126, 65535, 65536, 2**32, 2**63 - 1])
@pytest.mark.parametrize("key", [None, KEY])
def test_a_length_is_written_in_its_shortest_form(length: int, key: bytes | None) -> None:
    """5.2: "the minimal number of bytes MUST be used to encode the length"."""
    assert frame(Opcode.BINARY, key=key, length=length) == encode_header(Opcode.BINARY, length, key)


@given(
    st.sampled_from(Opcode),
    st.binary(max_size=200) | st.integers(65530, 65540).map(bytes),
    st.none() | st.binary(min_size=4, max_size=4),
    st.booleans(),
    st.integers(0, 7),
)
def test_a_frame_is_written_as_by_hand(opcode: int, payload: bytes, key: bytes | None, fin: bool, rsv: int) -> None:
    """Header, key and masked payload stand where section 5.2 draws them."""
    expected = frame(opcode, payload, key=key, fin=fin, rsv=rsv)

    assert expected == encode_frame(opcode, payload, key, fin=fin, rsv=rsv)
    assert expected == encode_whole(expected[0], payload, key)


# --- The body of a Close frame ----------------------------------------------------------------------------------------


def test_the_codes_that_may_appear_are_those_of_the_registry_and_the_free_ones() -> None:
    """Every number that two bytes can hold is either registered for the wire, or from 3000 to 4999, or refused."""
    assert REGISTERED | set(range(3000, 5000)) == {code for code in range(65536) if may_appear(code)}


def test_codes_with_a_name_are_registered_or_never_sent() -> None:
    """The enumeration has no code of its own invention."""
    assert REGISTERED | {1005, 1006, 1015} == set(CloseCode)


@pytest.mark.parametrize("code", [-1, 0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535, 65536])
def test_a_code_that_may_not_appear_is_not_written(code: int) -> None:
    """Whoever asks for it is told which rule it breaks, and with what."""
    with pytest.raises(ProtocolError) as caught:
        encode_close(code, "", Role.CLIENT)

    assert (rules.CLOSE_CODE, str(code)) == (caught.value.rule, caught.value.detail)


def test_a_server_does_not_write_1010() -> None:
    """7.4.1: "this status code is not used by the server, because it can fail the WebSocket handshake instead"."""
    assert octets("03f2") == encode_close(CloseCode.EXTENSION_NEEDED, "", Role.CLIENT)
    with pytest.raises(ProtocolError) as caught:
        encode_close(CloseCode.EXTENSION_NEEDED, "", Role.SERVER)

    assert caught.value.rule is rules.CLOSE_CODE_OF_CLIENTS


@pytest.mark.parametrize("reason", ["a" * 123, "€" * 41, "", "\0"])
def test_a_code_and_a_reason_fill_a_control_frame_at_most(reason: str) -> None:
    """123 bytes are left for the reason, counted as UTF-8."""
    body = encode_close(1000, reason, Role.SERVER)

    assert (close_body(1000, reason), (1000, reason)) == (body, decode_close(body))


@pytest.mark.parametrize(
    "code, reason, rule",
    [
        (1000, "a" * 124, rules.CONTROL_TOO_LONG),
        (1000, "€" * 42, rules.CONTROL_TOO_LONG),
        (1000, "\ud800", rules.CLOSE_REASON_NOT_UTF8),
        (None, "bye", rules.CLOSE_REASON_ALONE),
    ],
)
def test_a_reason_that_cannot_be_sent_is_refused(code: int | None, reason: str, rule: rules.Rule) -> None:
    """It is neither cut nor left out behind the caller's back."""
    with pytest.raises(ProtocolError) as caught:
        encode_close(code, reason, Role.CLIENT)

    assert rule is caught.value.rule


def test_no_code_makes_an_empty_body() -> None:
    """And an empty body is told as 1005, which is never written (section 7.1.5)."""
    assert b"" == encode_close(None, "", Role.SERVER)
    assert (1005, "") == decode_close(b"")


@pytest.mark.parametrize(
    "body, rule, offset",
    [
        ("03", rules.CLOSE_TOO_SHORT, 0),
        ("0000", rules.CLOSE_CODE, 0),
        ("03ee", rules.CLOSE_CODE, 0),
        ("03ee ff", rules.CLOSE_CODE, 0),
        ("03e8 ff", rules.CLOSE_REASON_NOT_UTF8, 2),
        ("03e8 6162 eda080", rules.CLOSE_REASON_NOT_UTF8, 4),
        ("03e8 61 e282", rules.CLOSE_REASON_NOT_UTF8, 3),
    ],
)
def test_a_body_that_is_wrong_is_blamed_at_its_byte(body: str, rule: rules.Rule, offset: int) -> None:
    """The offset counts from the beginning of the body."""
    with pytest.raises(ProtocolError) as caught:
        decode_close(octets(body))

    assert (rule, offset) == (caught.value.rule, caught.value.offset)
