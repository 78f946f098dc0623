"""What a member says, read with care: whatever comes, it is one of three things said right, or it is a `Mistake`.

All is JSON in text messages, and `kind` says what it is:

    member to server    join (room, name, seen, log)        say (id, text)      typing
    server to member    welcome (room, log, seen, missed)   messages (messages: seq, id, name, text, time)
                        accepted (id, seq)                  here (names)        typing (name)
                        error (error, id)
"""

import json
from dataclasses import dataclass
from typing import Any, NoReturn, TypeAlias
from unicodedata import category

NAME = 32
"""Characters of a name, of a room or of a member."""
TEXT = 2000
"""Characters of a message."""
ID = 64
BIGGEST = 2**53 - 1
"""The last whole number that JavaScript counts to."""


class Mistake(Exception):
    """A member said something that cannot be.

    Attributes:
        id: of the message that it is about, or None.
    """

    def __init__(self, error: str, id: str | None = None) -> None:
        super().__init__(error)
        self.id = id


@dataclass(frozen=True, slots=True)
class Join:
    """A member comes, or comes back: it has seen all messages up to a number, in a certain log; None for nothing."""

    room: str
    name: str
    seen: int | None = None
    log: str | None = None


@dataclass(frozen=True, slots=True)
class Say:
    """A message.  Its id is made by the client, and is the same when it is sent again."""

    id: str
    text: str


@dataclass(frozen=True, slots=True)
class Typing:
    """A member is typing just now."""


SPACES = {ord("\n"): " ", ord("\t"): " "}

Said: TypeAlias = Join | Say | Typing


def read(data: str | bytes) -> Said:
    """What a member said; raises `Mistake`."""
    if not isinstance(data, str):
        raise Mistake("this is binary; a chat is text")
    try:
        said = json.loads(data)
    except (ValueError, RecursionError):
        raise Mistake("this is not JSON") from None
    if not isinstance(said, dict):
        raise Mistake("this is not a JSON object")
    match said.get("kind"):
        case "join":
            return Join(_name(said, "room"), _name(said, "name"), _seen(said), _log(said))
        case "say":
            return _say(said)
        case "typing":
            return Typing()
        case kind:
            raise Mistake(f"no kind is called {str(kind)[:NAME]!a}; there are join, say and typing")


def tell(kind: str, **facts: Any) -> str:
    """What the server says."""
    return json.dumps({"kind": kind, **facts}, ensure_ascii=False, separators=(",", ":"))


def _name(said: dict[str, Any], field: str) -> str:
    name = said.get(field)
    if not isinstance(name, str) or not name.strip():
        raise Mistake(f"{field!r} is missing, or is no text")
    name = " ".join(name.split())
    if len(name) > NAME or not _can_be_seen(name):
        raise Mistake(f"{field!r} is up to {NAME} characters, all of which can be seen")
    return name


def _seen(said: dict[str, Any]) -> int | None:
    seen = said.get("seen")
    if seen is None or (type(seen) is int and 0 <= seen <= BIGGEST):
        return seen
    raise Mistake("'seen' is the number of a message, or null")


def _log(said: dict[str, Any]) -> str | None:
    log = said.get("log")
    if log is None or (isinstance(log, str) and len(log) <= ID):
        return log
    raise Mistake("'log' is what the welcome said, or null")


def _say(said: dict[str, Any]) -> Say:
    id, text = said.get("id"), said.get("text")
    if not isinstance(id, str) or not 0 < len(id) <= ID or not (id.isascii() and id.isprintable()):
        raise Mistake(f"'id' is text of 1 to {ID} ASCII characters, made by the client")

    def refuse(why: str) -> NoReturn:
        raise Mistake(why, id)

    if not isinstance(text, str) or not text.strip():
        refuse("'text' is missing, or there is nothing in it")
    if len(text) > TEXT:
        refuse(f"'text' has {len(text)} characters, and may have {TEXT}")
    if not _can_be_shown(text.translate(SPACES)):
        refuse("'text' has characters that cannot be shown, such as U+0000 or half of a pair")
    return Say(id, text)


def _can_be_seen(name: str) -> bool:
    """Whether nothing in it is invisible or turns the line around; a joiner (U+200D) is, between what it joins."""
    return all(part and part.isprintable() for part in name.split("\u200d"))


def _can_be_shown(text: str) -> bool:
    """Whether there are no control characters, and no halves of a pair, which UTF-8 cannot say."""
    return all(category(character) not in ("Cc", "Cs") for character in text)
