"""The last drift of each destination, kept in `drift.json` of the state directory: what a page can show offline.

It is a note and no evidence: whoever has to know asks the registries again. A file that cannot be read says nothing,
and the next drift writes it anew.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from airgap_bundle.boundary.state import unusable
from airgap_bundle.bundle.inventory import check_product
from airgap_bundle.core import strictjson
from airgap_bundle.core.errors import HostError, InvalidValueError
from airgap_bundle.core.fields import Fields
from airgap_bundle.core.inside_report import DriftCheck, DriftedThing
from airgap_bundle.core.moments import moment_text
from airgap_bundle.core.report import Remark, Severity
from airgap_bundle.core.whole_files import write_whole

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from airgap_bundle.boundary.lifecycle.reconcile import Drifted, DriftReport
    from airgap_bundle.boundary.state import StateDirectory
    from airgap_bundle.core.report import Reporter

DRIFT_TYPE = "application/vnd.airgap-bundle.drift.v1+json"
FILE = "drift.json"
# Who has more that drifted pushes the bundle again and does not go through a list.
MAX_FOUND = 200
# More registries than one boundary has.
MAX_CHECKS = 200
# 200 destinations with 200 things of at most 700 bytes each.
_MAX_BYTES = 32 * 1024 * 1024


def keep_drift(state: StateDirectory, report: DriftReport, *, at: datetime, deep: bool, tell: Reporter) -> None:
    """Note what a drift found, in place of what was noted of the same destinations and products before.

    Where it cannot be written `tell` hears of it: what was found matters more than the note.
    """
    new = _checks(report, at=at, deep=deep)
    kept = [old for old in read_drift(state.path) if not any(_covers(one, old) for one in new)]
    try:
        _write(state.path / FILE, (*new, *kept)[:MAX_CHECKS])
    except HostError as error:
        tell(Remark(severity=Severity.WARNING, message=f"what was found is not noted for reports: {error.message}"))


def read_drift(state: Path) -> tuple[DriftCheck, ...]:
    """What is noted in a state directory, by destination; nothing where there is no note that can be read."""
    try:
        descriptor = os.open(state / FILE, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            raw = file.read(_MAX_BYTES + 1)
        with Fields(strictjson.parse_object(raw, max_bytes=_MAX_BYTES)) as fields:
            if fields.text("_type") != DRIFT_TYPE:
                return ()
            found = fields.each("checks", _check)
    except (OSError, InvalidValueError):
        return ()
    return tuple(sorted(found[:MAX_CHECKS], key=lambda one: (one.destination, one.products)))


def _checks(report: DriftReport, *, at: datetime, deep: bool) -> tuple[DriftCheck, ...]:
    by_destination: dict[str, list[str]] = {}
    for product, destination in report.places:
        by_destination.setdefault(destination, []).append(product)
    made = []
    for destination, products in by_destination.items():
        drifted = [one for one in report.drifted if one.destination == destination]
        made.append(
            DriftCheck(
                destination=destination,
                products=tuple(sorted(products)),
                at=at.replace(microsecond=0),
                deep=deep,
                count=len(drifted),
                found=tuple(map(_thing, drifted[:MAX_FOUND])),
            )
        )
    return tuple(made)


def _thing(one: Drifted) -> DriftedThing:
    return DriftedThing(repository=one.repository, kind=one.kind, name=one.name, expected=one.expected, found=one.found)


def _covers(new: DriftCheck, old: DriftCheck) -> bool:
    return new.destination == old.destination and set(old.products) <= set(new.products)


def _write(path: Path, checks: tuple[DriftCheck, ...]) -> None:
    raw = strictjson.canonical({"_type": DRIFT_TYPE, "checks": [_value(one) for one in checks]}) + b"\n"
    try:
        write_whole(path, raw, mode=0o600)
    except OSError as error:
        raise unusable(path, "be written", error) from error


def _value(check: DriftCheck) -> dict[str, object]:
    return {
        "destination": check.destination,
        "products": list(check.products),
        "at": moment_text(check.at),
        "deep": check.deep,
        "count": check.count,
        "found": [
            {
                "repository": one.repository,
                "kind": one.kind,
                "name": one.name,
                "expected": one.expected,
                "state": "gone" if one.found is None else "damaged" if one.found == "" else "other",
                "found": one.found or "",
            }
            for one in check.found
        ],
    }


def _check(fields: Fields) -> DriftCheck:
    return DriftCheck(
        destination=fields.text("destination"),
        products=tuple(check_product(name) for name in fields.texts("products")),
        at=fields.moment("at"),
        deep=fields.flag("deep"),
        count=fields.number("count"),
        found=fields.each("found", _read_thing)[:MAX_FOUND],
    )


def _read_thing(fields: Fields) -> DriftedThing:
    state, found = fields.text("state"), fields.text("found")
    return DriftedThing(
        repository=fields.text("repository"),
        kind=fields.text("kind"),
        name=fields.text("name"),
        expected=fields.text("expected"),
        found=None if state == "gone" else found,
    )
