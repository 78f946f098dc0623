"""What went wrong, and whose fault it is.

Inside the core there is only `ProtocolError`, which names a rule.  Two boundaries know whose fault it was: what the
peer broke *arrives* (as the `error` of a `Closed` event, a `RemoteProtocolError`), what the caller broke is *raised*
(`LocalProtocolError`), with nothing written and nothing changed.
"""

from rawws.core.rules import Rule


class ProtocolError(Exception):
    """A rule of the protocol was broken.

    Attributes:
        rule: the row of `rules` that was broken.
        detail: the particular case, for people; may be empty.
        offset: how many bytes of the peer's stream came before the byte that broke the rule; None for what a caller
        did.
    """

    def __init__(self, rule: Rule, detail: str = "", offset: int | None = None) -> None:
        super().__init__(rule, detail, offset)
        self.rule = rule
        self.detail = detail
        self.offset = offset

    @property
    def code(self) -> int:
        """The close code, or the HTTP status in the opening handshake, that this breach gets."""
        return self.rule.code

    def __str__(self) -> str:
        at = "" if self.offset is None else f" at byte {self.offset}"
        particular = f": {self.detail}" if self.detail else ""
        return f"{self.rule.text}{particular} ({self.rule.name}, section {self.rule.section}{at})"


class RemoteProtocolError(ProtocolError):
    """The peer broke a rule.  It stands in `Closed.error`; only the functions of the opening handshake raise it.

    Attributes:
        headers: header fields that a refusal of the handshake needs besides its status, as pairs of bytes.
    """

    def __init__(
        self,
        rule: Rule,
        detail: str = "",
        offset: int | None = None,
        headers: tuple[tuple[bytes, bytes], ...] = (),
    ) -> None:
        super().__init__(rule, detail, offset)
        self.headers = headers

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.rule, self.detail, self.offset, self.headers)


class LocalProtocolError(ProtocolError):
    """The caller asked for something that the protocol forbids.  Nothing was queued and nothing has changed."""


class NotOpen(LocalProtocolError):
    """The caller lost a race with the end of the connection: it is closing, or closed.  Nothing was queued."""
