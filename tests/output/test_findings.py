"""Findings as text."""

import pytest
from support.hostile import HOSTILE, acting_characters

from airgap_bundle.core.report import Finding, Place, Severity
from airgap_bundle.output.cells import width_of
from airgap_bundle.output.findings import render_finding, render_findings, tally


def finding(
    message: str = "the key 'imges' is not known",
    *,
    severity: Severity = Severity.ERROR,
    file: str = "acme.yaml",
    line: int = 7,
    column: int = 3,
    hint: str = "",
) -> Finding:
    place = Place(file=file, line=line, column=column)
    return Finding(code="AGM001", severity=severity, message=message, place=place, hint=hint)


def test_a_finding_shows_place_line_caret_and_hint() -> None:
    assert render_finding(finding(hint="did you mean 'images'?"), "  imges:\n").splitlines() == [
        "acme.yaml:7:3: error AGM001: the key 'imges' is not known",
        "  7 |   imges:",
        "    |   ^",
        "  hint: did you mean 'images'?",
    ]


def test_a_finding_about_the_file_as_a_whole_has_no_line() -> None:
    assert render_finding(finding(line=0, column=0), "first line") == (
        "acme.yaml: error AGM001: the key 'imges' is not known"
    )


def test_the_caret_stands_under_its_character_behind_escapes_tabs_and_wide_characters() -> None:
    line = "\t\x1b日x"
    excerpt, caret = render_finding(finding(column=4), line).splitlines()[1:]
    assert width_of(excerpt[: excerpt.index("x", excerpt.index("日"))]) == caret.index("^")


@pytest.mark.parametrize("column", [1, 40, 5_000, 9_999])
def test_a_long_line_is_shown_around_its_column(column: int) -> None:
    line = "".join(chr(ord("a") + n % 26) for n in range(10_000))
    excerpt, caret = render_finding(finding(column=column), line).splitlines()[1:]
    assert width_of(excerpt) <= 80
    assert excerpt[caret.index("^")] == line[column - 1]


@pytest.mark.parametrize("column", [0, 11, 10**9])
def test_a_column_beyond_the_line_does_no_harm(column: int) -> None:
    assert render_finding(finding(column=column), "short").startswith("acme.yaml:7:")


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("colour", [False, True])
def test_hostile_text_adds_no_line_and_no_control(text: str, colour: bool) -> None:  # noqa: FBT001 - a parameter of pytest
    drawn = render_finding(finding(text, file=text, hint=text), text, colour=colour)
    assert acting_characters(drawn, colour=colour) == set()
    assert len(drawn.split("\n")) <= 4


def test_colour_marks_what_is_understood_without_it() -> None:
    plain = render_finding(finding(), "  imges:")
    coloured = render_finding(finding(), "  imges:", colour=True)
    for code in ("\x1b[1;31m", "\x1b[1;32m", "\x1b[1m", "\x1b[0m"):
        assert code in coloured
        coloured = coloured.replace(code, "")
    assert coloured == plain


def test_the_closing_line_counts_each_kind() -> None:
    found = [finding(), finding(), finding(severity=Severity.WARNING), finding(severity=Severity.NOTE)]
    assert tally(found) == "2 errors, 1 warning, 1 note"
    assert tally([]) == "nothing found"
    assert render_findings(found, lambda _: None).splitlines()[-1] == "2 errors, 1 warning, 1 note"
