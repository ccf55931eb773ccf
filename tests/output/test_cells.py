"""Hostile text, escaped and fitted to columns."""

import pytest
from support.hostile import HOSTILE, acting_characters

from airgap_bundle.output import cells


@pytest.mark.parametrize("text", HOSTILE)
def test_what_is_shown_can_only_be_read(text: str) -> None:
    shown = cells.shown(text)
    assert acting_characters(shown) == set()
    assert "\n" not in shown
    assert len(shown) < cells.MAX_SHOWN_CHARACTERS * 10


def test_long_text_says_how_much_is_missing() -> None:
    assert cells.shown("x" * 2500) == "x" * 2000 + "… (500 more characters)"


@pytest.mark.parametrize("text", [*HOSTILE, "short", ""])
@pytest.mark.parametrize("width", [0, 1, 2, 3, 10, 40])
def test_cut_text_fits(text: str, width: int) -> None:
    escaped = cells.shown(text)
    assert cells.width_of(cells.cut_end(escaped, width)) <= width
    assert cells.width_of(cells.cut_middle(escaped, width)) <= width


def test_cutting_the_middle_keeps_both_ends() -> None:
    assert cells.cut_middle("docker.io/library/redis:7.2.4", 15) == "docker.…s:7.2.4"


def test_wide_characters_take_two_columns() -> None:
    assert cells.width_of("日本") == 4
    assert cells.cut_end("日本語", 4) == "日…"
    assert cells.padded("日", 4) == "日  "
    assert cells.padded("7", 4, right=True) == "   7"


def test_accents_on_their_own_take_no_column() -> None:
    assert cells.width_of("e\u0301") == 1


def test_digests_are_shortened_in_the_middle_and_nothing_else_is() -> None:
    digest = "sha256:" + "0123456789abcdef" * 4
    assert cells.short_digests(f"redis@{digest} 1 MB") == "redis@sha256:0123456789ab…cdef 1 MB"
    assert cells.short_digests("sha256:0123") == "sha256:0123"
