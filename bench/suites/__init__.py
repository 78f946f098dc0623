"""One module for each suite.  To add one, write it with an instance of `Suite` named `SUITE`, and name it here."""

from importlib import import_module

from bench.harness.suite import Suite

# fmt: off
NAMES = (
    "core",
    "masking",
    "echo",
    "clients",
    "handshakes",
    "upgrades",
    "memory",
    "scale",
    "footprint",
    "stall",
    "deflate",
    "codecs",
    "broadcast",
    "imports",
)
# fmt: on
"""In the order in which they run."""


def suite(name: str) -> Suite:
    """The suite of that name."""
    found = import_module(f"bench.suites.{name}").SUITE
    assert isinstance(found, Suite)
    return found
