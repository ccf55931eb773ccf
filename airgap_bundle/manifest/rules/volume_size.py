"""AGM019: more than the medium takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.core.report import Severity
from airgap_bundle.core.text import size_text
from airgap_bundle.manifest.rules.rule import Context, Problem, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator


def _check(context: Context) -> Iterator[Problem]:
    if not context.volume_bytes or context.total_bytes <= context.volume_bytes:
        return
    volumes = -(-context.total_bytes // context.volume_bytes)
    message = f"{size_text(context.total_bytes)} travel, and one volume takes {size_text(context.volume_bytes)}"
    hint = f"build with --volume-size, which makes {volumes} volumes of it, or leave platforms out"
    yield Problem(place=context.manifest.place, where="", message=message, hint=hint)


RULE = Rule(code="AGM019", title="Too large for the medium", severity=Severity.WARNING, check=_check, offline=False)
