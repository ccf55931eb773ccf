"""Errors as text."""

import pytest
from support.hostile import HOSTILE, acting_characters

from airgap_bundle.core.errors import TrustError
from airgap_bundle.output.errors import render_error


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("colour", [False, True])
def test_an_error_has_three_lines_whatever_it_quotes(text: str, colour: bool) -> None:  # noqa: FBT001 - a parameter of pytest
    drawn = render_error(TrustError("AB-SAMPLE", text, hint=text), program="airgap-import", colour=colour)
    assert acting_characters(drawn, colour=colour) == set()
    error, hint, more = drawn.split("\n")
    assert "error:" in error
    assert "hint:" in hint
    assert more == "more: airgap-import explain AB-SAMPLE"


def test_an_error_without_a_hint_has_two_lines() -> None:
    drawn = render_error(TrustError("AB-SAMPLE", "no"), program="airgap-import")
    assert drawn == "error: no\nmore: airgap-import explain AB-SAMPLE"
