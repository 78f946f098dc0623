"""What a client remembers, so that a lost connection loses nothing: page.html has the same in JavaScript.

It is pure too.  There are two halves: `seen` is what the server need not send again, `outbox` what the server has not
accepted yet, and what therefore is sent again.
"""

import json
from itertools import count
from typing import Any
from uuid import uuid4

from examples.chat.protocol import TEXT


class Member:
    """One who is in a room.

    Attributes:
        seen: the number of the last message that was shown; None for none.
        log: the log that it is a number of.
        outbox: by its id, each message that is not accepted yet, in order.
    """

    def __init__(self, room: str, name: str) -> None:
        self.room = room
        self.name = name
        self.seen: int | None = None
        self.log: str | None = None
        self.outbox: dict[str, str] = {}
        self._me = uuid4().hex[:12]
        self._numbers = count(1)

    def greeting(self) -> list[str]:
        """What to send on a new connection: who we are, and all that was not accepted on the one before."""
        facts = {"room": self.room, "name": self.name, "seen": self.seen, "log": self.log}
        return [_tell("join", **facts), *(_tell("say", id=id, text=text) for id, text in self.outbox.items())]

    def say(self, text: str) -> str:
        """What to send in order to say something; if it does not arrive, the next `greeting` says it again.

        Raises:
            ValueError: it is too long.  A server may hang up on it, however often it is said again.
        """
        if len(text) > TEXT:
            raise ValueError(f"this is not said: it has {len(text)} characters, and may have {TEXT}")
        id = f"{self._me}-{next(self._numbers)}"
        self.outbox[id] = text
        return _tell("say", id=id, text=text)

    def hear(self, data: str | bytes) -> dict[str, Any]:
        """What the server said, without the messages that were shown before."""
        told: dict[str, Any] = json.loads(data)
        match told["kind"]:
            case "welcome":
                self.log, self.seen = told["log"], told["seen"]
            case "messages":
                told["messages"] = [message for message in told["messages"] if self._is_new(message)]
            case "accepted" | "error":
                self.outbox.pop(told["id"], None)
        return told

    def _is_new(self, message: dict[str, Any]) -> bool:
        is_new: bool = message["seq"] > (self.seen or 0)
        if is_new:
            self.seen = message["seq"]
            self.outbox.pop(message["id"], None)
        return is_new


def _tell(kind: str, **facts: Any) -> str:
    return json.dumps({"kind": kind, **facts}, ensure_ascii=False)
