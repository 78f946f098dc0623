"""Seeds: inputs with speaking names in fuzz/seeds/TARGET/, written so that people can read them.

A line in double quotes is text, with the escapes of Python; all others are hex digits; `#` begins a comment.
"""

import ast
from pathlib import Path

HERE = Path(__file__).parent / "seeds"


def read(text: str) -> bytes:
    """The input that a seed file stands for."""
    return b"".join(map(_read_line, text.splitlines()))


def _read_line(line: str) -> bytes:
    if line.startswith('"'):
        value = ast.literal_eval("b" + line)
        assert isinstance(value, bytes)
        return value
    return bytes.fromhex(line.partition("#")[0])


def of(target: str) -> dict[str, bytes]:
    """The seeds of a target by name."""
    return {path.stem: read(path.read_text("utf-8")) for path in sorted((HERE / target).glob("*.txt"))}
