"""Endpoints that are wrong in one thing about fragments (section 5.4), Pings and Pongs (5.5)."""

from collections.abc import Callable
from os import urandom

from rawws.conformance.wire import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT
from rawws.core.settings import Role
from tests.conformance.zoo.between import Animal, Frame, Line, Way, each
from tests.conformance.zoo.ways import CONTROL, DATA, NOTHING, in_message, is_, loses, when, wrong

# --- 5.4: fragmentation -------------------------------------------------------------------------------------------


def is_fragment(one: Frame) -> bool:
    """It is not a whole message."""
    return one.is_legal and one.header.opcode in DATA and not (one.header.fin and one.header.opcode)


def until_the_end(frames: list[Frame], line: Line) -> bytes:
    """Pings in a message wait until it ends."""
    octets = b""
    waiting = line.memory.setdefault("waiting", [])
    for one in frames:
        if one.header.opcode == PING and line.memory.get("open"):
            waiting.append(one.raw)
            continue
        octets += one.raw
        if one.header.opcode in DATA:
            line.memory["open"] = not one.header.fin
            octets += b"".join(waiting) if one.header.fin else NOTHING
            waiting[:] = [] if one.header.fin else waiting
    return octets


def continuation(fins: tuple[bool, ...], opcode: int | None = None) -> Way:
    """A continuation of nothing is lost, or is something else."""

    def change(one: Frame, line: Line) -> bytes:
        if one.header.opcode != CONTINUATION or not one.is_legal or one.header.fin not in fins:
            return one.raw
        return NOTHING if opcode is None else one.again(opcode=opcode)

    def one_by_one(one: Frame, line: Line) -> bytes:
        was_open = line.memory.get("open", False)
        if one.header.opcode in DATA and (was_open or one.header.opcode):
            line.memory["open"] = not one.header.fin
        return one.raw if was_open else change(one, line)

    return each(one_by_one)


def message_in_message(same: tuple[bool, ...], joined: bool = False) -> Way:
    """A message in a message ends the one that is open, or belongs to it."""

    def one_by_one(one: Frame, line: Line) -> bytes:
        kind = line.memory.get("kind", 0)
        if one.header.opcode in DATA and one.is_legal:
            line.memory["kind"] = 0 if one.header.fin else kind or one.header.opcode
        if not kind or one.header.opcode not in (TEXT, BINARY) or (one.header.opcode == kind) not in same:
            return one.raw
        if joined:
            return one.again(opcode=CONTINUATION)
        return one.again(opcode=CONTINUATION, payload=NOTHING, fin=True) + one.raw

    return each(one_by_one)


def forgets_the_message(opcode: int) -> Way:
    """When such a frame comes in a message, the rest of the message is lost."""

    def change(one: Frame, line: Line) -> bytes:
        if one.header.opcode == opcode:
            line.memory["lost"] = True
        return NOTHING if one.header.opcode == CONTINUATION and line.memory.get("lost") else one.raw

    return in_message(change)


def at_most(most: int, opcode: int) -> Way:
    """In a message there are so many frames of this kind at most."""

    def change(one: Frame, line: Line) -> bytes:
        line.memory["seen"] = line.memory.get("seen", 0) + (one.header.opcode == opcode)
        return wrong(line) if line.memory["seen"] > most else one.raw

    return in_message(change)


def with_fin(*opcodes: int) -> Callable[[Frame, Line], bytes]:
    """Frames of these kinds have it."""
    return lambda one, line: one.again(fin=True) if one.header.opcode in opcodes and not one.header.fin else one.raw


NO_FIN = {"ping": (PING, 1), "pong": (PONG, 2), "Close": (CLOSE, 3)}
PINGS_WITHIN = "6455/5.4/1.4-6 6455/5.4/2.1-2 6455/5.4/7.2 6455/5.2/42 6455/5.5.2/3"
"""Cases with a ping in a message that is right."""

FRAGMENTS = [
    Animal(
        "loses what is behind the first fragment",
        "6455/5.4/1.1-6 6455/5.4/2.1-2 6455/5.4/3.7 6455/5.4/6.2 6455/5.4/7.1-2 6455/5.4/8.1-2 "
        "6455/5.2/42 6455/5.5.2/3",
        each(lambda one, line: one.again(payload=NOTHING) if is_(CONTINUATION)(one) else one.raw),
    ),
    Animal("loses a message with a ping in it", PINGS_WITHIN, forgets_the_message(PING)),
    Animal("lets pings wait for the end of a message", "6455/5.4/2.1-2 6455/5.5.2/3", until_the_end),
    Animal("ignores continuations of nothing", "6455/5.4/3.1-9", continuation((True, False))),
    Animal("ignores last continuations of nothing", "6455/5.4/3.1-3,9", continuation((True,))),
    Animal("ignores first continuations of nothing", "6455/5.4/3.4-8", continuation((False,))),
    Animal("takes continuations of nothing for text", "6455/5.4/3.1-3,9", continuation((True,), TEXT)),
    Animal("ends a message by the next", "6455/5.4/4.1-4", message_in_message((True, False))),
    Animal("joins a message to the one before", "6455/5.4/4.1-4", message_in_message((True, False), joined=True)),
    Animal("takes the same type again", "6455/5.4/4.1,4", message_in_message((True,), joined=True)),
    Animal("takes another type within a message", "6455/5.4/4.2-3", message_in_message((False,), joined=True)),
    Animal(
        "takes control frames without FIN",
        "6455/5.4/5.1-3",
        each(with_fin(*CONTROL)),
    ),
    *(
        Animal(f"takes a {name} without FIN", f"6455/5.4/5.{number}", each(with_fin(opcode)))
        for name, (opcode, number) in NO_FIN.items()
    ),
    Animal(
        "ignores empty fragments",
        "6455/5.4/6.1-3",
        loses(lambda one: is_fragment(one) and not one.payload),
    ),
    Animal(
        "ignores an empty fragment at the end",
        "6455/5.4/6.1-3",
        loses(lambda one: is_(CONTINUATION)(one) and one.header.fin and not one.payload),
    ),
    Animal(
        "takes no empty fragment at the beginning",
        "6455/5.4/6.1-2",
        each(lambda one, line: wrong(line) if is_fragment(one) and one.header.opcode and not one.payload else one.raw),
    ),
    Animal("loses a message with a pong in it", "6455/5.4/7.1", forgets_the_message(PONG)),
    Animal("takes five pings in a message", "6455/5.4/7.2", at_most(5, PING)),
    Animal(
        "takes fragments for text",
        "6455/5.4/8.1-2 6455/5.5.2/3",
        when(lambda one: is_fragment(one) and one.header.opcode == BINARY, opcode=TEXT),
    ),
    Animal(
        "ignores a Close in a message",
        "6455/5.4/9",
        in_message(lambda one, line: NOTHING if is_(CLOSE)(one) else one.raw),
    ),
    Animal("takes 100 fragments", "6455/5.4/8.2", at_most(100, CONTINUATION)),
]

# --- 5.5: control frames ------------------------------------------------------------------------------------------


def cut_to_size(opcode: int, more_than: int = 125) -> Way:
    """A control frame that is too long is cut."""
    return each(
        lambda one, line: (
            one.again(payload=one.payload[:125])
            if one.header.opcode == opcode and len(one.payload) > more_than
            else one.raw
        )
    )


def pongs(change: Callable[[bytes], bytes]) -> Way:
    """Pongs with something else in them."""
    return each(
        lambda one, line: one.again(payload=change(one.payload)[:125]) if one.header.opcode == PONG else one.raw
    )


def complains_behind_close(frames: list[Frame], line: Line) -> bytes:
    """A Close with a ping behind it is an error."""
    kinds = [one.header.opcode for one in frames if one.is_legal]
    return wrong(line) if kinds[-2:] == [CLOSE, PING] else b"".join(one.raw for one in frames)


def answers_pongs(one: Frame, line: Line) -> bytes:
    """A Pong gets a Pong."""
    if is_(PONG)(one):
        line.say(one.again(key=None if line.role is Role.SERVER else urandom(4)))
    return one.raw


def no_ping_behind_a_pong(frames: list[Frame], line: Line) -> bytes:
    """A Ping right behind a Pong is lost."""
    octets = NOTHING
    for one in frames:
        octets += NOTHING if is_(PING)(one) and line.memory.get("before") == PONG else one.raw
        line.memory["before"] = one.header.opcode
    return octets


ANSWERS = "6455/5.5.2/1.1-5 6455/5.5.2/2.1-2 6455/5.5.3/1.3"
"""Cases with a ping that is right, beside those with one in a message."""

CONTROLS = [
    Animal("takes long pings", "6455/5.5/1.1 6455/5.5/2", cut_to_size(PING)),
    Animal("takes pings of more than 64 KiB", "6455/5.5/2", cut_to_size(PING, 65535)),
    Animal("takes long pongs", "6455/5.5/1.2", cut_to_size(PONG)),
    Animal("takes long Closes", "6455/5.5/1.3", cut_to_size(CLOSE)),
    Animal("answers no pings", f"{ANSWERS} {PINGS_WITHIN}", loses(is_(PING))),
    Animal("answers no empty pings", "6455/5.5.2/1.1", loses(lambda one: is_(PING)(one) and not one.payload)),
    Animal(
        "answers with nothing in its pongs",
        f"6455/5.5.2/1.2-5 6455/5.5.2/2.1-2 6455/5.5.3/1.3 {PINGS_WITHIN}",
        says=pongs(lambda payload: NOTHING),
    ),
    Animal("cuts its pongs", "6455/5.5.2/1.4-5", says=pongs(lambda payload: payload[:124])),
    Animal(
        "reads pings as text",
        "6455/5.5.2/1.3-5",
        says=pongs(lambda payload: payload.decode(errors="replace").encode()),
    ),
    Animal(
        "reads pings as ASCII",
        "6455/5.5.2/1.2-5",
        says=pongs(lambda payload: payload.decode("ascii", "replace").encode()),
    ),
    Animal("complains of a ping behind a Close", "6455/5.5.2/4", complains_behind_close),
    Animal("answers pongs", "6455/5.5.3/1.1-3 6455/5.4/7.1", each(answers_pongs)),
    Animal(
        "takes no pongs",
        "6455/5.5.3/1.1-3 6455/5.4/7.1",
        each(lambda one, line: wrong(line) if is_(PONG)(one) else one.raw),
    ),
    Animal(
        "takes no pongs with something in them",
        "6455/5.5.3/1.2-3 6455/5.4/7.1",
        each(lambda one, line: wrong(line) if is_(PONG)(one) and one.payload else one.raw),
    ),
    Animal("answers no pings behind a pong", "6455/5.5.3/1.3", no_ping_behind_a_pong),
]

ANIMALS = [*FRAGMENTS, *CONTROLS]
