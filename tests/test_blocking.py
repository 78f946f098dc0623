"""The blocking transport: what any transport must do, and what only threads can do wrong."""

import pytest

from tests.contract import TestClosing as TestClosing
from tests.contract import TestMessages as TestMessages
from tests.contract import TestPings as TestPings
from tests.contract import TestReceiving as TestReceiving
from tests.net import Blocking, Net
from tests.net import log as log
from tests.net import nothing_is_left as nothing_is_left
from tests.trouble import TestBackpressure as TestBackpressure
from tests.trouble import TestGathering as TestGathering
from tests.trouble import TestPatience as TestPatience
from tests.trouble import TestVanishing as TestVanishing


@pytest.fixture
def net() -> Net:
    return Blocking()
