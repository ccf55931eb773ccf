"""What stands inside as metrics, in Prometheus' text format 0.0.4: for the textfile collector of the node exporter.

Moments are seconds since 1970 and never ages, since a file is read long after it was written; `time() - …` is the age.
What is not known has no sample: a drift that was never looked for is not a drift of 0.

Specification: https://prometheus.io/docs/instrumenting/exposition_formats/ (text-based format).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from airgap_bundle.core.inside_report import Ends, Standing
from airgap_bundle.core.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import datetime

    from airgap_bundle.core.inside_report import Import, InsideReport, Place

_PREFIX = "airgap_import"
# A name of a product or a repository is shorter; a label is stored for every sample.
_MAX_LABEL_CHARACTERS = 300

# Labels and a number.
_Sample = tuple["Mapping[str, str]", float]


def render_metrics(report: InsideReport) -> str:
    """The file; the same report gives the same text."""
    lines: list[str] = []
    for name, meaning, samples in _families(report):
        made = list(samples)
        if made:
            lines += [f"# HELP {_PREFIX}_{name} {meaning}", f"# TYPE {_PREFIX}_{name} gauge"]
            lines += [_line(name, labels, value) for labels, value in made]
    return "".join(f"{line}\n" for line in lines)


def _families(report: InsideReport) -> Iterator[tuple[str, str, Iterable[_Sample]]]:
    """Name, meaning and samples of each metric. All are gauges: what they count is counted anew for each file."""
    yield "report_timestamp_seconds", "When these numbers were collected", [({}, _seconds(report.made))]
    yield "tool_info", "The program that collected them", [({"tool": report.tool}, 1)]
    yield from _places(report)
    yield from _watched(report)
    yield from _trail(report)


def _places(report: InsideReport) -> Iterator[tuple[str, str, Iterable[_Sample]]]:
    current = [(place, place.current) for place in report.places if place.current is not None]
    yield (
        "current_info",
        "What is in effect",
        [
            (_place(place) | {"release": one.release, "bundle": one.bundle, "receipt": one.receipt}, 1)
            for place, one in current
        ],
    )
    numbers: tuple[tuple[str, str, Callable[[Import], float]], ...] = (
        ("current_imported_timestamp_seconds", "When what is in effect was imported", lambda o: _seconds(o.finished)),
        ("current_created_timestamp_seconds", "When the bundle in effect was made", lambda o: _seconds(o.created)),
        ("current_sequence", "The sequence of the bundle in effect", lambda o: float(o.sequence)),
        ("current_items", "Images, charts, artifacts and files in effect", lambda o: float(o.items)),
        ("current_bytes", "Layers and files in effect", lambda o: float(o.bytes)),
    )
    for name, meaning, value in numbers:
        yield name, meaning, [(_place(place), value(one)) for place, one in current]
    yield (
        "last_import_timestamp_seconds",
        "When anything was last imported",
        [
            ({"product": product, "destination": destination}, _seconds(at))
            for (product, destination), at in sorted(_last(report.imports).items())
        ],
    )
    yield (
        "waiting",
        "Imports that are held or partial",
        [
            (_place(place) | {"state": state.value}, float(sum(1 for one in place.waiting if one.standing is state)))
            for place in report.places
            for state in (Standing.HELD, Standing.PARTIAL)
        ],
    )
    if report.trail is not None:
        left = sum(1 for one in report.unfinished if not one.worker)
        yield "unfinished", "Operations that began, did not end, and have nobody at work on them", [({}, float(left))]


def _watched(report: InsideReport) -> Iterator[tuple[str, str, Iterable[_Sample]]]:
    checks = [({"destination": one.destination, "products": ",".join(one.products)}, one) for one in report.drift]
    yield (
        "drifted",
        "Things that were not as the ledger says when the registry was last asked",
        [(labels, float(one.count)) for labels, one in checks],
    )
    yield (
        "drift_timestamp_seconds",
        "When the registry was last asked",
        [(labels, _seconds(one.at)) for labels, one in checks],
    )
    expiries: dict[tuple[str, str, str], float] = {}
    for one in report.endings:
        if one.what is not Ends.LOGIN:
            expiries.setdefault((one.what.value, one.name, one.destination), _seconds(one.at))
    # A login that was revoked is not among the endings; one that has ended need not be watched for ever.
    for login in report.logins:
        if login.state == "active":
            expiries[Ends.LOGIN.value, login.name, ""] = _seconds(login.until)
    yield (
        "expiry_timestamp_seconds",
        "When a signer, a key, a bundle or a login ends",
        [
            ({"kind": kind, "name": name, "destination": destination}, at)
            for (kind, name, destination), at in expiries.items()
        ],
    )


def _trail(report: InsideReport) -> Iterator[tuple[str, str, Iterable[_Sample]]]:
    trail = report.trail
    if trail is None:
        return
    yield "refused", "Refusals in the audit trail, without those of tokens", [({}, float(trail.refused))]
    yield "tokens_refused", "Requests with tokens that were refused", [({}, float(trail.tokens_refused))]
    yield "stopped", "Operations in the audit trail that ended early", [({}, float(trail.stopped))]
    yield "audit_records", "Records of the audit trail", [({}, float(trail.records))]
    yield "audit_ok", "1 where no record of the audit trail was changed or removed", [({}, float(not trail.problems))]
    if trail.last is not None:
        yield "audit_last_record_timestamp_seconds", "The newest record", [({}, _seconds(trail.last))]
    if report.policy_version is not None:
        yield "policy_version", "The version of the policy", [({}, float(report.policy_version))]


def _last(imports: Iterable[Import]) -> dict[tuple[str, str], datetime]:
    found: dict[tuple[str, str], datetime] = {}
    for one in imports:
        key = (one.product, one.destination)
        found[key] = max(found.get(key, one.finished), one.finished)
    return found


def _place(place: Place) -> dict[str, str]:
    return {"product": place.product, "destination": place.destination}


def _seconds(moment: datetime) -> float:
    return float(int(moment.timestamp()))


def _line(name: str, labels: Mapping[str, str], value: float) -> str:
    inner = ",".join(f'{key}="{_label(text)}"' for key, text in sorted(labels.items()))
    return f"{_PREFIX}_{name}{{{inner}}} {value:.17g}" if inner else f"{_PREFIX}_{name} {value:.17g}"


def _label(text: str) -> str:
    """A label's value: backslash, quote and line feed are escaped, and what could act is written out before."""
    return re.sub(r'(["\\])', r"\\\1", printable(text[:_MAX_LABEL_CHARACTERS]))
