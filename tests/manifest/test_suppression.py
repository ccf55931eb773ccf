"""Comments that suppress findings, and mending."""

from __future__ import annotations

from airgap_bundle.core.report import Finding, Place, Severity
from airgap_bundle.manifest.mending import mend
from airgap_bundle.manifest.model import parse_manifest
from airgap_bundle.manifest.suppression import apply, suppressions

KNOWN = {"AGM001", "AGM004"}
HEAD = "apiVersion: airgap-bundle/v1\nname: a\nversion: '1'\n"


def at(line: int, code: str = "AGM004") -> Finding:
    return Finding(code=code, severity=Severity.WARNING, message="m", place=Place(file="f", line=line, column=1))


def left(text: str, *findings: Finding) -> list[tuple[str, int]]:
    kept, _ = apply(findings, suppressions(text, "f"), KNOWN)
    return [(one.code, one.place.line) for one in kept]


def test_a_comment_on_the_line_and_one_above_it_suppress() -> None:
    assert left("a  # airgap: ignore[AGM004] our own", at(1)) == []
    assert left("# airgap: ignore[AGM004] our own\n# more\n\na", at(4)) == []
    assert left("# airgap: ignore-file[AGM004, AGM001] our own\na\nb", at(2), at(3, "AGM001")) == []


def test_other_lines_and_codes_stay() -> None:
    assert left("a  # airgap: ignore[AGM004] our own\nb", at(1), at(2), at(1, "AGM001")) == [
        ("AGM001", 1),
        ("AGM004", 2),
    ]


def test_without_a_reason_or_a_rule_nothing_is_suppressed() -> None:
    assert left("a  # airgap: ignore[AGM004]", at(1)) == [("AGM004", 1), ("AGM024", 1)]
    assert left("a  # airgap: ignore[AGM004] -", at(1)) == [("AGM004", 1), ("AGM024", 1)]
    assert left("a  # airgap: ignore because I say so", at(1)) == [("AGM004", 1), ("AGM024", 1)]
    assert left("a  # airgap: ignore[AGM999] our own") == [("AGM024", 1)]
    assert left("a  # airgap: ignore[AGM004] our own") == [("AGM024", 1)]


def mended(body: str) -> tuple[str, int]:
    text, done = mend(HEAD + body, parse_manifest((HEAD + body).encode(), "f"))
    return text.removeprefix(HEAD), len(done)


def test_short_names_are_written_in_full_and_nothing_else_changes() -> None:
    body = "images:\n  - redis:7   # redis:7 stays here\n  - {image: 'acme/app:1', as: acme/app}\n  - a.io/b:1\n"
    expected = (
        "images:\n  - docker.io/library/redis:7   # redis:7 stays here\n"
        "  - {image: 'docker.io/acme/app:1', as: acme/app}\n  - a.io/b:1\n"
    )
    assert mended(body) == (expected, 2)
    assert mended(expected) == (expected, 0)


def test_repeated_lines_go_and_what_is_missing_is_not_made_up() -> None:
    assert mended("images:\n  - a.io/b:1\n  - a.io/b:1\n") == ("images:\n  - a.io/b:1\n", 1)
    assert mended("images: [a.io/b:1, a.io/b:1]\n")[1] == 0
    assert mended("images: [redis]\n") == ("images: [docker.io/library/redis]\n", 1)
