"""Where Autobahn finds something wrong that no RFC asks for: which cases, what it says, and the RFC's words."""

import re
from fnmatch import fnmatchcase
from typing import NamedTuple

from tests.conformance.beside_autobahn.said import Said

MIB = 1024 * 1024


class Explained(NamedTuple):
    """A difference that is none of ours.

    Attributes:
        cases: Autobahn's, as globs.
        said: what it says of them.
        ours: the verdicts of their counterparts, from z to a; several such sets with "; " between.
        words: of RFC 6455, unless they say of which.
        reason: what follows from them, a sentence.
        over_limit: it holds only for messages that are larger than the peer takes.
    """

    cases: str
    said: str
    ours: str
    words: str
    reason: str
    over_limit: bool = False

    def holds(self, case: str, said: Said, ours: set[str], max_size: int | None) -> bool:
        """Whether this is why."""
        return (
            any(fnmatchcase(case, glob) for glob in self.cases.split())
            and str(said) in self.said.split("; ")
            and " ".join(sorted(ours, reverse=True)) in self.ours.split("; ")
            and (not self.over_limit or (max_size is not None and size_of(case) > max_size))
        )


def size_of(case: str) -> int:
    """How large the largest message of one of Autobahn's cases is; 0 if it does not matter."""
    if re.fullmatch(r"9\.[12]\.[1-6]", case):
        return (MIB // 16, MIB // 4, MIB, 4 * MIB, 8 * MIB, 16 * MIB)[int(case[-1]) - 1]
    return 4 * MIB if case.startswith(("9.3.", "9.4.")) else 0


EXPLAINED = (
    Explained(
        cases="2.10 2.11",
        said="FAILED",
        ours="pass",
        words='5.5.3: "the endpoint MAY elect to send a Pong frame for only the most recently processed Ping frame"',
        reason="Not each of ten Pings is answered, but the last is. Ours tells how many were.",
    ),
    Explained(
        cases="3.2 3.3 3.4 4.1.3 4.1.4 4.1.5 4.2.3 4.2.4 4.2.5 5.15",
        said="NON-STRICT",
        ours="pass",
        words='7.1.7: "the endpoint SHOULD send a Close frame with an appropriate status code (Section 7.4) before '
        'proceeding to _Close the WebSocket Connection_"',
        reason="The connection is failed, as it must be; Autobahn also wants the echo of the message before. What has "
        "to be sent first is a Close, and no word asks for more.",
    ),
    Explained(
        cases="6.4.1 6.4.2 6.4.3 6.4.4",
        said="NON-STRICT",
        ours="pass",
        words='5.6: "a particular text frame might include a partial UTF-8 sequence; however, the whole message MUST '
        'contain valid UTF-8"',
        reason="The connection is failed when the message is over; Autobahn wants it as soon as it is certain. Ours "
        "tells which it was.",
    ),
    Explained(
        cases="7.1.5",
        said="FAILED, closing WRONG CODE",
        ours="pass",
        words='5.5.1: "the endpoint MUST send a Close frame in response. (When sending a Close frame in response, the '
        'endpoint typically echos the status code it received.)"',
        reason="A Close within a message is answered with another code; only a Close is asked for. Ours tells which "
        "code it was.",
    ),
    Explained(
        cases="9.1.* 9.2.* 9.3.* 9.4.*",
        said="FAILED",
        ours="pass",
        words='10.4: "Implementations that have implementation- and/or platform-specific limitations regarding the '
        "frame size or total message size after reassembly from multiple frames MUST protect themselves against "
        'exceeding those limits."',
        reason="The message is larger than the peer takes, which it says itself; ours wants it to be refused.",
        over_limit=True,
    ),
    Explained(
        cases="9.3.* 9.4.*",
        said="FAILED",
        ours="skip; skip pass",
        words='7.4.1: "1009 indicates that an endpoint is terminating the connection because it has received a message '
        'that is too big for it to process."',
        reason="The peer says that this is too much for it, or hangs up and goes on with others; how many fragments it "
        "takes was not known. Ours tells what it saw, and which option declares it.",
    ),
    Explained(
        cases="13.2.* 13.5.* 13.6.*",
        said="UNIMPLEMENTED",
        ours="pass",
        words='RFC 7692 7.1.1.2: "A client MUST support the "client_no_context_takeover" extension parameter in an '
        'extension negotiation response."',
        reason="The client did not offer this parameter, and Autobahn then compresses nothing. A server may answer it "
        "all the same; ours does, and the client keeps to it.",
    ),
)
