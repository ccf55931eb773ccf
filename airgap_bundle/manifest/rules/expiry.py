"""AGM010: a bundle that would be too old before it is used, or soon will be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.core.report import Severity
from airgap_bundle.manifest.rules.rule import Context, Problem, Rule
from airgap_bundle.manifest.staleness import lock_command
from airgap_bundle.manifest.words import timestamp_text

if TYPE_CHECKING:
    from collections.abc import Iterator

# Media have to be written, carried and approved; less than a day is a typing error more often than a wish.
MIN_EXPIRES_SECONDS = 24 * 3600


def _check(context: Context) -> Iterator[Problem]:
    manifest, lock = context.manifest, context.lock
    if 0 < manifest.expires_seconds < MIN_EXPIRES_SECONDS:
        message = f"expires {manifest.expires_seconds // 3600} hours after locking, before a medium is carried inside"
        yield Problem(place=manifest.place, where="expires", message=message, hint="such as 90d")
    if lock is None or context.now is None or not lock.is_ending(context.now):
        return
    end, hint = timestamp_text(lock.expires), f"run: {lock_command(context.overlay)}"
    if lock.expires <= context.now:
        message = f"the lock expired on {end}; what is built from it is refused inside"
        yield Problem(place=manifest.place, where="expires", message=message, hint=hint, severity=Severity.ERROR)
    else:
        message = f"the lock expires on {end}; what is built from it may come too late"
        yield Problem(place=manifest.place, where="expires", message=message, hint=hint)


RULE = Rule(code="AGM010", title="Expired or nearly so", severity=Severity.WARNING, check=_check)
