"""A report of a real inside: receipts, changes, refusals, what waits, what ends."""

from __future__ import annotations

import datetime as dt
import re
import time
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from support.deliveries import Site, deliveries, make_site
from support.receipts import NOON, digest, item, receipt
from support.token_office import Desk

from airgap_bundle.boundary.audit.trail import Audit
from airgap_bundle.boundary.ledger.ledger import Ledger
from airgap_bundle.boundary.receipts.receipt import Outcome
from airgap_bundle.boundary.reporting.collect import collect
from airgap_bundle.boundary.reporting.imports import MAX_IMPORTS
from airgap_bundle.boundary.reporting.trail import MAX_PROBLEMS, MAX_REFUSALS
from airgap_bundle.boundary.state import StateDirectory
from airgap_bundle.core.errors import HostError
from airgap_bundle.core.inside_report import Changed, Ends, InsideReport, Standing
from airgap_bundle.output.html_report.page import render_page
from airgap_bundle.output.inside_record import inside_record
from airgap_bundle.trust.policy_files import load_policy

if TYPE_CHECKING:
    from pathlib import Path

    from airgap_bundle.boundary.receipts.receipt import Receipt

NOW = dt.datetime(2026, 12, 1, 8, 0, 0, tzinfo=dt.UTC)


@pytest.fixture
def state(tmp_path: Path) -> StateDirectory:
    return StateDirectory.open(tmp_path / "state")


def record(state: StateDirectory, *receipts: Receipt) -> None:
    with closing(Ledger.open(state)) as ledger:
        for one in receipts:
            ledger.record(one)


def look(state: StateDirectory, policy: Path | None = None, now: dt.datetime = NOW) -> InsideReport:
    return collect(state, load_policy(policy) if policy is not None else None, now)


def standings(found: InsideReport) -> dict[str, Standing]:
    return {one.release: one.standing for one in found.imports}


# --- What is here ------------------------------------------------------------------------------------------------


def test_nothing_imported_is_a_report_too(state: StateDirectory) -> None:
    found = look(state)
    assert (found.places, found.imports, found.drift, found.logins, found.endings) == ((), (), (), (), ())
    assert found.trail is not None
    assert (found.trail.records, found.trail.problems) == (0, ())


def test_what_is_in_effect_has_its_items_signers_and_where_they_came_from(state: StateDirectory) -> None:
    items = (
        item("redis"),
        item("app", source="ghcr.io/acme/app:1", path="ghcr.io/acme/app", tag="1"),
        item("skipped", outcome=Outcome.SKIPPED),
        item("licence", kind="files", source="files of acme", path="files/acme"),
    )
    record(state, receipt(items=items))
    (place,) = look(state).places
    assert place.current is not None
    assert [by.signer for by in place.current.signatures] == ["alice"]
    assert [one.source for one in place.items] == ["docker.io/library/redis:7", "ghcr.io/acme/app:1", "files of acme"]
    assert place.hosts == (("docker.io", 1), ("files", 1), ("ghcr.io", 1))
    assert (place.current.items, place.current.bytes_sent) == (3, 10**12)


def test_the_last_import_is_compared_with_the_one_before(state: StateDirectory) -> None:
    def path(name: str, tag: str, content: str) -> object:
        return item(name, content, tag=tag, path=f"r/{name}")

    before = receipt(
        1, items=(path("same", "1", "a"), path("step", "1", "b"), path("moved", "7", "c"), path("gone", "1", "d"))
    )
    after = receipt(
        2,
        previous=before.id,
        items=(path("same", "1", "a"), path("step", "2", "e"), path("moved", "7", "f"), path("new", "1", "g")),
    )
    record(state, before, after)
    change = look(state).places[0].change
    assert change is not None
    assert (change.before.receipt, change.after.receipt, change.same) == (before.id, after.id, 1)
    assert change.changed == (
        Changed(path="r/gone", before="1", after=""),
        Changed(path="r/moved:7", before=digest("c"), after=digest("f")),
        Changed(path="r/new", before="", after="1"),
        Changed(path="r/step", before="1", after="2"),
    )


def test_each_import_is_current_earlier_held_partial_or_undone(state: StateDirectory) -> None:
    first, second = receipt(1), receipt(2)
    record(state, first, second, receipt(3), receipt(4, held=True), receipt(5, partial=True))
    with closing(Ledger.open(state)) as ledger:
        begun = ledger.begin(
            product="acme",
            sequence=2,
            bundle_id=second.bundle_id,
            destination=second.destination,
            at=NOON,
            kind="rollback",
        )
        ledger.reinstate(begun, second, (), (), at=NOON)
    found = look(state)
    assert standings(found) == {
        "1.1": Standing.EARLIER,
        "1.2": Standing.CURRENT,
        "1.3": Standing.UNDONE,
        "1.4": Standing.HELD,
        "1.5": Standing.PARTIAL,
    }
    assert [one.standing for one in found.places[0].waiting] == [Standing.HELD, Standing.PARTIAL]


def test_where_everything_was_undone_nothing_is_current(state: StateDirectory) -> None:
    one = receipt(1)
    record(state, one)
    with closing(Ledger.open(state)) as ledger:
        begun = ledger.begin(
            product="acme", sequence=1, bundle_id=one.bundle_id, destination=one.destination, at=NOON, kind="rollback"
        )
        ledger.reinstate(begun, None, (), (), at=NOON)
    found = look(state)
    assert standings(found) == {"1.1": Standing.UNDONE}
    assert found.places[0].current is None


def test_what_began_and_did_not_end_is_there(state: StateDirectory) -> None:
    with closing(Ledger.open(state)) as ledger:
        ledger.begin(product="acme", sequence=1, bundle_id=digest("b"), destination="r.internal", at=NOON)
    (left,) = look(state).unfinished
    assert (left.kind, left.product, left.worker) == ("push", "acme", "")


def test_the_months_end_with_this_one_and_those_without_imports_are_there(state: StateDirectory) -> None:
    record(state, receipt(1, finished=dt.datetime(2026, 1, 5, tzinfo=dt.UTC)), receipt(2), receipt(3))
    found = look(state).months
    assert [one.month for one in found] == [f"2026-{n:02}" for n in range(1, 13)]
    assert [one.imports for one in found] == [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0]
    assert found[0].bytes_sent == 10**12


# --- What was refused ----------------------------------------------------------------------------------------------


def test_refusals_come_from_the_trail_the_newest_first(state: StateDirectory) -> None:
    audit = Audit(path=state.audit_path)
    for n in range(MAX_REFUSALS + 3):
        details = {"code": "AB-TRUST-UNSIGNED", "reason": f"number {n}", "command": "promote"}
        audit.append("refused", at=NOON, product="acme", destination="r.internal", details=details)
    audit.append("push-stopped", at=NOON, details={"code": "interrupted"})
    audit.append("push-finished", at=NOON, details={"words": '"event":"refused"'})
    audit.append("token-refused", at=NOON)
    audit.append("token-refused", at=NOON, details={"times": "41", "last": "x"})
    trail = look(state).trail
    assert trail is not None
    assert (trail.refused, trail.stopped, trail.tokens_refused) == (MAX_REFUSALS + 3, 1, 42)
    assert [one.event for one in trail.refusals[:2]] == ["push-stopped", "promote refused"]
    assert trail.refusals[1].reason == f"number {MAX_REFUSALS + 2}"
    assert len(trail.refusals) == MAX_REFUSALS
    assert trail.last == NOON


@pytest.mark.parametrize("edit", ["changed", "cut", "nonsense"])
def test_a_trail_that_somebody_edited_is_not_whole(state: StateDirectory, edit: str) -> None:
    audit = Audit(path=state.audit_path)
    for n in range(4):
        head = audit.append("refused", at=NOON, details={"reason": f"number {n}"})
    record(state, receipt(1, audit=head))
    lines = state.audit_path.read_bytes().splitlines(keepends=True)
    if edit == "changed":
        lines[1] = lines[1].replace(b"number 1", b"number 7")
    elif edit == "cut":
        del lines[3]
    else:
        lines[2] = b"x\n"
    state.audit_path.write_bytes(b"".join(lines))
    trail = look(state).trail
    assert trail is not None
    assert trail.problems


def test_a_trail_of_nonsense_has_a_bounded_list_of_problems(state: StateDirectory) -> None:
    state.audit_path.write_bytes(b"nonsense\n" * 1000)
    trail = look(state).trail
    assert trail is not None
    assert len(trail.problems) == MAX_PROBLEMS + 1
    assert trail.last is None


# --- What ends -----------------------------------------------------------------------------------------------------


def test_signers_keys_bundles_and_logins_end_in_order(state: StateDirectory, tmp_path: Path) -> None:
    record(state, receipt(1, expires=NOON + dt.timedelta(days=9)))
    policy = tmp_path / "policy.yaml"
    text = deliveries().policy.read_text()
    text = re.sub(r"(?m)^    # until: .*", "    until: 2026-12-24", text).replace(
        "    # maxAge: 180d", "    maxAge: 180d"
    )
    policy.write_text(text)
    desk = Desk(state.path)
    desk.issue("ci-site-a", until=NOW + dt.timedelta(days=300))
    found = look(state, policy)
    created = receipt(1).created
    assert [(one.what, one.at) for one in found.endings] == [
        (Ends.BUNDLE, NOON + dt.timedelta(days=9)),
        (Ends.SIGNER, dt.datetime(2026, 12, 24, 23, 59, 59, tzinfo=dt.UTC)),
        (Ends.AGE, created + dt.timedelta(days=180)),
        (Ends.LOGIN, NOW + dt.timedelta(days=300)),
    ]
    assert [(one.name, one.state) for one in found.logins] == [("ci-site-a", "active")]


def test_what_never_gets_too_old_has_no_end(state: StateDirectory, tmp_path: Path) -> None:
    record(state, receipt(1, created=dt.datetime(9999, 12, 1, tzinfo=dt.UTC)))
    policy = tmp_path / "policy.yaml"
    policy.write_text(deliveries().policy.read_text().replace("    # maxAge: 180d", "    maxAge: 180d"))
    assert not [one for one in look(state, policy).endings if one.what is Ends.AGE]


# --- The whole -------------------------------------------------------------------------------------------------------


def test_the_same_state_at_the_same_moment_gives_the_same_page(tmp_path: Path) -> None:
    site: Site = make_site(tmp_path)
    site.push("acme-1")
    site.push("acme-2")
    state = StateDirectory.open(site.state)
    first, second = (look(state, site.policy) for _ in range(2))
    assert render_page(first) == render_page(second)
    assert inside_record(first) == inside_record(second)


def test_a_ledger_that_was_changed_is_an_error_and_no_report(state: StateDirectory) -> None:
    state.ledger_path.write_bytes(b"no database at all" * 100)
    with pytest.raises(HostError) as caught:
        look(state)
    assert caught.value.code == "AB-LEDGER-DAMAGED"


def test_a_thousand_receipts_are_collected_in_seconds_and_what_is_earlier_is_said_to_be_there(
    state: StateDirectory,
) -> None:
    some = tuple(item(f"image-{n}", f"content {n}") for n in range(5))
    with closing(Ledger.open(state)) as ledger, ledger._database.writing():
        for n in range(MAX_IMPORTS + 1):
            one = replace(receipt(n + 1, product=f"p{n % 50}"), items=some)
            ledger._insert(one, _dumped(one))
    with closing(Ledger.open(state)):
        pass
    began = time.perf_counter()
    found = look(state)
    assert time.perf_counter() - began < 10
    assert (len(found.imports), found.has_more, len(found.places)) == (MAX_IMPORTS, True, 50)


def _dumped(one: Receipt) -> bytes:
    from airgap_bundle.boundary.receipts.documents import dump_receipt  # noqa: PLC0415 - needed here only

    return dump_receipt(one)
