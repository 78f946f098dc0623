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
    acts = [found["act"] for found in told]
    assert [10, 7, 1, 1, 5, 3, 2, 2, 1] == [acts.count(act) for act in range(1, 10)]
    assert not any(found.get("broken") for found in told)


def test_one_message_is_compressed_and_in_both_forms(run: Run) -> None:
    """The bytes are those of RFC 7692, whatever zlib is installed; the answer shows that each message chooses."""
    sent, answer = (found for found in run("demo", "--json").json if found["act"] == 7)

    assert {"compressed": True, "payload": "f248cdc9c90700", "decompressed": "48656c6c6f"}.items() <= sent.items()
    assert (False, "Hello") == (answer["compressed"], answer["text"])
