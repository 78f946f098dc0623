"""The cases as tests of pytest: what is collected, how it ends, and what is said; each in a pytest of its own."""

from pathlib import Path

import pytest

from rawws.conformance import Verdict
from rawws.conformance.pytest_plugin import ConformanceCase, Planned, options_of
from tests.conformance.naive import listening

HEAD = """
import asyncio
import threading
import pytest
from rawws import blocking
from rawws.aio import serve
from rawws.conformance.own import obey
from tests.conformance.naive import listening

@pytest.fixture(scope="session")
def url():
    with blocking.serve(lambda ws: [ws.send(message) for message in ws], "127.0.0.1", 0) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"ws://127.0.0.1:{server.port}/"

@pytest.fixture(scope="session")
def naive():
    with listening() as url:
        yield url
"""

CHECK = """
@pytest.mark.conformance({mark})
def test_conforms(conformance_case, {fixture}):
    conformance_case.check({fixture})
"""

FEW = '"server", include="6455/5.4/4"'
"""Four cases that the naive echo fails."""


class Inner:
    """Runs test files in a pytest of their own, which has the plugin whether or not this project is installed."""

    def __init__(self, pytester: pytest.Pytester, has_plugin: bool) -> None:
        self.pytester = pytester
        self.arguments = [] if has_plugin else ["-p", "_rawws_pytest"]

    def __call__(self, text: str, *arguments: str) -> pytest.RunResult:
        """Run this behind the head that all have in common."""
        self.pytester.makepyfile(HEAD + text)
        return self.pytester.runpytest_inprocess(*self.arguments, "-p", "no:cacheprovider", *arguments)

    def naive(self, mark: str, *arguments: str) -> pytest.RunResult:
        """Test the echo that looks at nothing."""
        return self(CHECK.format(mark=mark, fixture="naive"), *arguments)

    def right(self, mark: str, *arguments: str) -> pytest.RunResult:
        """Test a server that is right."""
        return self(CHECK.format(mark=mark, fixture="url"), *arguments)


@pytest.fixture
def inner(pytester: pytest.Pytester, request: pytest.FixtureRequest) -> Inner:
    """Runs test files."""
    return Inner(pytester, request.config.pluginmanager.hasplugin("rawws"))


class TestCollection:
    """Which tests there are."""

    def test_makes_one_of_each_case_with_its_id(self, inner: Inner) -> None:
        """And -k takes ids."""
        found = inner.right('include="6455/5.4/4", exclude=["6455/5.4/4.2"]', "--collect-only", "-q")
        assert [f"test_conforms[6455/5.4/4.{number}]" for number in (1, 3, 4)] == [
            line.partition("::")[2] for line in found.outlines if "::" in line
        ]

        inner.right(FEW, "-k", "5.4/4.3 or 5.4/4.1").assert_outcomes(passed=2, deselected=2)

    def test_runs_passive_cases_last(self, inner: Inner) -> None:
        """They are about what the others heard, in whatever order those come."""
        backwards = "def pytest_collection_modifyitems(items): items.reverse()"
        inner.pytester.makeconftest(backwards)

        found = inner.right('include=["6455/5.1/3", "6455/5.4/4"]', "-v")

        found.assert_outcomes(passed=5)
        ids = [line.partition("[")[2].partition("]")[0] for line in found.outlines if "PASSED" in line]
        assert ["6455/5.4/4.4", "6455/5.4/4.3", "6455/5.4/4.2", "6455/5.4/4.1", "6455/5.1/3"] == ids

    def test_says_when_there_was_nothing_to_look_at(self, inner: Inner) -> None:
        """A passive case alone is no pass."""
        found = inner.right('include="6455/5.1/3"', "-rs")

        found.assert_outcomes(skipped=1)
        found.stdout.fnmatch_lines(["*no frame of the target was heard"])

    def test_goes_with_other_parameters(self, inner: Inner) -> None:
        """Each target has its own passive cases."""
        found = inner(
            """
@pytest.mark.parametrize("target", ["naive", "url"])
@pytest.mark.conformance("server", include=["6455/5.1/3", "6455/5.4/4.1"])
def test_conforms(conformance_case, target, request):
    conformance_case.check(request.getfixturevalue(target))
""",
        )

        found.assert_outcomes(passed=3, failed=1)

    @pytest.mark.parametrize(
        "mark, complaint",
        [
            ('include="6455/5.4/41"', "no case is called 6455/5.4/41; did you mean 6455/5.4/4.1?"),
            ('"browser"', "role 'browser' is not known; there are *client*"),
            ("max_sice=3", "keyword 'max_sice' is not known; there are max_size, *"),
            ('tier="huge"', "tier 'huge' is not known; there are core, size, soak, all"),
            ('"client", include="6455/5.1/3"', "no case is left for a client; *"),
            ('expect="nowhere.toml"', "expect='nowhere.toml': No such file or directory in *"),
            ('expect={"6455/5.4/41": "why"}', "no case is called 6455/5.4/41; *"),
        ],
    )
    def test_says_what_is_wrong_with_a_mark(self, inner: Inner, mark: str, complaint: str) -> None:
        """In one line, and nothing is run."""
        found = inner.right(mark)

        found.assert_outcomes(errors=1)
        found.stdout.fnmatch_lines([f"@pytest.mark.conformance of *::test_conforms: {complaint}"])
        found.stdout.no_fnmatch_line("*Traceback*")

    def test_leaves_others_alone(self, inner: Inner) -> None:
        """A mark without the fixture may be somebody else's; the fixture without the mark is a mistake."""
        found = inner("@pytest.mark.conformance\ndef test_a(): pass\n\ndef test_b(conformance_case): pass")

        found.assert_outcomes(passed=1, errors=1)
        found.stdout.fnmatch_lines(['mark the test with @pytest.mark.conformance("server"), or "client"'])


class TestOutcome:
    """How a test ends."""

    def test_of_a_failure_is_what_rawws_conform_says(self, inner: Inner) -> None:
        """The rule, what was said, what had to come; no traceback of ours, and the line that runs it again."""
        found = inner.naive(FEW)

        found.assert_outcomes(failed=4)
        found.stdout.fnmatch_lines(
            [
                "FAIL 6455/5.4/4.1  text in text *",
                "     rule      A message is finished before the next one begins.*",
                "     sent      01 *",
                "     expected  a failed connection: a Close, or the end of TCP",
                "     got       *",
                "     repeat    pytest '*test_conforms[[]6455/5.4/4.1]'",
            ]
        )
        found.stdout.no_fnmatch_line("*pytest_plugin.py*")

    def test_of_a_skip_says_why(self, inner: Inner) -> None:
        """What the mark has to say is called as the mark calls it."""
        found = inner.right('include="6455/5.5.1/12"', "-rs")

        found.stdout.fnmatch_lines(["SKIPPED * needs commands= in the mark"])

    def test_of_a_should_is_a_warning(self, inner: Inner) -> None:
        """Which can be made an error, by the mark or as any warning; the text is the whole one then."""
        case = 'include="6455/4.2.1/15.1"'
        found = inner.naive(case, "-W", "default")
        found.stdout.fnmatch_lines(["*ConformanceWarning: 6455/4.2.1/15.1*"])
        found.assert_outcomes(passed=1, warnings=1)

        for again in (inner.naive(f'{case}, fail_on="should"'), inner.naive(case, "-W", "error")):
            again.assert_outcomes(failed=1)
            again.stdout.fnmatch_lines(["WARN 6455/4.2.1/15.1*"])
            again.stdout.no_fnmatch_line("During handling*")

    def test_of_what_is_known_is_an_xfail(self, inner: Inner) -> None:
        """By the file of `rawws conform --expect`, or by reasons in the mark; xfail_strict is obeyed."""
        inner.pytester.makefile(".toml", known='[[expect]]\nid = "6455/5.4/4"\nreason = "proxy"')
        inner.naive(f'{FEW}, expect="known.toml"').assert_outcomes(xfailed=4)
        inner.right(f'{FEW}, expect={{"6455/5.4/4.1": "proxy"}}').assert_outcomes(passed=3, xpassed=1)
        strict = inner.right(f'{FEW}, expect={{"6455/5.4/4.1": "proxy"}}', "-o", "xfail_strict=true")
        strict.assert_outcomes(passed=3, failed=1)

    def test_of_what_was_known_until_yesterday_is_a_failure(self, inner: Inner) -> None:
        """And says so."""
        inner.pytester.makefile(".toml", old='[[expect]]\nid = "6455/5.4/4.1"\nreason = "proxy"\nuntil = 2020-01-01')
        found = inner.naive('include="6455/5.4/4.1", expect="old.toml"')

        found.assert_outcomes(failed=1)
        found.stdout.fnmatch_lines(["     but       6455/5.4/4.1 was expected to fail until 2020-01-01, *"])

    def test_is_in_the_report_of_junit(self, inner: Inner) -> None:
        """The verdict is a property: what a MAY came to is seen nowhere else."""
        inner.right('include="6455/5.4/4.1"', "--junitxml=a.xml")

        assert '<property name="conformance" value="pass"' in (inner.pytester.path / "a.xml").read_text()


class TestTarget:
    """Who can be tested."""

    def test_that_is_not_there_fails_once(self, inner: Inner) -> None:
        """In one line; nobody reads the same thing hundreds of times."""
        found = inner(f"""
@pytest.mark.conformance({FEW})
def test_conforms(conformance_case):
    conformance_case.check("ws://127.0.0.1:1")
""")

        found.assert_outcomes(failed=1, skipped=3)
        found.stdout.fnmatch_lines(["there is no server at ws://127.0.0.1:1: *"])

    def test_is_a_server_in_the_loop_of_the_test(self, inner: Inner) -> None:
        """With no plugin for asyncio; `check` would wait for ever there, and says so instead."""
        found = inner(f"""
@pytest.mark.conformance({FEW})
@pytest.mark.parametrize("how", ["acheck", "check"])
def test_conforms(conformance_case, how):
    async def go():
        async with serve(obey, "127.0.0.1", 0) as server:
            await getattr(conformance_case, how)(f"ws://127.0.0.1:{{server.port}}/")
    asyncio.run(go())
""")

        found.assert_outcomes(passed=4, failed=4)
        found.stdout.fnmatch_lines(["*RuntimeError: a loop is running in this thread: await conformance_case.acheck*"])

    @pytest.mark.parametrize("client", ["in_thread", "in_loop", "command"])
    def test_is_a_client(self, inner: Inner, client: str) -> None:
        """A function, a coroutine function, or a command."""
        found = inner(f"""
import shlex, sys
from rawws.aio import connect

def in_thread(url):
    with blocking.connect(url) as ws:
        for message in ws:
            ws.send(message)

async def in_loop(url):
    async with connect(url) as ws:
        await obey(ws)

command = f"{{shlex.quote(sys.executable)}} -m rawws.conformance.own {{{{url}}}}"

@pytest.mark.conformance("client", include=["6455/5.4/4.1", "6455/5.1/3"], exclude="6455/5.1/3")
def test_conforms(conformance_case):
    conformance_case.check({client})
""")

        found.assert_outcomes(passed=1)

    def test_is_a_client_that_never_returns(self, inner: Inner) -> None:
        """A function that hangs is left behind, as a process would be killed."""
        found = inner("""
def hangs(url):
    threading.Event().wait()

@pytest.mark.conformance("client", include="6455/5.4/4.1")
def test_conforms(conformance_case):
    from rawws.conformance.called import CalledTarget
    from rawws.conformance import Patience
    conformance_case.check(CalledTarget(hangs, start=0.1, patience=Patience(close=0.1)))
""")

        found.assert_outcomes(failed=1)
        found.stdout.fnmatch_lines(["     got       none within 0.1 s"])

    def test_is_a_client_that_raises(self, inner: Inner) -> None:
        """A function that never gets as far as to connect says why."""
        found = inner("""
@pytest.mark.conformance("client", include="6455/5.4/4.1")
def test_conforms(conformance_case):
    conformance_case.check(lambda url: 1 / 0)
""")

        found.assert_outcomes(failed=1)
        found.stdout.fnmatch_lines(
            ["     got       it has ended", "     raised    ZeroDivisionError: division by zero"]
        )

    def test_keeps_the_loop_of_the_thread(self, inner: Inner) -> None:
        """Who has set one finds it again."""
        found = inner(f"""
@pytest.mark.conformance({FEW})
def test_conforms(conformance_case, url):
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    conformance_case.check(url)
    assert asyncio.get_event_loop() is loop
    asyncio.set_event_loop(None)
    loop.close()
""")

        found.assert_outcomes(passed=4)


def test_costs_nothing_where_it_is_not_used(inner: Inner, monkeypatch: pytest.MonkeyPatch) -> None:
    """pytest starts, collects and runs without a module of ours but the one that makes the mark known."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    inner.pytester.makepyfile("import sys\n\ndef test_a():\n    assert 'rawws' not in sys.modules")

    inner.pytester.runpytest_subprocess(*inner.arguments, "-p", "no:hypothesispytest").assert_outcomes(passed=1)


def test_gives_back_what_it_found(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """For whoever wants to look at what was said."""
    options = options_of(tmp_path, include="6455/5.2/1.1")
    case = ConformanceCase(Planned(options.cases[0], options, None), request.node)

    with listening() as url:
        result = case.check(url)

    assert (case.case.id, Verdict.PASS, 1) == (result.id, result.verdict, len(result.transcripts))
