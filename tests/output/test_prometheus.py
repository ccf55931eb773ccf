"""Metrics of what stands inside, read back by Prometheus' own parser."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families
from support.inside_reports import DESTINATION, NOON, hostile_report, imported, place, report

from airgap_bundle.core.inside_report import Ending, Ends, InsideReport, Trail
from airgap_bundle.core.text import printable
from airgap_bundle.output.prometheus import render_metrics

if TYPE_CHECKING:
    from collections.abc import Mapping

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def read(one: InsideReport) -> Samples:
    found: Samples = {}
    for family in text_string_to_metric_families(render_metrics(one)):
        assert family.type == "gauge"
        assert family.documentation
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in found, key
            found[key] = sample.value
    return found


def key(name: str, labels: Mapping[str, str] | None = None) -> tuple[str, frozenset[tuple[str, str]]]:
    return (f"airgap_import_{name}", frozenset((labels or {}).items()))


def test_last_import_age_drift_and_expiry_are_numbers() -> None:
    found = read(report())
    here = {"product": "acme", "destination": DESTINATION}
    checked = {"destination": DESTINATION, "products": "acme,other"}
    expected = {
        key("report_timestamp_seconds"): NOON.timestamp(),
        key("last_import_timestamp_seconds", here): imported(901).finished.timestamp(),
        key("current_imported_timestamp_seconds", here): imported(900).finished.timestamp(),
        key("current_created_timestamp_seconds", here): imported(900).created.timestamp(),
        key("current_sequence", here): 900,
        key("waiting", {**here, "state": "held"}): 1,
        key("waiting", {**here, "state": "partial"}): 0,
        key("unfinished"): 1,
        key("drifted", checked): 2,
        key("drift_timestamp_seconds", checked): (NOON - timedelta(days=2)).timestamp(),
        key("drifted", {"destination": "staging.internal", "products": "acme"}): 0,
        key("refused"): 2,
        key("tokens_refused"): 17,
        key("audit_ok"): 1,
        key("audit_records"): 4711,
        key("expiry_timestamp_seconds", {"kind": "signer", "name": "alice", "destination": ""}): (
            NOON + timedelta(days=20)
        ).timestamp(),
        key("expiry_timestamp_seconds", {"kind": "bundle", "name": "acme 1.900", "destination": DESTINATION}): (
            NOON + timedelta(days=50)
        ).timestamp(),
        key("expiry_timestamp_seconds", {"kind": "login", "name": "site-a", "destination": ""}): (
            NOON + timedelta(days=265)
        ).timestamp(),
    }
    assert {name: found.get(name) for name in expected} == expected


def test_what_is_not_known_has_no_sample() -> None:
    names = {name for name, _ in read(report(drift=(), endings=(), logins=(), policy_version=None))}
    assert not names & {f"airgap_import_{one}" for one in ("drifted", "drift_timestamp_seconds", "policy_version")}
    assert "airgap_import_expiry_timestamp_seconds" not in names


def test_a_login_that_has_ended_is_no_longer_watched() -> None:
    assert key("expiry_timestamp_seconds", {"kind": "login", "name": "site-b", "destination": ""}) not in read(report())


def test_a_broken_trail_is_a_zero() -> None:
    assert read(report(trail=Trail(records=1, problems=("line 1 is not a record",))))[key("audit_ok")] == 0


def test_two_keys_of_one_name_are_one_sample() -> None:
    ends = tuple(Ending(what=Ends.KEY, name="alice, ab", at=NOON + timedelta(days=n)) for n in (1, 2))
    found = read(report(endings=ends))
    assert (
        found[key("expiry_timestamp_seconds", {"kind": "key", "name": "alice, ab", "destination": ""})]
        == (NOON + timedelta(days=1)).timestamp()
    )


def test_names_made_to_break_it_are_labels() -> None:
    names = {
        dict(labels).get("product", "") for name, labels in read(hostile_report()) if name.endswith("current_info")
    }
    assert '" onmouseover="window.alerts=1" x="' in names
    assert "a\\nb\\r\\nc\\x00d" in names


@given(st.text(max_size=200))
def test_any_name_comes_back_as_it_is_shown(name: str) -> None:
    one = place(product=name)
    found = read(report(places=(one,), imports=()))
    shown = {dict(labels)["product"] for metric, labels in found if metric == "airgap_import_current_items"}
    assert shown == {printable(name)}


def test_a_name_that_is_too_long_is_cut() -> None:
    metrics = render_metrics(report(places=(place(product="x" * 100_000),), imports=()))
    assert max(map(len, metrics.splitlines())) < 2000
