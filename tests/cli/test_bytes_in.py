"""The forms in which people have bytes."""

from pathlib import Path

import pytest

from rawws.cli.bytes_in import from_data, from_text, gather
from rawws.cli.terminal import Exit, Trouble
from tests.wire import octets

HELLO = octets("81 85 37fa213d 7f9f4d5158")
"""The masked "Hello" of section 5.7."""

LONG = octets("82 7e 0020") + bytes(range(0x80, 0xA0))

XXD = """\
00000000: 827e 0020 8081 8283 8485 8687 8889 8a8b  .~. ............
00000010: 8c8d 8e8f 9091 9293 9495 9697 9899 9a9b  ................
00000020: 9c9d 9e9f                                ....
"""
HEXDUMP = """\
00000000  82 7e 00 20 80 81 82 83  84 85 86 87 88 89 8a 8b  |.~. ............|
00000010  8c 8d 8e 8f 90 91 92 93  94 95 96 97 98 99 9a 9b  |................|
00000020  9c 9d 9e 9f                                       |....|
00000024
"""
OD = """\
0000000 82 7e 00 20 80 81 82 83 84 85 86 87 88 89 8a 8b
0000020 8c 8d 8e 8f 90 91 92 93 94 95 96 97 98 99 9a 9b
0000040 9c 9d 9e 9f
0000044
"""
WIRESHARK = """\
0000   82 7e 00 20 80 81 82 83 84 85 86 87 88 89 8a 8b   .~. ............
0010   8c 8d 8e 8f 90 91 92 93 94 95 96 97 98 99 9a 9b   ................
0020   9c 9d 9e 9f                                       ....
"""


@pytest.mark.parametrize(
    "text",
    [
        "81 85 37 fa 21 3d 7f 9f 4d 51 58",
        "818537fa213d7f9f4d5158",
        "8185 37FA213D 7f9f4d5158",
        "81:85:37:fa:21:3d:7f:9f:4d:51:58",
        "81-85-37-fa-21-3d-7f-9f-4d-51-58",
        "0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58",
        "0x81 0x85 0x37 0xfa 0x21 0x3d 0x7f 0x9f 0x4d 0x51 0x58",
        "{0x81,0x85,0x37,0xfa,0x21,0x3d,0x7f,0x9f,0x4d,0x51,0x58};",
        r"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58",
        r"\x81 \x85 \x37 \xfa \x21 \x3d \x7f \x9f \x4d \x51 \x58",
        r"\x81\x857\xfa!=\x7f\x9fMQX",
        r"b'\x81\x857\xfa!=\x7f\x9fMQX'",
        r'"\x81\x857\xfa" "!=\x7f\x9fMQX";',
        r"\201\205\067\372\041\075\177\237\115\121\130",
        "[129, 133, 55, 250, 33, 61, 127, 159, 77, 81, 88]",
        "bytes([129, 133, 55, 250, 33, 61, 127, 159, 77, 81, 88])",
        "gYU3+iE9f59NUVg=",
        "gYU3-iE9f59NUVg=",
        "gYU3+iE9\nf59NUVg=\n",
        "00000000: 8185 37fa 213d 7f9f 4d51 58              ..7.!=..MQX",
        "00000000: 8185 37fa 213d 7f9f 4d51 58 ..7.!=..MQX",
        "// a comment\n0x81, 0x85, // header\n0x37, 0xfa, 0x21, 0x3d,\n0x7f, 0x9f, 0x4d, 0x51, 0x58",
    ],
)
def test_hello_is_read_in_every_usual_form(text: str) -> None:
    """Whatever a tool or a colleague gave, it can be pasted."""
    assert HELLO == from_text(text)


@pytest.mark.parametrize("dump", [XXD, HEXDUMP, OD, WIRESHARK], ids=["xxd", "hexdump", "od", "wireshark"])
def test_a_dump_of_several_lines_is_read_without_its_offsets_and_characters(dump: str) -> None:
    """The characters at the right may look like hex; they are none."""
    assert LONG == from_text(dump)


@pytest.mark.parametrize("text, data", [("8 1", "0801"), ("81 0", "8100"), ("0x5", "05"), ("0000 8100", "00008100")])
def test_short_forms_mean_what_they_seem_to_mean(text: str, data: str) -> None:
    """One digit between blanks is a byte, and four digits that could be an offset are bytes when they stand alone."""
    assert octets(data) == from_text(text)


def test_a_pasted_head_gets_the_line_ends_that_http_has() -> None:
    """Editors and terminals make LF of CRLF."""
    assert b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" == from_text("GET / HTTP/1.1\nHost: x\n\n")
    assert b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" == from_text(r"GET / HTTP/1.1\r\nHost: x\r\n\r\n")


def test_a_binary_file_is_taken_as_it_is_and_a_text_file_is_read(tmp_path: Path) -> None:
    """A file holds the bytes themselves, or one of the forms."""
    binary, text = tmp_path / "frame.bin", tmp_path / "frame.txt"
    binary.write_bytes(HELLO)
    text.write_text(XXD)

    assert (HELLO, LONG) == (gather([f"@{binary}"]), gather([f"@{text}"]))


def test_the_form_can_be_said_where_a_guess_would_be_wrong() -> None:
    """`gABB` is base64, `8100` hex although it is base64 too, and ASCII can be the bytes themselves."""
    assert octets("80 00 41") == from_text("gABB")
    assert octets("81 00") == from_text("8100")
    assert octets("f3 5d 34") == from_text("8100", "base64")
    assert b"8100" == from_data(b"8100", "raw", "stdin")


@pytest.mark.parametrize(
    "text, form, advice",
    [
        ("81 zz", "auto", "'z' is no hex digit; write bytes as 81 05"),
        ("818", "auto", "3 hex digits are no whole number of bytes"),
        ("", "auto", "there is nothing to explain"),
        ("0000000 8581 fa37 3d21", "auto", "use hexdump -C or xxd"),
        ("[300, 2]", "auto", "300 is no byte"),
        (r"b'\x8'", "auto", "a literal has a broken escape"),
        ("?", "base64", "this is not base64"),
        ("00000000  81 00 |..|\n*\n00000020  81 00 |..|", "auto", "dump again with hexdump -v"),
    ],
)
def test_what_cannot_be_read_is_told_with_advice(text: str, form: str, advice: str) -> None:
    """One line, which says what to do; the exit code is that of a wrong command line."""
    with pytest.raises(Trouble) as caught:
        from_text(text, form)

    assert (True, Exit.USAGE) == (advice in caught.value.line, caught.value.code)


def test_nothing_is_not_explained() -> None:
    """An empty file or pipe is a mistake, not legal traffic."""
    with pytest.raises(Trouble, match="stdin is empty"):
        from_data(b"", "raw", "stdin")


def test_a_packet_capture_is_recognised() -> None:
    """Frames lie deep in a pcap; the advice says how to get them out."""
    with pytest.raises(Trouble, match="Follow, TCP Stream"):
        from_data(octets("d4c3b2a1 00000000"), "auto", "@x.pcap")
