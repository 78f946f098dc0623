"""Messages as programs send them: JSON of a market feed and of a chat, made up, the same in every run."""

import json
import random
from functools import cache
from typing import Any

_SYMBOLS = "AURX BELT CIRO DUNE EKON FJAL GRAN HELM IRIS JADE KITE LUMO MIRA NORD OPAL PYRE"
_NAMES = "Ada Björn Chiara Dario Émile Farah Goran Hana Ivo Jūratė Kofi Lena Mehmet Noor Özge Pavel"
_WORDS = (
    "the a we you they it is was will can about again after all also any back because before between by come could day "
    "down even first for from get give go good have here how if in into just know last like look make many may more "
    "most new no not now of on one only or other our out over people right say see she so some take than that then "
    "there these thing think this time to two under up use very want way well what when where which who why with work "
    "deploy server branch release review meeting lunch tomorrow latency ticket queue metrics thanks ✓ 🙂"
)
SYMBOLS, NAMES, WORDS = _SYMBOLS.split(), _NAMES.split(), _WORDS.split()


@cache
def messages(size: int, count: int, seed: int = 1) -> tuple[bytes, ...]:
    """So many messages of exactly `size` bytes, each JSON in UTF-8, all of them different."""
    source = random.Random(f"{seed} {size}")
    clock = 1_760_000_000_000
    return tuple(_message(source, size, number, clock + 250 * number) for number in range(count))


def _message(source: random.Random, size: int, number: int, clock: int) -> bytes:
    kind, record = ("feed", _tick) if number % 2 else ("chat", _line)
    body: dict[str, Any] = {"type": kind, "seq": number, "items": [], "note": ""}
    room = size - len(_dump(body))
    while room > 0:
        item = record(source, clock)
        room -= len(_dump(item)) + 1
        if room >= 0:
            body["items"].append(item)
    while (room := size - len(_dump(body))) > 0:
        body["note"] += (source.choice(WORDS) + " ").encode().decode("ascii", "ignore")[:room]
    if room:
        raise ValueError(f"no message is as short as {size} bytes")
    return _dump(body)


def _dump(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _tick(source: random.Random, clock: int) -> dict[str, Any]:
    """A trade, with the quotes around it."""
    price = source.uniform(10, 400)
    return {
        "symbol": source.choice(SYMBOLS),
        "time": clock + source.randrange(250),
        "price": round(price, 2),
        "bid": round(price - 0.01 * source.randrange(1, 9), 2),
        "ask": round(price + 0.01 * source.randrange(1, 9), 2),
        "volume": source.randrange(1, 500) * 100,
        "side": source.choice(("buy", "sell")),
    }


def _line(source: random.Random, clock: int) -> dict[str, Any]:
    """What somebody says."""
    return {
        "id": f"{source.getrandbits(64):016x}",
        "time": clock + source.randrange(250),
        "room": source.choice(("general", "random", "on-call", "support")),
        "user": {"id": source.randrange(10_000, 99_999), "name": source.choice(NAMES)},
        "text": " ".join(source.choices(WORDS, k=source.randrange(3, 25))),
        "edited": source.random() < 0.1,
    }
