"""The other end of `Process.ask`: what a contender does that is no server."""

import json
import sys
from collections.abc import Callable, Mapping
from typing import Any


def serve(answer: Callable[..., Mapping[str, Any]]) -> None:
    """Say that this process is ready; then answer each line of JSON with one, until the input ends.

    What goes wrong is an answer too: `{"error": "…"}`.
    """
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(_answer(answer, json.loads(line))), flush=True)


def _answer(answer: Callable[..., Mapping[str, Any]], question: dict[str, Any]) -> Mapping[str, Any]:
    try:
        return answer(**question)
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}
