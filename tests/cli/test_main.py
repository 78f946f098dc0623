"""`rawws` itself: how it chooses a verb, what it does with wrong words, colours, and streams that fail."""

import io
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import rawws
from rawws.cli import VERBS
from rawws.cli.terminal import Terminal, for_terminal
from rawws.core import speedups
from tests.cli.run import Run, finish, spawn

ROOT = Path(rawws.__file__).parent.parent


@pytest.mark.parametrize("argv", [[], ["-h"], ["--help"], ["help"]])
def test_alone_it_says_what_there_is(run: Run, argv: list[str]) -> None:
    """Every verb, in a text that fits an old terminal."""
    outcome = run(*argv)

    assert (0, "") == (outcome.code, outcome.err)
    assert all(f"rawws {verb}" in outcome.out for verb in VERBS)
    assert max(map(len, outcome.out.splitlines())) < 80


def test_it_runs_as_a_module_too() -> None:
    """`python -m rawws` is `rawws`; the first line of its version is that alone."""
    outcome = finish(spawn("--version"))

    speed = "yes" if speedups.in_use else "no"
    assert (0, f"rawws {rawws.__version__}\nC speedups: {speed}\n", "") == outcome


def test_the_modules_beside_the_package_are_packed() -> None:
    """What the command and pytest begin with are no modules of the package."""
    packed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["py-modules"]

    assert {path.stem for path in ROOT.glob("_rawws_*.py")} == {*packed}


@pytest.mark.parametrize("begin", ["import _rawws_cli; sys.exit(_rawws_cli.main())", "runpy.run_module('rawws')"])
def test_ctrl_c_is_no_traceback_while_it_is_imported(begin: str) -> None:
    """The exit code is that of any other moment."""
    code = f"""
import runpy, signal, sys

class Finder:
    def find_spec(self, name, *_):
        if name == "rawws.cli":
            signal.raise_signal(signal.SIGINT)

sys.meta_path.insert(0, Finder())
signal.signal(signal.SIGINT, signal.default_int_handler)
{begin}
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=20)

    assert (130, "", "") == (done.returncode, done.stdout, done.stderr)


def test_the_version_says_when_there_is_no_c(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody wants it so, or it was not built."""
    monkeypatch.setenv("RAWWS_PURE", "1")
    outcome = finish(spawn("--version"))

    assert (0, f"rawws {rawws.__version__}\nC speedups: no\n", "") == outcome


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_that_fits(run: Run, verb: str) -> None:
    """80 columns, and an example or an advice below the options."""
    outcome = run(verb, "--help")

    assert (0, True) == (outcome.code, outcome.out.startswith(f"usage: rawws {verb} "))
    assert 80 >= max(map(len, outcome.out.splitlines()))


@pytest.mark.parametrize(
    "argv, words",
    [
        (["conect"], "did you mean connect?"),
        (["xyzzy"], "there are connect, serve, explain, demo, conform, and ws:// URLs"),
        (["http://example.com/a"], "try rawws ws://example.com/a"),
        (["https://example.com"], "try rawws wss://example.com"),
        (["localhost:8765"], "try rawws ws://localhost:8765"),
        (["example.com"], "try rawws ws://example.com"),
        (["--frobnicate"], "--frobnicate needs a verb or a URL"),
        (["\x1b[31m"], r"'\x1b[31m' is no verb"),
        (["demo", "--nonsense"], "rawws demo --help shows what there is"),
        (["explain", "zz"], "'z' is no hex digit"),
        (["explain", "@/nowhere"], "No such file or directory"),
        (["explain", "--as", "morse", "00"], "invalid choice: 'morse'"),
    ],
)
def test_wrong_words_are_one_line_that_says_what_to_write(run: Run, argv: list[str], words: str) -> None:
    """Exit code 64, nothing on stdout, one line on stderr that begins with rawws."""
    outcome = run(*argv)

    assert (64, "", 1) == (outcome.code, outcome.out, outcome.err.count("\n"))
    assert (True, True) == (outcome.err.startswith("rawws"), words in outcome.err)


def test_options_may_stand_before_the_url(run: Run) -> None:
    """`rawws -v ws://…` connects."""
    assert 3 == run("-v", "--timeout", "1", "ws://127.0.0.1:1").code


def test_a_bug_is_one_line_too(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """And says how to see more."""
    monkeypatch.setattr("rawws.cli.explain.gather", lambda *_: 1 / 0)

    outcome = run("explain", "00")

    assert (1, 1, True) == (outcome.code, outcome.err.count("\n"), "RAWWS_TRACEBACK=1" in outcome.err)


@pytest.mark.parametrize("verb", [["demo"], ["explain", "--all", "827f000000000000c350" + "00" * 50_000]])
def test_a_reader_that_goes_away_is_no_error(verb: list[str]) -> None:
    """`rawws demo | head -1`: no traceback, no message, the exit code of a broken pipe."""
    process = spawn(*verb)
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    process.stdout = None

    assert (141, "") == (finish(process).code, "")


@pytest.mark.parametrize("closing", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_streams_may_be_closed(closing: str) -> None:
    """As cron and daemons do."""
    command = f"'{sys.executable}' -m rawws explain 8100 {closing}"
    done = subprocess.run(command, shell=True, capture_output=True, timeout=20, check=False)

    assert (0, False) == (done.returncode, b"rror" in done.stderr)


class Screen(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    "environment, coloured",
    [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False), ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, False)],
)
def test_colours_are_for_terminals_that_want_them(
    environment: dict[str, str], coloured: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """https://no-color.org is heard, and a dumb terminal gets none."""
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    screen, file = Screen(), io.StringIO()
    Terminal(screen, file).out(("red", "bad"), " [bold]plain")
    Terminal(file, screen).out(("red", "bad"), " [bold]plain")

    assert coloured == ("\x1b[" in screen.getvalue())
    assert "red [bold]plain\n" == file.getvalue()


def test_without_rich_all_is_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra `cli` brings colours and nothing else."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    for name in ("rich", "rich.console", "rich.text"):
        monkeypatch.setitem(sys.modules, name, None)
    screen = Screen()
    Terminal(screen, screen).out(("red", "bad"), " plain")

    assert "red plain\n" == screen.getvalue()


@pytest.mark.parametrize(
    "text, shown",
    [
        ("plain çığ\t👩‍🚀", "plain çığ\t👩‍🚀"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("a\r\n> b", "a\\r\n  > b"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
    ],
)
def test_what_a_peer_says_cannot_act_on_a_terminal(text: str, shown: str) -> None:
    """Control characters are spelled out; tabs and new lines stay, but a new line is indented."""
    assert shown == for_terminal(text)
