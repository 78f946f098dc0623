"""The tap as `connect -v` and `serve -v` show it: each head with its meaning, each frame on a line, with the time."""

from time import monotonic
from typing import Any

from rawws.cli.anatomy import frame_json, remark_json
from rawws.cli.heads import Head, explain_request, explain_response
from rawws.cli.rows import Item, Note, Text, lay
from rawws.cli.terminal import Terminal
from rawws.core.rules import UPGRADE_MISSING
from rawws.core.settings import Role
from rawws.core.upgrade import UpgradeRequest
from rawws.records import Frame, Line, Record
from rawws.tap import Tap


class Watch(Tap):
    """A tap that prints.

    Args:
        role: the side that it sits at.
        terminal: to stderr, or to stdout as JSON.
        label: stands in front of each line, where there are several connections.
        meanings: a sentence below each line of a head.
    """

    def __init__(self, role: Role, terminal: Terminal, *, json: bool, label: str = "", meanings: bool = True) -> None:
        super().__init__(role, self._report)
        self.key: bytes | None = None
        self._terminal = terminal
        self._json = json
        self._label = label
        self._meanings = meanings
        self._begun = monotonic()
        self._lines: dict[Role, list[Line]] = {role: [] for role in Role}
        self._request: UpgradeRequest | None = None

    def _report(self, record: Record) -> None:
        if isinstance(record, Frame):
            self._show_frame(record)
            return
        lines = self._lines[record.sender]
        lines.append(record)
        if not record.text:
            self._lines[record.sender] = []
            self._show_head(record.sender, lines)

    def _show_frame(self, frame: Frame) -> None:
        if self._json:
            self._terminal.json(self._common("frame") | frame_json(frame))
            return
        first, *more = str(frame).split("\n")
        style = "client" if frame.sender is Role.CLIENT else "server"
        time = f"{monotonic() - self._begun:8.3f}  "
        self._terminal.err(self._label, (time, "quiet"), (first[:2], style), first[2:])
        for line in more:
            style = "bad" if line.lstrip().startswith("!") else "quiet"
            self._terminal.err(self._label, " " * len(time), (line, style))

    def _show_head(self, sender: Role, lines: list[Line]) -> None:
        head = explain_request(lines) if sender is Role.CLIENT else explain_response(lines, self._request)
        if head.request is not None:
            self._request = head.request
            self.key = head.request.key
        if self._json:
            self._terminal.json(self._head_json(sender, lines, head))
            return
        # Who fetches a page breaks no rule.
        plain = any(remark.rule is UPGRADE_MISSING for remark in head.remarks)
        for item in head.items:
            if self._meanings or not isinstance(item, Note) or (item.mark and not plain):
                self._show_item(sender, item)

    def _show_item(self, sender: Role, item: Item) -> None:
        style, arrow = ("client", "C>") if sender is Role.CLIENT else ("server", "S>")
        for line in lay([item], self._terminal.width - len(self._label) - 2):
            self._terminal.err(self._label, (arrow, style) if isinstance(item, Text) else "  ", *line)

    def _head_json(self, sender: Role, lines: list[Line], head: Head) -> dict[str, Any]:
        told = {"from": sender.value, "lines": [line.text.decode("latin-1") for line in lines if line.text]}
        return self._common("head") | told | {"broken": [remark_json(remark) for remark in head.remarks]}

    def _common(self, event: str) -> dict[str, Any]:
        connection = {"connection": int(self._label.strip(" #"))} if self._label else {}
        return {"event": event, "time": round(monotonic() - self._begun, 6), **connection}
