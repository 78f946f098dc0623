"""How what is heard stands in a sentence: as people write it, and not as Python does."""

import pytest

from rawws.conformance.heard import Binary, Close, End, Heard, Nothing, Ping, Pong, Text, quoted


@pytest.mark.parametrize(
    "heard, words",
    [
        (Text("it's ok"), "text 'it's ok'"),
        (Text("aß字"), "text 'aß字'"),
        (Text("\x1b[2J \ufeff"), r"text '\x1b[2J \ufeff'"),
        (Text("x" * 50), f"text '{'x' * 40}'… (50 characters)"),
        (Text(b"caf\xe9"), r"text 'caf\xe9', which is not UTF-8"),
        (Binary(b""), "binary ''"),
        (Binary(b"Hello,\x00\x00\xff\xff"), r"binary 'Hello,\x00\x00\xff\xff'"),
        (Binary(bytes.fromhex("6ee19e1a")), "binary 6e e1 9e 1a"),
        (Binary(bytes(1000)), f"binary {' '.join(['00'] * 20)}… (1,000 bytes)"),
        (Ping("grüße".encode()), "ping 'grüße'"),
        (Pong(b"\xfe\xfe"), "pong fe fe"),
        (Close(None), "Close with no code"),
        (Close(1002, b"Received CLOSE for the second time"), "Close 1002 'Received CLOSE for the second time'"),
        (Close(1000, b"x" * 123), f"Close 1000 '{'x' * 120}'… (123 bytes)"),
        (Close(1002, "zweites Schließen".encode()), "Close 1002 'zweites Schließen'"),
        (End("RST"), "the end of the connection (RST)"),
        (Nothing(2.0), "nothing within 2 s"),
    ],
)
def test_a_payload_is_in_quotation_marks_if_it_is_text_and_else_in_hex(heard: Heard, words: str) -> None:
    """What a terminal would act on is written by its number, and so is a byte in text that is none of it."""
    assert words == str(heard)


def test_a_character_that_is_cut_in_two_is_not_told_as_wrong() -> None:
    """It is the cut that is in the midst of it."""
    assert f"ping '{'x' * 39}'… (41 bytes)" == str(Ping(b"x" * 39 + "ß".encode()))


def test_a_line_of_http_is_told_at_length() -> None:
    """What is wrong with it may be at its end; and a field may not be there at all."""
    offer = b"permessage-deflate; server_max_window_bits=010"

    assert ["'permessage-deflate; server_max_window_bits=010'", "''", "no such field"] == [
        quoted(value) for value in (offer, b"", None)
    ]
