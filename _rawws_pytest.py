"""What pytest loads of rawws when it starts: a mark and a fixture, and nothing of rawws itself.

    @pytest.mark.conformance("server")
    def test_conforms(conformance_case, url):
        conformance_case.check(url)

The rest is in `rawws.conformance.pytest_plugin`, imported where a test has both the mark and the fixture.  This is
a module beside the package, because whoever imports a module of a package has imported the package.
"""

from typing import Any

import pytest

MARK = (
    "conformance(role, include=..., exclude=..., tier=..., level=..., fail_on=..., expect=..., **declared): "
    "a test for each case of rawws' conformance suite, which the fixture conformance_case is"
)


def pytest_configure(config: pytest.Config) -> None:
    """Make the mark known."""
    config.addinivalue_line("markers", MARK)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a test of each case."""
    mark = metafunc.definition.get_closest_marker("conformance")
    if mark is not None and "conformance_case" in metafunc.fixturenames:
        from rawws.conformance import pytest_plugin

        pytest_plugin.generate(metafunc, mark)


@pytest.fixture
def conformance_case(request: pytest.FixtureRequest) -> Any:
    """A case of the conformance suite, to be held against a target: `conformance_case.check(url)`."""
    if not hasattr(request, "param"):
        pytest.fail('mark the test with @pytest.mark.conformance("server"), or "client"', pytrace=False)
    from rawws.conformance.pytest_plugin import ConformanceCase

    return ConformanceCase(request.param, request.node)
