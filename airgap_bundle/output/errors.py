"""Errors as text: what happened, what to do next, and where to read more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.output.cells import shown
from airgap_bundle.output.style import Style, styled

if TYPE_CHECKING:
    from airgap_bundle.core.errors import AirgapError


def render_error(error: AirgapError, *, program: str, colour: bool = False) -> str:
    """Three lines at most; without a line feed at the end. `program` is the command that was called."""
    lines = [f"{styled('error:', Style.ERROR, colour=colour)} {shown(error.message)}"]
    if error.hint:
        lines.append(f"{styled('hint:', Style.NOTE, colour=colour)} {shown(error.hint)}")
    lines.append(f"more: {program} explain {error.code}")
    return "\n".join(lines)
