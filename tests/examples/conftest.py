"""What tests of several examples need."""

from collections.abc import Iterator

import pytest

from tests.chromium import chromium
from tests.devtools import Browser, browsing
from tests.interop.links import missing


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A Chromium for all pages of a module."""
    if chromium() is None:
        missing("there is no chromium")
    with browsing(tmp_path_factory.mktemp("profile")) as found:
        yield found
