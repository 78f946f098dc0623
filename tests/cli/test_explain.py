"""`rawws explain`."""

import pytest

from tests.cli.run import Run
from tests.wire import CLOSE, TEXT, close_body, frame

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
        ("c1 00", "reserved-bits"),
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
