"""A report as JUnit's XML, which every CI server reads: a suite for each section, a test for each case.

A warning is a test that passed and says something, unless warnings are wanted as failures; what is expected to fail is
skipped, with the reason that the file gives.
"""

import re
from collections.abc import Collection
from itertools import groupby
from xml.etree import ElementTree as xml

from rawws.conformance.report import words
from rawws.conformance.report.terminal import WIDE, View, block, plain
from rawws.conformance.suite import Report
from rawws.conformance.verdict import Result, Verdict

FAILING = (Verdict.FAIL,)

_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 has no way to write."""


def write(report: Report, failing: Collection[Verdict] = FAILING, view: View = WIDE) -> str:
    """The document; results with a verdict in `failing` are failures."""
    root = xml.Element("testsuites", name="rawws conform", time=f"{report.seconds:.3f}")
    for section, results in groupby(report.results, key=lambda result: words.section_of(result.id)):
        root.append(_suite(report, section, list(results), failing, view))
    if report.problems:
        root.append(_problems(report))
    for kind in ("tests", "failures", "errors", "skipped"):
        root.set(kind, str(sum(int(suite.get(kind, "0")) for suite in root)))
    xml.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + xml.tostring(root, encoding="unicode") + "\n"


def _suite(
    report: Report, section: str, results: list[Result], failing: Collection[Verdict], view: View
) -> xml.Element:
    suite = xml.Element("testsuite", name=section, timestamp=report.began.strftime("%Y-%m-%dT%H:%M:%S"))
    suite.set("time", f"{sum(result.seconds for result in results):.3f}")
    properties = xml.SubElement(suite, "properties")
    for name, value in (("target", report.target), ("role", report.role.value), ("seed", str(report.seed))):
        xml.SubElement(properties, "property", name=name, value=_legal(value))
    for result in results:
        suite.append(_test(report, result, failing, view))
    return _count(suite)


def _test(report: Report, result: Result, failing: Collection[Verdict], view: View) -> xml.Element:
    name = f"{result.id} {words.title_of(result.id)}".strip()
    test = xml.Element("testcase", classname=words.section_of(result.id), name=_legal(name))
    test.set("time", f"{result.seconds:.3f}")
    told = "\n".join(plain(line) for line in block(words.Finding((result,)), report.role, view))
    case = words.case_of(result.id)
    if result.verdict in failing:
        kind = result.verdict.value if case is None else case.level.value
        _say(test, "failure", told, message=result.got or result.reason, type=kind)
    elif result.verdict is Verdict.ERROR:
        _say(test, "error", told, message=result.reason, type="error")
    elif result.verdict in (Verdict.SKIP, Verdict.XFAIL):
        _say(test, "skipped", "", message=result.expectation or result.reason)
    elif result.verdict is not Verdict.PASS:
        _say(test, "system-out", told)
    return test


def _problems(report: Report) -> xml.Element:
    """What is wrong with the run as a whole."""
    suite = xml.Element("testsuite", name="run", time="0")
    for number, problem in enumerate(report.problems, 1):
        test = xml.SubElement(suite, "testcase", classname="run", name=f"run {number}", time="0")
        _say(test, "failure", problem, message=problem, type="run")
    return _count(suite)


def _count(suite: xml.Element) -> xml.Element:
    tests = suite.findall("testcase")
    suite.set("tests", str(len(tests)))
    for kind, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(kind, str(sum(test.find(tag) is not None for test in tests)))
    return suite


def _say(test: xml.Element, tag: str, text: str, **attributes: str) -> None:
    attributes = {name: _legal(value) for name, value in attributes.items()}
    xml.SubElement(test, tag, attributes).text = _legal(text) or None


def _legal(text: str) -> str:
    return _ILLEGAL.sub("\ufffd", text)
