"""A report as one HTML page: of a single run, or of several side by side as a matrix.

The page is one file that needs nothing from elsewhere, and can be read without its script, which filters, folds and
puts a case of the matrix on top.  What a peer said stands in text and in quoted attributes alone, where Jinja escapes
it, and never in a script or a style; besides, the page permits no script but its own, by its hash.

`sheet` makes the figures and words; the templates beside are what they look like.  It needs the extra `conform`.
"""

import hashlib
from base64 import b64encode
from collections.abc import Sequence
from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from rawws.conformance.report import sheet, words
from rawws.conformance.report.talk import clock
from rawws.conformance.suite import Report
from rawws.conformance.verdict import Level

TEMPLATES = "templates"


def write(reports: Sequence[Report]) -> str:
    """The page.

    Args:
        reports: one, or several, in the order in which they are to stand.

    Raises:
        ValueError: there is none.
    """
    if not reports:
        raise ValueError("a page needs a report")
    script = _part("page.js")
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            runs=sheet.runs(reports),
            sections=sheet.sections(reports),
            levels=[level.value for level in Level],
            clock=clock,
            requirement=words.requirement_of,
            short=words.ids_in_short,
            verdicts=[verdict.value for verdict in words.ORDER if any(report.count(verdict) for report in reports)],
            style=Markup(_part("style.css")),  # ours, as is the script
            script=Markup(script),
            allowed=f"'sha256-{b64encode(hashlib.sha256(script.encode()).digest()).decode()}'",
        )
        + "\n"
    )


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader(__package__, TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # Characters that turn the direction of a text around, or cannot be written at all, come from peers as well.
    environment.filters["shown"] = words.clean
    return environment


def _part(name: str) -> str:
    return resources.files(__package__).joinpath(TEMPLATES, name).read_text(encoding="utf-8").strip()
