"""What is said in the chat, and what both sides remember of it: no sockets here."""

import asyncio
import json
from collections import deque
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples.chat.history import KEEP, NEWCOMER, History, Message
from examples.chat.member import Member
from examples.chat.protocol import NAME, TEXT, Join, Mistake, Say, Typing, read
from examples.chat.store import Local

# --- What is said -----------------------------------------------------------------------------------------------------


def test_three_things_can_be_said():
    """What is right is read as what it is; blanks around and within a name are made one."""
    assert Join("lobby", "Ann Lee") == read('{"kind": "join", "room": "lobby", "name": " Ann\\t Lee "}')
    assert Join("lobby", "Ann", 17, "a log") == read(
        '{"kind": "join", "room": "lobby", "name": "Ann", "seen": 17, "log": "a log"}'
    )
    assert Say("a-1", "👩‍🚀 Grüß dich\n") == read('{"kind": "say", "id": "a-1", "text": "👩‍🚀 Grüß dich\\n"}')
    assert Join("lobby", "👩‍🚀") == read('{"kind": "join", "room": "lobby", "name": "👩‍🚀"}')
    assert Typing() == read('{"kind": "typing"}')


MISTAKES = {
    "binary": (b"{}", None),
    "no JSON": ("hello", None),
    "a deep nest": ("[" * 15000, None),
    "a list": ("[]", None),
    "no kind": ("{}", None),
    "an unknown kind": ('{"kind": "shout"}', None),
    "a kind that is a list": ('{"kind": []}', None),
    "no room": ('{"kind": "join", "name": "Ann"}', None),
    "no name": ('{"kind": "join", "room": "lobby", "name": " "}', None),
    "a name that is a number": ('{"kind": "join", "room": "lobby", "name": 1}', None),
    "a long name": (json.dumps({"kind": "join", "room": "lobby", "name": "n" * (NAME + 1)}), None),
    "a name that steers a terminal": ('{"kind": "join", "room": "lobby", "name": "\\u001b[2J"}', None),
    "a name that nobody sees": ('{"kind": "join", "room": "lobby", "name": "\\u200b"}', None),
    "a name that turns around": ('{"kind": "join", "room": "lobby", "name": "\\u202eAnn"}', None),
    "a joiner of nothing": ('{"kind": "join", "room": "lobby", "name": "Ann\\u200d"}', None),
    "seen a fraction": ('{"kind": "join", "room": "lobby", "name": "Ann", "seen": 1.5}', None),
    "seen true": ('{"kind": "join", "room": "lobby", "name": "Ann", "seen": true}', None),
    "seen less than nothing": ('{"kind": "join", "room": "lobby", "name": "Ann", "seen": -1}', None),
    "seen more than there can be": ('{"kind": "join", "room": "lobby", "name": "Ann", "seen": 1e999}', None),
    "a log that is none": ('{"kind": "join", "room": "lobby", "name": "Ann", "log": {}}', None),
    "no id": ('{"kind": "say", "text": "hello"}', None),
    "a long id": (json.dumps({"kind": "say", "id": "i" * 65, "text": "hello"}), None),
    "no text": ('{"kind": "say", "id": "a-1"}', "a-1"),
    "nothing in it": ('{"kind": "say", "id": "a-1", "text": " \\n"}', "a-1"),
    "a long text": (json.dumps({"kind": "say", "id": "a-1", "text": "t" * (TEXT + 1)}), "a-1"),
    "half of a pair": ('{"kind": "say", "id": "a-1", "text": "\\ud800"}', "a-1"),
    "a zero": ('{"kind": "say", "id": "a-1", "text": "\\u0000"}', "a-1"),
}


@pytest.mark.parametrize("said, id", MISTAKES.values(), ids=MISTAKES.keys())
def test_what_is_wrong_is_a_mistake(said, id):
    """It is told in a line, and if it is a message that could be named, then which one."""
    with pytest.raises(Mistake) as raised:
        read(said)

    assert id == raised.value.id
    assert str(raised.value).isprintable()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=80),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["kind", "room", "name", "seen", "log", "id", "text"]), inner, max_size=4)
    ),
    max_leaves=4,
)
LIKELY = st.fixed_dictionaries(
    {"kind": st.sampled_from(["join", "say", "typing", "shout"])},
    optional=dict.fromkeys(("room", "name", "seen", "log", "id", "text"), JSON),
)


@given(st.text() | st.binary() | (JSON | LIKELY).map(json.dumps))
def test_whatever_comes_is_right_or_a_mistake(said):
    """Nothing else is ever raised, and all that is right can be written in UTF-8 and is not too long."""
    try:
        is_said = read(said)
    except Mistake:
        return
    texts = [
        value for value in (getattr(is_said, name, None) for name in ("room", "name", "text")) if value is not None
    ]
    assert all(0 < len(text.encode()) <= 4 * TEXT for text in texts)


# --- What is remembered -----------------------------------------------------------------------------------------------


def message(seq: int) -> Message:
    """The message with this number."""
    return Message(seq, f"id-{seq}", "Ann", f"text {seq}", 0.0)


@given(count=st.integers(0, 30), keep=st.integers(1, 10), seen=st.none() | st.integers(0, 40), most=st.integers(1, 7))
def test_what_was_missed_comes_in_batches_and_whole(count, keep, seen, most):
    """Who comes back gets all after what was seen, in order, or is told how many are gone for good."""
    history = History(keep=keep)
    for seq in range(1, count + 1):
        assert history.take(message(seq))
    at, missed = history.begin(seen)
    got = []
    while batch := history.since(at, most):
        assert len(batch) <= most
        got += batch
        at = batch[-1].seq

    kept = range(max(count - keep, 0) + 1, count + 1)
    if seen is None:  # A newcomer gets the end.
        assert (0, list(kept)[-NEWCOMER:]) == (missed, [one.seq for one in got])
    elif seen > count:  # Another process was faster: nothing is new, and what is not new does not come again.
        assert (seen, 0, []) == (*history.begin(seen), got)
    else:
        assert list(range(seen + 1, count + 1)) == [*range(seen + 1, seen + 1 + missed), *(one.seq for one in got)]


def test_a_newcomer_begins_with_what_is_kept():
    """When all but the last message is forgotten it is the first that a newcomer gets, and nothing before it."""
    history = History([message(1000)])

    assert (999, 0) == history.begin(None)
    assert [1000] == [one.seq for one in history.since(999, 20)]


def test_a_line_that_is_too_long_is_not_said():
    """A server may hang up on it: if the member kept it, it would say it again for ever."""
    member = Member("lobby", "Ann")
    member.say("t" * TEXT)

    with pytest.raises(ValueError, match="it has 2001 characters, and may have 2000"):
        member.say("t" * (TEXT + 1))
    assert 1 == len(member.outbox)


def test_a_message_is_taken_once_and_no_gap_is_taken():
    """A message that was taken before is no news; one that is too early would be a hole."""
    history = History([message(7)])

    assert [False, True, False] == [history.take(message(seq)) for seq in (6, 8, 8)]
    with pytest.raises(ValueError, match="10 came after 8"):
        history.take(message(10))


class Line:
    """A connection between a `Member` and a store, of which any part may be lost: what is under way is gone then."""

    def __init__(self, member: Member) -> None:
        self.member = member
        self.up: deque[str] = deque()
        self.down: deque[str] = deque()
        self.at: int | None = None
        self.shown: list[str] = []

    def connect(self) -> None:
        """The old connection, if there was one, is lost, and a new one begins."""
        self.up, self.down, self.at = deque(self.member.greeting()), deque(), None

    async def serve(self, store: Local, history: History) -> None:
        """The server reads one thing."""
        match read(self.up.popleft()) if self.up else None:
            case Join(seen=seen, log=log):
                self.at, missed = history.begin(seen if log == store.log else None)
                self._tell("welcome", log=store.log, seen=self.at, missed=missed)
            case Say(id, text):
                seq = await store.add("room", id, self.member.name, text)
                self._tell("accepted", id=id, seq=seq)

    def push(self, history: History) -> None:
        """The server sends what is new."""
        if self.at is not None:
            for new in history.since(self.at, 1000):
                self._tell("messages", messages=[{"seq": new.seq, "id": new.id, "text": new.text}])
                self.at = new.seq

    def read(self) -> None:
        """The member hears one thing."""
        if self.down:
            told = self.member.hear(self.down.popleft())
            self.shown += [one["text"] for one in told.get("messages", [])]

    def _tell(self, kind: str, **facts: Any) -> None:
        self.down.append(json.dumps({"kind": kind, **facts}))


STEPS = st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["say", "connect", "serve", "serve", "read", "read"])))


@given(STEPS)
def test_lost_connections_lose_nothing_and_double_nothing(steps):
    """Three members talk over lines that break anywhere, and in the end all have seen all, once, in the same order."""
    asyncio.run(over_bad_lines(steps))


async def over_bad_lines(steps: list[tuple[int, str]]) -> None:
    store, history = Local(), History()
    await store.open("room", history.take)
    lines = [Line(Member("room", f"member {number}")) for number in range(3)]
    said: list[str] = []

    async def step(line: Line, what: str) -> None:
        match what:
            case "say":
                said.append(f"text {len(said)} of {line.member.name}")
                line.up.append(line.member.say(said[-1]))
            case "connect":
                line.connect()
            case "serve":
                await line.serve(store, history)
            case "read":
                line.read()
        for each in lines:
            each.push(history)

    for line in lines:
        await step(line, "connect")
    for number, what in steps:
        await step(lines[number], what)
    for line in lines:
        await step(line, "connect")
        while line.up:
            await step(line, "serve")
    for line in lines:
        while line.down:
            line.read()

    assert sorted(said) == sorted(one.text for one in history.since(0, KEEP))
    assert [[one.text for one in history.since(0, KEEP)]] * 3 == [line.shown for line in lines]
    assert [{}] * 3 == [line.member.outbox for line in lines]
    await store.stop()
