"""Whose pages may connect (section 10.2): a browser says in Origin which page asks, and a page cannot have it lie."""

import re
from collections.abc import Collection
from enum import Enum
from typing import TypeAlias


class OriginPolicy(Enum):
    """Whose pages may connect, where that is not a list."""

    SAME_ORIGIN = "same-origin"
    """Pages of this very server, and clients that are no browsers."""


SAME_ORIGIN = OriginPolicy.SAME_ORIGIN

Origins: TypeAlias = OriginPolicy | Collection[str | re.Pattern[str] | None] | None
"""Whose pages may connect: `SAME_ORIGIN`; a list of origins such as "https://example.com", patterns that match a whole
origin, and None for requests that name none; or, instead of a list, None for anybody's."""


def may_connect(origin: str | None, host: str, origins: Origins) -> bool:
    """Whether the page from `origin`, or with None who is no page, may connect to this `host`."""
    if isinstance(origins, str):
        raise TypeError("origins is a list of origins, not one origin")
    if origins is None:
        return True
    if isinstance(origins, OriginPolicy):
        return origin is None or _is_same(origin, host)
    # 4.2.2: "The origin is serialized to ASCII and converted to lowercase"
    return None in origins if origin is None else _is_among(origin.lower(), origins)


def _is_among(origin: str, origins: Collection[str | re.Pattern[str] | None]) -> bool:
    return any(
        item.fullmatch(origin) is not None if isinstance(item, re.Pattern) else item.lower() == origin
        for item in origins
        if item is not None
    )


def _is_same(origin: str, host: str) -> bool:
    scheme, separator, place = origin.lower().partition("://")
    port = {"http": ":80", "https": ":443"}.get(scheme)
    if not separator or port is None:
        return False
    return place.removesuffix(port) == host.lower().removesuffix(port)
