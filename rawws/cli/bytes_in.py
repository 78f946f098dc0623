"""Bytes in whatever form people have them: hex, dumps, literals of C and Python, base64, files, stdin.

Each reader below takes a text and gives the bytes, or None if the text is not of its kind; they are tried in turn, from
the most particular form to the least.
"""

import re
import sys
from base64 import b64decode
from collections.abc import Callable
from itertools import takewhile
from pathlib import Path

from rawws.cli.terminal import Exit, Trouble

FORMS = ("auto", "hex", "base64", "raw")

_HTTP = re.compile(r"[A-Z]+ \S+ HTTP/\d|HTTP/\d\.\d \d{3}")
_ESCAPE = re.compile(r"\\(?:x[0-9a-fA-F]{2}|[0-7]{3}|r\\n)")
_IN_LITERAL = re.compile(r"\\x([0-9a-fA-F]{2})|\\([0-7]{1,3})|\\(.)|([^\\]+)|(.)", re.DOTALL)
_NAMED = dict(zip("abefnrtv", (7, 8, 27, 12, 10, 13, 9, 11)))
_QUOTED = re.compile(r"""[bB]?[rR]?("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')""", re.DOTALL)
_DUMP = re.compile(r"\s*(?P<offset>[0-9a-fA-F]{4,16})(?P<mark>:\s*|\s{1,4})(?P<rest>.*)")
_LIST = re.compile(r"(?:bytes|bytearray)?\s*\(?\s*[\[{(]([\d\s,]+)[\]})]\s*\)?;?")


def gather(words: list[str], form: str = "auto") -> bytes:
    """The bytes that the words of a command line stand for; "-" is stdin, and "@name" a file.

    Raises:
        Trouble: they are in no form that is known, or a file cannot be read.
    """
    if words == ["-"]:
        return from_data(sys.stdin.buffer.read(), form, "stdin")
    if len(words) == 1 and words[0].startswith("@"):
        return from_data(_file(words[0][1:]), form, words[0])
    return from_text(" ".join(words), form)


def _file(name: str) -> bytes:
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise Trouble(f"@{name}: {error.strerror}; @ is followed by the name of a file", Exit.USAGE) from None


def from_data(data: bytes, form: str, where: str) -> bytes:
    """The bytes in a file: text in one of the forms, or, if it is no such text, what the file holds."""
    if not data:
        raise Trouble(f"{where} is empty; there is nothing to explain", Exit.USAGE)
    if form == "raw":
        return data
    if data[:4] in (b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\xc3\xd4", b"\n\r\r\n"):
        advice = "save one direction of the stream as raw bytes (Wireshark: Follow, TCP Stream, Show as Raw)"
        raise Trouble(f"{where} is a packet capture; {advice}", Exit.USAGE)
    if not data.isascii() or any(byte < 9 for byte in data):
        return data
    return from_text(data.decode("ascii"), form)


def from_text(text: str, form: str = "auto") -> bytes:
    """The bytes that a text stands for."""
    readers: dict[str, tuple[Callable[[str], bytes | None], ...]] = {
        "auto": (read_head, read_dump, read_literal, read_list, read_hex, read_base64),
        "hex": (read_dump, read_hex),
        "base64": (read_base64,),
        "raw": (str.encode,),
    }
    for reader in readers[form]:
        data = reader(text)
        if data is not None:
            return data
    raise Trouble(_why_not(text, form), Exit.USAGE)


def _why_not(text: str, form: str) -> str:
    if form == "base64":
        return "this is not base64; leave out --as base64 to have the form guessed"
    digits = _digits(text)
    if wrong := re.search(r"[^0-9a-fA-F]", digits):
        return f"{wrong[0]!a} is no hex digit; write bytes as 81 05 48 65 6c 6c 6f, @FILE, or - for stdin"
    if not digits:
        return "there is nothing to explain; write bytes as 81 05 48 65 6c 6c 6f, @FILE, or - for stdin"
    return f"{len(digits)} hex digits are no whole number of bytes; write two digits for each, as in 05"


def read_head(text: str) -> bytes | None:
    """An HTTP head as it is, with line ends that an editor or a paste may have changed."""
    if not _HTTP.match(text.lstrip()) or _ESCAPE.search(text):
        return None
    lines = text.lstrip().replace("\r\n", "\n").split("\n")
    return "\r\n".join(lines).encode()


def read_dump(text: str) -> bytes | None:
    """What xxd, hexdump -C, od -t x1 and Wireshark print: an offset in front of each line.

    It is a dump only if the offsets are right: a line of plain hex can look like one.
    """
    data = bytearray()
    lines = [line for line in text.splitlines() if line.strip()]
    for line in lines:
        if line.strip() == "*" and data:
            raise Trouble("the dump leaves out lines that repeat (*); dump again with hexdump -v", Exit.USAGE)
        found = _DUMP.fullmatch(line + " ")
        if found is None or len(data) not in _offsets(found["offset"]):
            return None
        if found["mark"] == " " and len(found["offset"]) < 6 and len(lines) == 1:
            return None
        data += _columns(found["rest"], colon=":" in found["mark"])
    return bytes(data) or None


def _offsets(digits: str) -> set[int]:
    """An offset is in hex, or in octal if `od` wrote it."""
    octal = len(digits) == 7 and not set(digits) - set("01234567")
    return {int(digits, 16)} | ({int(digits, 8)} if octal else set())


def _columns(rest: str, *, colon: bool) -> bytes:
    """The bytes of a line of a dump, without the characters at its right."""
    columns = re.split(r"\s{2,}" if colon else r"\s{3,}|\|", rest.strip())[0]
    octets = "(?:[0-9a-fA-F]{2})+" if colon else "[0-9a-fA-F]{2}"
    groups = list(takewhile(re.compile(octets).fullmatch, columns.split()))
    if not groups and re.match(r"[0-9a-fA-F]{4}\b", columns):
        raise Trouble("these look like the swapped words of hexdump; use hexdump -C or xxd", Exit.USAGE)
    return bytes.fromhex("".join(groups))


def read_literal(text: str) -> bytes | None:
    r"""Strings of C and Python, in quotes or bare: b"\x81\x05Hello", "\x81" "\x05", \x81\x05Hello."""
    text = text.strip().rstrip(";")
    quoted = _QUOTED.findall(text)
    if quoted and not _QUOTED.sub("", text).strip(" \t\r\n()"):
        return b"".join(_unescaped(part[1:-1]) for part in quoted)
    return _unescaped(text) if "\\" in text and not _only_escapes_and_commas(text) else None


def _only_escapes_and_commas(text: str) -> bool:
    """Hex written as \\x81, \\x05: blanks and commas are no bytes here."""
    return bool(re.fullmatch(r"(?:\\x[0-9a-fA-F]{2}[\s,]*)+", text))


def _unescaped(text: str) -> bytes:
    data = bytearray()
    for two, octal, named, plain, broken in _IN_LITERAL.findall(text):
        if named == "x" or broken:
            raise Trouble("a literal has a broken escape; \\x is followed by two hex digits", Exit.USAGE)
        if two or octal:
            data.append(int(two, 16) if two else int(octal, 8) & 0xFF)
        else:
            data += bytes([_NAMED[named]]) if named in _NAMED else (named or plain).encode()
    return bytes(data)


def read_list(text: str) -> bytes | None:
    """A list of decimal numbers in brackets: [129, 5, 72], bytes([129, 5])."""
    found = _LIST.fullmatch(text.strip())
    numbers = [int(word) for word in re.findall(r"\d+", found[1])] if found and "," in found[1] else []
    if max(numbers, default=0) > 255:
        raise Trouble(f"{max(numbers)} is no byte; a list has numbers from 0 to 255", Exit.USAGE)
    return bytes(numbers) or None


def _digits(text: str) -> str:
    """The hex digits of a text, without what people write between them."""
    text = re.sub(r"//.*|#.*", "", text)
    text = re.sub(r"\b0[xX]([0-9a-fA-F])(?![0-9a-fA-F])", r"0\1", text)
    return re.sub(r"0[xX]|\\x|[\s,:;.|_(){}\[\]<>\"'-]", "", text)


def read_hex(text: str) -> bytes | None:
    """Hex digits, with blanks, colons, commas, 0x or \\x between them or nothing at all."""
    words = re.split(r"[\s,]+", text.strip())
    if len(words) > 1 and all(re.fullmatch(r"[0-9a-fA-F]{1,2}", word) for word in words):
        return bytes(int(word, 16) for word in words)
    digits = _digits(text)
    if not digits or len(digits) % 2 or re.search(r"[^0-9a-fA-F]", digits):
        return None
    return bytes.fromhex(digits)


def read_base64(text: str) -> bytes | None:
    """Base64 of either alphabet, in one word, over any number of lines."""
    digits = re.sub(r"[\r\n]", "", text.strip())
    if not digits or len(digits) % 4 or not re.fullmatch(r"[A-Za-z0-9+/_-]+={0,2}", digits):
        return None
    return b64decode(digits, altchars=b"-_" if re.search(r"[-_]", digits) else None)
