"""The cases, one page for each section of the RFCs."""

from importlib import import_module
from pkgutil import iter_modules


def load() -> None:
    """Import every page; that makes its cases (`case.CASES`)."""
    for page in iter_modules(__path__):
        import_module(f"{__name__}.{page.name}")
