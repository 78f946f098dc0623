"""`rawws demo`."""

import re
from pathlib import Path

from tests.cli.run import Run

GOLDEN = Path(__file__).with_name("demo.txt")


def test_everybody_sees_the_same_conversation(run: Run) -> None:
    """Every byte and every word is as written down in demo.txt; only the port differs.

    After a change that is meant, write it anew: COLUMNS=80 rawws demo, with the port replaced by PORT.
    """
    outcome = run("demo")

    assert (0, "") == (outcome.code, outcome.err)
    assert GOLDEN.read_text(encoding="utf-8") == re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT", outcome.out)


def test_json_has_the_same_bytes(run: Run) -> None:
    """One object for each line and each frame, with the act that it belongs to."""
    told = run("demo", "--json").json

    assert "GET /chat HTTP/1.1" == told[0]["line"]
    assert {"act": 3, "header": "818537fa213d", "payload": "48656c6c6f", "text": "Hello"}.items() <= next(
        found.items() for found in told if found["type"] == "frame"
    )
    assert [1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 3, 4, 5, 5, 5, 5, 5, 6, 6, 6, 7, 7, 8] == [
        found["act"] for found in told
    ]
    assert not any(found.get("broken") for found in told)
