"""What all tests share: the profiles of Hypothesis, and `--slow`."""

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = "pytester"

pytest.register_assert_rewrite("tests.contract", "tests.net", "tests.trouble")

settings.register_profile("ci", derandomize=True, deadline=None, max_examples=100, database=None)
settings.register_profile(
    "slow", deadline=None, max_examples=5000, database=None, suppress_health_check=[HealthCheck.too_slow]
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--slow", action="store_true", help="the long tests too, and 50 times the examples of the properties"
    )


def pytest_configure(config: pytest.Config) -> None:
    settings.load_profile("slow" if config.getoption("--slow") else "ci")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the long ones out, and say how many they are."""
    if not config.getoption("--slow"):
        slow = [item for item in items if "slow" in item.keywords]
        items[:] = [item for item in items if "slow" not in item.keywords]
        config.hook.pytest_deselected(items=slow)
