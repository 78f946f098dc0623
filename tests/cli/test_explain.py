"""`rawws explain`."""

import zlib

import pytest

from tests.cli.run import Run
from tests.wire import BINARY, CLOSE, TEXT, close_body, frame

HELLO = """\
C> frame 1  TEXT: a whole text message, 5 bytes
      0  81            1... ....   FIN: the only frame of its message
                       .000 ....   RSV1 to RSV3: no extension is used
                       .... 0001   opcode 1: TEXT
      1  85            1... ....   MASK: masked, as is every frame of a client
                       .000 0101   length 5
      2  37 fa 21 3d               the masking key, new for every frame
      6  7f 9f 4d 51 58            the payload as it travels
         48 65 6c 6c 6f            unmasked: 'Hello'

1 frame, 1 whole message. No rule broken.
"""

REQUEST = b"""\
GET /chat HTTP/1.1\r
Host: server.example.com\r
Upgrade: websocket\r
Connection: Upgrade\r
Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r
Sec-WebSocket-Version: 13\r
\r
"""
ANSWER = b"""\
HTTP/1.1 101 Switching Protocols\r
Upgrade: websocket\r
Connection: Upgrade\r
Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r
\r
"""
OFFER = b"permessage-deflate; client_max_window_bits"


def with_fields(extensions: bytes, head: bytes = REQUEST) -> bytes:
    """A head with Sec-WebSocket-Extensions."""
    return head[:-2] + b"Sec-WebSocket-Extensions: " + extensions + b"\r\n\r\n"


COMPRESSED_HELLO = """\
S> frame 1  TEXT: a whole text message, compressed, 7 → 5 bytes
      0  c1            1... ....   FIN: the only frame of its message
                       .100 ....   RSV1: the message is compressed
                                   (permessage-deflate)
                       .... 0001   opcode 1: TEXT
      1  07            0... ....   no MASK: as is right for a server
                       .000 0111   length 7
      2  f2 48 cd c9 c9 07 00      compressed
         f2            .... .010   DEFLATE block 1: BFINAL 0, BTYPE 01 (fixed
                                   Huffman codes), 5 bytes
         00            ...0 00..   DEFLATE block 2: BFINAL 0, BTYPE 00 (stored),
                                   empty
         00 00 ff ff               not sent: every message ends with them, so
                                   the receiver puts them back
         48 65 6c 6c 6f            decompressed: 'Hello'

1 frame, 1 whole message. No rule broken.
"""


def test_every_bit_of_hello_is_explained(run: Run) -> None:
    """The example of section 5.7, with each group of bits and bytes and its meaning."""
    assert (0, HELLO) == run("explain", "81", "85", "37", "fa", "21", "3d", "7f", "9f", "4d", "51", "58")[:2]


def test_brief_has_one_row_for_a_header(run: Run) -> None:
    """For who knows the bits."""
    assert (
        """\
S> frame 1  TEXT: a whole text message, 5 bytes
      0  81 05                     FIN, TEXT, not masked, length 5
      2  48 65 6c 6c 6f            'Hello'
"""
        in run("explain", "--brief", "81 05 48 65 6c 6c 6f").out
    )


def test_a_fragmented_message_is_put_together(run: Run) -> None:
    """A ping between the fragments does not disturb it."""
    outcome = run("explain", "0103 48656c 8900 8002 6c6f")

    assert "         =   The message, from the frames 1, 3: 'Hello', 5 bytes\n" in outcome.out
    assert outcome.out.endswith("3 frames, 1 whole message. No rule broken.\n")


def test_a_character_that_is_split_between_frames_is_whole_in_the_message(run: Run) -> None:
    """Each half is shown as its byte."""
    outcome = run("explain", "0104 636166c3 8001 a9")

    assert all(part in outcome.out for part in (r"'caf\xc3'", r"'\xa9'", "'café', 5 bytes"))


@pytest.mark.parametrize(
    "wire, rule",
    [
        ("a1 00", "reserved-bits"),
        ("c9 00", "compressed-bit"),
        ("c1 03 f2 48 07", "compressed-data"),
        ("83 00", "opcode-reserved"),
        ("80 00", "nothing-to-continue"),
        ("01 00 81 00", "message-unfinished"),
        ("88 02 03ed", "close-code"),
        ("81 01 ff", "text-not-utf8"),
        ("82 7e 0001 00", "length-not-shortest"),
        ("88 00 81 00", "frame-after-close"),
    ],
)
def test_a_broken_rule_is_named_and_is_the_exit_code(run: Run, wire: str, rule: str) -> None:
    """4, so that a script can tell; the name of the rule is that of the docs."""
    outcome = run("explain", wire)

    assert (4, True) == (outcome.code, f"!   {rule} (section" in outcome.out)


def test_who_sent_a_frame_is_guessed_from_its_mask_bit_unless_it_is_said(run: Run) -> None:
    """A guess cannot judge the masking; it says so, and `--from` does."""
    guessed, said = run("explain", "81 00"), run("explain", "--from", "client", "81 00")

    assert (0, 4) == (guessed.code, said.code)
    assert ("--from judges the masking too" in guessed.err, "mask-missing" in said.out) == (True, True)


@pytest.mark.parametrize(
    "wire, words",
    [
        ("81 05 48 65", "Incomplete: 2 of 5 bytes of payload are here."),
        (
            "81 00 81",
            "Incomplete: the beginning of a header of at least 2 bytes\n             1 byte from byte 2 on: 81",
        ),
        ("82 fe 01", "the beginning of a header of 8 bytes"),
        ("82 ff 01", "the beginning of a header of 14 bytes"),
    ],
)
def test_a_frame_that_is_not_all_there_is_told(run: Run, wire: str, words: str) -> None:
    """Captures are cut anywhere: that breaks no rule."""
    outcome = run("explain", wire)

    assert (0, True) == (outcome.code, words in outcome.out)


def test_a_close_is_explained(run: Run) -> None:
    """Its code in words, and the reason."""
    outcome = run("explain", frame(CLOSE, close_body(1001, "bye")).hex())

    assert "code 1001, going away: a server shuts down, a\n" in outcome.out
    assert "reason 'bye'" in outcome.out


def test_long_payloads_are_shortened_unless_all_is_asked_for(run: Run) -> None:
    """64 bytes are enough to see what it is."""
    wire = frame(TEXT, "x" * 200).hex()

    assert "136 more bytes; --all shows them" in run("explain", wire).out
    assert 25 == run("explain", "--all", wire).out.count("'xxxxxxxx'")


def test_the_opening_handshake_is_explained_and_judged(run: Run) -> None:
    """The nonce, and that the accept value is the right one for it; frames behind it come from the server."""
    outcome = run("explain", "-", stdin=REQUEST + ANSWER + bytes.fromhex("8100"))

    assert (0, "") == (outcome.code, outcome.err)
    assert '16 random bytes in base64 ("the sample nonce")' in outcome.out
    assert "right\n             for the key dGhlIHNhbXBsZSBub25jZQ==" in outcome.out
    assert "S> frame 1  TEXT" in outcome.out


@pytest.mark.parametrize(
    "stdin, rule",
    [
        (REQUEST.replace(b"Connection: Upgrade\r\n", b""), "connection-missing (section 4.2.1)"),
        (REQUEST.replace(b"==", b""), "key-invalid"),
        (REQUEST + ANSWER.replace(b"s3p", b"S3p"), "accept-wrong"),
        (ANSWER.replace(b"Upgrade: websocket\r\n", b""), "response-upgrade"),
        (REQUEST + ANSWER[:-2] + b"Sec-WebSocket-Protocol: chat\r\n\r\n", "subprotocol-unoffered"),
        (REQUEST + ANSWER[:-2] + b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n", "extension-unoffered"),
        (with_fields(OFFER) + with_fields(b"permessage-deflate; a=b", ANSWER), "compression-terms (section 7692/7)"),
        (with_fields(b"permessage-deflate;;"), "extensions-invalid"),
        (REQUEST + ANSWER + bytes.fromhex("c100"), "reserved-bits"),
        (REQUEST + bytes.fromhex("c18000000000"), "reserved-bits"),
    ],
)
def test_a_wrong_head_names_the_rule(run: Run, stdin: bytes, rule: str) -> None:
    """What is wrong with a handshake is the question that people bring."""
    outcome = run("explain", "-", stdin=stdin)

    assert (4, True) == (outcome.code, rule in outcome.out)


def test_an_answer_alone_is_not_blamed_for_a_key_that_is_not_here(run: Run) -> None:
    """Without the request nobody can say whether the accept value is right."""
    assert 0 == run("explain", "-", stdin=ANSWER).code


def test_a_refusal_has_a_body_and_no_frames(run: Run) -> None:
    """What follows another status than 101 is HTTP."""
    outcome = run("explain", "-", stdin=b"HTTP/1.1 403 Forbidden\r\n\r\nNo!")

    assert (0, True) == (outcome.code, "The body of the answer" in outcome.out)


def test_json_has_an_object_for_each_head_frame_and_message(run: Run) -> None:
    """For programs: the same facts, one object for each line."""
    outcome = run("explain", "--json", "-", stdin=REQUEST + bytes.fromhex("010048 81"))

    assert ["request", "frame", "rest"] == [found["type"] for found in outcome.json]
    assert {"offset": 0, "line": "GET /chat HTTP/1.1"}.items() <= outcome.json[0]["lines"][0].items()
    assert ["mask-missing"] == [broken["rule"] for broken in outcome.json[1]["broken"]]


def test_json_gives_the_text_of_a_message(run: Run) -> None:
    """Fragments together, with the numbers of their frames."""
    *_, message = run("explain", "--json", "0103 48656c 8002 6c6f").json

    assert {"type": "message", "frames": [1, 2], "length": 5, "payload": "48656c6c6f", "text": "Hello"} == message


def test_nothing_that_a_terminal_obeys_comes_through(run: Run) -> None:
    """A capture may be hostile: escape sequences are spelled out."""
    outcome = run("explain", frame(TEXT, "\x1b[2J\x9b").hex())

    assert ("\x1b" in outcome.out, "\x9b" in outcome.out, r"\x1b[2J\x9b" in outcome.out) == (False, False, True)


# --- Compressed messages ----------------------------------------------------------------------------------------------

AGREED = ("--from", "server", "--extensions", "permessage-deflate")


def test_a_compressed_message_is_shown_in_both_forms(run: Run) -> None:
    """The first example of RFC 7692: the blocks by name, the four bytes that are not sent, and what it says."""
    assert (0, COMPRESSED_HELLO, "") == run("explain", *AGREED, "c1 07 f2 48 cd c9 c9 07 00")


@pytest.mark.parametrize(
    "wire, words",
    [
        ("41 03 f248cd 80 04 c9c90700", ["3 → 2 bytes", "'He'", "'llo'", "frames 1, 2: 'Hello', 5 bytes from 7 bytes"]),
        ("c1 07 f248cdc9c90700 c1 07 f248cdc9c90700", ["frame 2  TEXT: a whole text message, compressed, 7 → 5 bytes"]),
        ("c1 07 f248cdc9c90700 c1 05 f200110000", ["compressed, 5 → 5 bytes", "5 bytes, 4 of them repeated"]),
        (
            "c1 07 f248cdc9c90700 81 02 4869 c1 05 f200110000",
            ["frame 3  TEXT: a whole text message, compressed, 5 → 5"],
        ),
        ("c1 0b 000500faff48656c6c6f00", ["block 1: BFINAL 0, BTYPE 00 (stored),\n", "5 bytes\n"]),
        ("c1 08 f348cdc9c9070000", ["block 1: BFINAL 1, BTYPE 01 (fixed\n", "block 2: BFINAL 0, BTYPE 00 (stored)"]),
        (
            "c1 0d f248050000 00ffffcac9c90700",
            ["block 1: BFINAL 0, BTYPE 01", "2 bytes", "block 3: BFINAL 0, BTYPE 01", "3 bytes", "block 4: BFINAL 0"],
        ),
        ("41 0b f248cdc9c907000000ffff 80 01 00", ["1 → 0 bytes", "decompressed: nothing", "5 bytes from 12 bytes"]),
    ],
)
def test_the_examples_of_the_rfc_are_explained(run: Run, wire: str, words: list[str]) -> None:
    """RFC 7692 section 7.2.3: fragments, the shared window, stored and final blocks, an empty fragment."""
    outcome = run("explain", *AGREED, wire)

    assert (0, "", []) == (outcome.code, outcome.err, [part for part in words if part not in outcome.out])
    assert "'Hello'" in outcome.out
    assert outcome.out.endswith("No rule broken.\n")
    assert "00 00 ff ff               not sent" in outcome.out


def test_a_compressed_message_needs_an_agreement_and_without_one_it_is_assumed(run: Run) -> None:
    """It says so plainly, in the frame, in the last line and on stderr; and it shows what the frame says then."""
    assumed, refused = run("explain", "c1 07 f248cdc9c90700"), run("explain", "--extensions", "none", "c1 00")

    assert (0, 4) == (assumed.code, refused.code)
    assert "RSV1 is legal only if permessage-deflate was agreed on" in assumed.out
    assert "decompressed: 'Hello'" in assumed.out
    assert assumed.out.endswith("No rule broken, if permessage-deflate was agreed on.\n")
    assert "was guessed from RSV1; --extensions tells" in assumed.err
    assert "reserved-bits (section 5.2)" in refused.out


def test_the_agreed_terms_decide(run: Run) -> None:
    """A message that refers to the one before is wrong if that was to be forgotten."""
    wire = "c1 07 f248cdc9c90700 c1 05 f200110000"
    forgetful = "permessage-deflate; server_no_context_takeover"

    assert 0 == run("explain", "--extensions", "permessage-deflate; client_no_context_takeover", wire).code
    assert (4, True) == (
        (outcome := run("explain", "--extensions", forgetful, wire)).code,
        "invalid distance too far back, at byte" in outcome.out,
    )


def test_a_handshake_in_front_decides_by_itself(run: Run) -> None:
    """And each parameter of it is explained, in the request and in the answer."""
    request = with_fields(OFFER + b", permessage-deflate; server_max_window_bits=99, foo")
    answer = with_fields(b"permessage-deflate; server_no_context_takeover; server_max_window_bits=10", ANSWER)
    outcome = run("explain", "-", stdin=request + answer + bytes.fromhex("c107f248cdc9c90700"))

    assert (0, "") == (outcome.code, outcome.err)
    for words in (
        "client_max_window_bits: the server may limit how far the client refers back.",
        "permessage-deflate: another offer",
        "server_max_window_bits=99: not valid, server_max_window_bits is from 8 to 15, not '99'; a server declines",
        "foo: not known here.",
        "server_no_context_takeover: the server compresses each message by itself",
        "server_max_window_bits=10: the server refers back 1,024 bytes",
        "decompressed: 'Hello'",
    ):
        assert words in " ".join(outcome.out.split())


def test_an_answer_alone_may_have_extensions(run: Run) -> None:
    """Without the request nobody knows what it offered; and what is not known here may have been offered."""
    known, unknown = with_fields(b"permessage-deflate", ANSWER), with_fields(b"foo", ANSWER)

    assert (0, 0) == (run("explain", "-", stdin=known).code, run("explain", "-", stdin=unknown).code)
    assert 0 == run("explain", "-", stdin=with_fields(b"foo") + unknown).code


def test_a_masked_compressed_message_is_shown_in_three_forms(run: Run) -> None:
    """As it travels, unmasked, and decompressed."""
    wire = frame(TEXT, bytes.fromhex("f248cdc9c90700"), key=bytes.fromhex("37fa213d"), rsv=4).hex()
    outcome = run("explain", "--from", "client", "--extensions", "permessage-deflate", "--brief", wire)

    assert (
        """\
      0  c1 87                     FIN, TEXT, RSV1, masked, length 7
      2  37 fa 21 3d               masking key
      6  c5 b2 ec f4 fe fd 21      the payload as it travels
         f2 48 cd c9 c9 07 00      unmasked, compressed
"""
        in outcome.out
    )
    assert "         48 65 6c 6c 6f            decompressed: 'Hello'\n" in outcome.out


def test_corrupt_data_is_shown_as_far_as_it_goes(run: Run) -> None:
    """What is wrong and where; and that behind it nothing can be known."""
    outcome = run("explain", *AGREED, "c1 0b 000500faff48656c6c6f 06 c1 07 f248cdc9c90700")

    assert 4 == outcome.code
    assert "11 → 5 bytes" in outcome.out
    assert "invalid block type, at byte 10 of the payload" in " ".join(outcome.out.split())
    assert "7 → ? bytes" in outcome.out
    assert "What it says cannot be known" in outcome.out


def test_a_bomb_is_explained_in_a_few_lines(run: Run) -> None:
    """What a frame says may be a thousand times as long as the capture: it is counted, and not kept."""
    stream = zlib.compressobj(wbits=-15)
    payload = (stream.compress(bytes(2**25)) + stream.flush(zlib.Z_SYNC_FLUSH))[:-4]
    outcome = run("explain", *AGREED, frame(BINARY, payload, rsv=4).hex())

    assert (0, True) == (outcome.code, "33,554,368 more bytes" in outcome.out)
    assert len(outcome.out) < 4000


def test_many_blocks_are_counted(run: Run) -> None:
    """The first few by name: whoever flushes after each byte makes hundreds."""
    outcome = run("explain", *AGREED, frame(BINARY, bytes.fromhex("000000ffff") * 20 + b"\0", rsv=4).hex())

    assert (0, True) == (outcome.code, "15 more blocks" in outcome.out)


def test_json_has_both_forms(run: Run) -> None:
    """The payload as it travelled and what it says, with the number of bytes."""
    first, _, message = run("explain", "--json", "41 03 f248cd 80 04 c9c90700").json

    assert {
        "compressed": True,
        "assumed": True,
        "payload": "f248cd",
        "decompressed": "4865",
        "decompressed_length": 2,
        "text": "He",
    }.items() <= first.items()
    assert {"length": 5, "payload": "48656c6c6f", "text": "Hello"}.items() <= message.items()


@pytest.mark.parametrize("text", ["foo", "permessage-deflate;;", "permessage-deflate; server_max_window_bits=99"])
def test_extensions_that_make_no_sense_are_one_line(run: Run, text: str) -> None:
    """On stderr, with what to write, and the code of a wrong command line."""
    outcome = run("explain", "--extensions", text, "81 00")

    assert (64, "", 1) == (outcome.code, outcome.out, outcome.err.count("\n"))
    assert outcome.err.startswith("rawws explain: argument --extensions: ")
