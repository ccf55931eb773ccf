"""The note of the last drift: what it holds, what takes its place, and that nobody depends on it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from support.deliveries import make_site
from support.receipts import NOON, digest

from airgap_bundle.boundary.lifecycle.reconcile import Drifted, DriftReport
from airgap_bundle.boundary.reporting.drift_kept import FILE, MAX_FOUND, keep_drift, read_drift
from airgap_bundle.boundary.state import StateDirectory
from airgap_bundle.core.report import Remark, silent

if TYPE_CHECKING:
    from pathlib import Path

    from airgap_bundle.core.report import Event


@pytest.fixture
def state(tmp_path: Path) -> StateDirectory:
    return StateDirectory.open(tmp_path / "state")


def drift(*places: tuple[str, str], things: int = 0) -> DriftReport:
    found = tuple(
        Drifted(
            destination=places[0][1],
            repository="mirror/app",
            kind="tag",
            name=str(n),
            expected=digest("new"),
            found=(None, "", digest("old"))[n % 3],
        )
        for n in range(things)
    )
    return DriftReport(places=places, drifted=found, tags=things, images=1, blobs=1)


def keep(state: StateDirectory, report: DriftReport) -> None:
    keep_drift(state, report, at=NOON, deep=False, tell=silent)


def test_what_was_found_is_read_again(state: StateDirectory) -> None:
    keep(state, drift(("acme", "r.internal"), ("other", "r.internal"), ("acme", "s.internal"), things=3))
    first, second = read_drift(state.path)
    assert (first.destination, first.products, first.count, first.at) == ("r.internal", ("acme", "other"), 3, NOON)
    assert [one.found for one in first.found] == [None, "", digest("old")]
    assert (second.destination, second.products, second.count) == ("s.internal", ("acme",), 0)


def test_a_new_look_takes_the_place_of_what_it_covers_and_of_nothing_else(state: StateDirectory) -> None:
    keep(state, drift(("acme", "r.internal"), ("other", "r.internal"), things=1))
    keep(state, drift(("acme", "r.internal")))
    assert [(one.products, one.count) for one in read_drift(state.path)] == [(("acme",), 0), (("acme", "other"), 1)]
    keep(state, drift(("other", "r.internal"), ("acme", "r.internal")))
    assert [(one.products, one.count) for one in read_drift(state.path)] == [(("acme", "other"), 0)]


def test_a_long_list_is_cut_and_counted_whole(state: StateDirectory) -> None:
    keep(state, drift(("acme", "r.internal"), things=MAX_FOUND + 5))
    (one,) = read_drift(state.path)
    assert (one.count, len(one.found)) == (MAX_FOUND + 5, MAX_FOUND)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"nonsense",
        b"[]",
        b'{"_type":"something else","checks":[]}',
        b'{"_type":"application/vnd.airgap-bundle.drift.v1+json","checks":[{"at":"yesterday"}]}',
        b'{"_type":"application/vnd.airgap-bundle.drift.v1+json","checks":[],"more":1}',
    ],
)
def test_a_note_that_cannot_be_read_says_nothing_and_is_written_anew(state: StateDirectory, raw: bytes) -> None:
    (state.path / FILE).write_bytes(raw)
    assert read_drift(state.path) == ()
    keep(state, drift(("acme", "r.internal")))
    assert len(read_drift(state.path)) == 1


def test_a_link_in_its_place_is_not_followed(state: StateDirectory, tmp_path: Path) -> None:
    keep(state, drift(("acme", "r.internal")))
    (state.path / FILE).rename(tmp_path / "elsewhere")
    (state.path / FILE).symlink_to(tmp_path / "elsewhere")
    assert read_drift(state.path) == ()


def test_where_it_cannot_be_written_the_drift_is_told_all_the_same(state: StateDirectory) -> None:
    (state.path / FILE).mkdir()
    told: list[Event] = []
    keep_drift(state, drift(("acme", "r.internal")), at=NOON, deep=False, tell=told.append)
    assert [isinstance(one, Remark) and "is not noted for reports" in one.message for one in told] == [True]


def test_the_command_leaves_its_note_for_the_report(tmp_path: Path) -> None:
    site = make_site(tmp_path)
    site.push("acme-1")
    site.registry.delete_tag(site.repository("redis"), "7")
    site.done("drift", status=1)
    document = site.done("report")
    (check,) = document["drift"]  # type: ignore[misc]  # a list of one
    assert (check["count"], check["found"][0]["kind"], check["found"][0]["found"]) == (1, "tag", None)
    assert json.loads((site.state / FILE).read_bytes())["checks"][0]["deep"] is False
