"""AGM018: a name that its registry does not have, or a locked digest that is gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.core.report import Severity
from airgap_bundle.manifest.rules.rule import Context, Problem, Rule
from airgap_bundle.manifest.staleness import lock_command, travelling

if TYPE_CHECKING:
    from collections.abc import Iterator


def _check(context: Context) -> Iterator[Problem]:
    places = {entry.source: entry for _, entry in travelling(context.manifest)}
    for source, answer in sorted(context.answers.items()):
        entry = places.get(source)
        place, where = (entry.place, entry.where) if entry is not None else (context.manifest.place, "")
        if answer is None:
            message = f"whether {source} exists could not be learned"
            yield Problem(place=place, where=where, message=message, severity=Severity.WARNING)
        elif not answer:
            message = f"{source} is not there, or hidden from you"
            yield Problem(place=place, where=where, message=message, hint="check the spelling, and log in")
    yield from _moved(context)


def _moved(context: Context) -> Iterator[Problem]:
    """Tags that name something else than the lock has: no fault, but worth knowing."""
    for item in context.lock.items if context.lock is not None else ():
        answer = context.answers.get(item.source)
        asked = item.original.digest if item.original is not None else item.digest
        if answer and answer != asked:
            message = f"{item.source} has moved on since the lock was made"
            hint = f"take the new one with: {lock_command(context.overlay)} --update {item.source}"
            place = next((e.place for _, e in travelling(context.manifest) if e.source == item.source), None)
            yield Problem(
                place=place or context.manifest.place, where="", message=message, hint=hint, severity=Severity.NOTE
            )


RULE = Rule(code="AGM018", title="Vanished reference", severity=Severity.ERROR, check=_check, offline=False)
