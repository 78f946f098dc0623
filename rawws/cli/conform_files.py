"""Reports as files: whether they can be written, before the run, and what becomes of them if not, when it is over."""

import importlib
import os
import tempfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO, TypeAlias

from rawws.cli.conform_options import wrong

Writing: TypeAlias = tuple[str | Path, Callable[[], str]]
"""Where to, "-" for stdout, and what makes the text."""


def check_file(name: str, path: Path) -> None:
    """See that it can be written.

    Raises:
        Trouble: it cannot.
    """
    if path.is_dir():
        raise wrong(f"--{name} {path} is a directory; give a file")
    if not path.parent.is_dir():
        raise wrong(f"--{name} {path}: there is no directory {path.parent}")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise wrong(f"--{name} {path} cannot be written; it is not permitted")


def check_directory(name: str, path: Path) -> None:
    """See that it is there, or make it.

    Raises:
        Trouble: it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise wrong(f"--{name} {path}: {error.strerror}; give a directory") from None


def page() -> Any:
    """The module that writes pages: it needs more than the others.

    Raises:
        Trouble: what it needs is not there.
    """
    try:
        return importlib.import_module("rawws.conformance.report.html")
    except ModuleNotFoundError as error:
        raise wrong(f"--html needs {error.name}: pip install 'rawws[conform]'") from None


def write_all(writings: Iterable[Writing], stdout: TextIO) -> list[str]:
    """Write all that can be written; a sentence for each that cannot."""
    return [failure for path, text in writings if (failure := _write(path, text, stdout))]


def _write(path: str | Path, text: Callable[[], str], stdout: TextIO) -> str:
    try:
        written = text()
    except Exception as error:
        if os.environ.get("RAWWS_TRACEBACK"):
            raise
        return f"no {path}: {type(error).__name__}: {error}; this is a bug in rawws; RAWWS_TRACEBACK=1 shows where"
    try:
        if path == "-":
            stdout.write(written)
            stdout.flush()
        else:
            Path(path).write_text(written, encoding="utf-8", errors="backslashreplace")
    except BrokenPipeError:
        pass  # Whoever wanted it has gone.
    except OSError as error:
        return f"cannot write {'to stdout' if path == '-' else path}: {error.strerror}{_elsewhere(Path(path), written)}"
    return ""


def _elsewhere(path: Path, text: str) -> str:
    """Keep a report that cannot be written where it should be; where it is, for people."""
    with suppress(OSError):
        with tempfile.NamedTemporaryFile(
            "w", prefix="rawws-", suffix=path.suffix, encoding="utf-8", errors="backslashreplace", delete=False
        ) as file:
            file.write(text)
        return f" (it is in {file.name})"
    return ""
