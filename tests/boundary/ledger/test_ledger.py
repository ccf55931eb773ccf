"""The ledger: the truth about imports, whatever interrupts it."""

from __future__ import annotations

import signal
import sqlite3
import time
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from support.child import run_child, start_child
from support.receipts import DESTINATION, NOON, digest, item, receipt

from airgap_bundle.boundary.ledger.ledger import Ledger
from airgap_bundle.boundary.ledger.values import Begun, TagMove
from airgap_bundle.boundary.lifecycle.pruning import anchors_to_keep
from airgap_bundle.boundary.receipts.documents import dump_receipt, parse_receipt
from airgap_bundle.boundary.receipts.receipt import AuditHead, Outcome, Receipt
from airgap_bundle.boundary.state import StateDirectory
from airgap_bundle.core.errors import HostError, InvalidValueError, TrustError
from airgap_bundle.trust.policy_model import Policy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def state(tmp_path: Path) -> StateDirectory:
    """An empty state directory."""
    return StateDirectory.open(tmp_path)


@pytest.fixture
def ledger(state: StateDirectory) -> Iterator[Ledger]:
    """An empty ledger."""
    with Ledger.open(state) as opened:
        yield opened


def _begin(ledger: Ledger, one: Receipt) -> Begun:
    return ledger.begin(
        product=one.product, sequence=one.sequence, bundle_id=one.bundle_id, destination=one.destination, at=NOON
    )


def _file(state: StateDirectory, one: Receipt) -> Path:
    return state.receipts_path / f"{one.id}.json"


def test_a_receipt_is_kept_in_the_ledger_and_as_a_file(state: StateDirectory, ledger: Ledger) -> None:
    assert ledger.record(receipt()) == receipt()
    assert ledger.get(receipt().id) == receipt()
    assert _file(state, receipt()).read_bytes() == dump_receipt(receipt())
    assert [p.stat().st_mode & 0o777 for p in (state.ledger_path, _file(state, receipt()))] == [0o600, 0o600]


def test_an_unknown_receipt_is_none(ledger: Ledger) -> None:
    assert (ledger.get("acme-1-0-0"), ledger.latest("acme", DESTINATION)) == (None, None)


def test_the_latest_is_the_one_recorded_last_for_product_and_destination(ledger: Ledger) -> None:
    for one in (receipt(2), receipt(1), receipt(3, product="plane"), receipt(4, destination="other:5000")):
        ledger.record(one)
    assert ledger.latest("acme", DESTINATION) == receipt(1)
    assert [one.sequence for one in ledger.receipts("acme")] == [4, 1, 2]
    assert ledger.places() == (("acme", "other:5000"), ("acme", DESTINATION), ("plane", DESTINATION))


def test_the_same_receipt_again_changes_nothing(ledger: Ledger) -> None:
    ledger.record(receipt(1))
    ledger.record(receipt(2))
    ledger.record(receipt(1))
    assert ledger.latest("acme", DESTINATION) == receipt(2)


def test_a_second_run_replaces_the_receipt_and_its_file(state: StateDirectory, ledger: Ledger) -> None:
    ledger.record(receipt())
    second = receipt(finished=NOON + timedelta(hours=9))
    ledger.record(second)
    assert (ledger.get(second.id), list(ledger.receipts())) == (second, [second])
    assert parse_receipt(_file(state, second).read_bytes()) == second


@pytest.mark.parametrize("less", [{"partial": True}, {"held": True}])
def test_less_never_replaces_more(state: StateDirectory, ledger: Ledger, less: dict[str, Any]) -> None:
    ledger.record(receipt())
    assert ledger.record(receipt(**less)) == receipt()
    assert ledger.get(receipt().id) == receipt()
    assert parse_receipt(_file(state, receipt()).read_bytes()) == receipt()


def test_more_replaces_less(ledger: Ledger) -> None:
    ledger.record(receipt(held=True))
    assert ledger.record(receipt()) == receipt()


def test_history_is_empty_before_the_first_import(ledger: Ledger) -> None:
    history = ledger.history("acme", DESTINATION)
    assert (history.sequence, history.newest_created, history.known, history.is_adopted) == (
        None,
        None,
        frozenset(),
        True,
    )


def test_history_has_the_highest_sequence_and_the_newest_time_of_any_product(ledger: Ledger) -> None:
    for one in (receipt(5), receipt(3), receipt(9, product="plane"), receipt(7, destination="other:5000")):
        ledger.record(one)
    history = ledger.history("acme", DESTINATION)
    assert (history.sequence, history.bundle_ids) == (5, {digest("bundle 5")})
    assert history.newest_created == NOON + timedelta(minutes=9)
    assert history.known == {digest("bundle 5"), digest("bundle 3")}


def test_partial_imports_do_not_raise_the_mark_and_held_ones_do(ledger: Ledger) -> None:
    for one in (receipt(1), receipt(2, held=True), receipt(3, partial=True)):
        ledger.record(one)
    assert ledger.history("acme", DESTINATION).sequence == 2


def test_a_revoked_bundle_no_longer_counts(ledger: Ledger) -> None:
    ledger.record(receipt(1))
    ledger.record(receipt(2))
    history = ledger.history("acme", DESTINATION, {digest("bundle 2")})
    assert (history.sequence, history.newest_created) == (1, NOON + timedelta(minutes=1))


def test_receipts_of_the_destination_raise_the_mark(ledger: Ledger) -> None:
    ledger.record(receipt(1))
    theirs = [
        receipt(4),
        receipt(5, partial=True),
        receipt(6, product="plane"),
        receipt(7, destination="other:5000"),
    ]
    history = ledger.history("acme", DESTINATION, in_destination=theirs)
    assert (history.sequence, history.is_adopted) == (4, True)


def test_a_ledger_that_knows_nothing_of_a_destination_with_receipts_is_not_adopted(ledger: Ledger) -> None:
    ledger.record(receipt(1, destination="other:5000"))
    history = ledger.history("acme", DESTINATION, in_destination=[receipt(4)])
    assert (history.sequence, history.is_adopted) == (4, False)


def test_it_knows_which_bundles_came_before(ledger: Ledger) -> None:
    ledger.record(receipt())
    assert (ledger.knows(digest("bundle 1")), ledger.knows(digest("bundle 2"))) == (True, False)


def test_a_destination_keeps_the_policy_of_its_first_import(ledger: Ledger) -> None:
    first = Policy(version=3, raw=b"policy")
    ledger.policies.enrol(DESTINATION, first, at=NOON)
    ledger.policies.enrol(DESTINATION, first, at=NOON + timedelta(days=1))
    with pytest.raises(TrustError) as caught:
        ledger.policies.enrol(DESTINATION, Policy(version=4, raw=b"other"), at=NOON)
    enrolled = ledger.policies.get(DESTINATION)
    assert enrolled is not None
    assert (caught.value.code, enrolled.digest, enrolled.version, enrolled.since) == (
        "AB-LEDGER-POLICY",
        first.digest,
        3,
        NOON,
    )


def test_another_destination_may_have_another_policy(ledger: Ledger) -> None:
    ledger.policies.enrol(DESTINATION, Policy(version=3, raw=b"policy"), at=NOON)
    ledger.policies.enrol("other:5000", Policy(version=1, raw=b"other"), at=NOON)
    assert [one.version for one in ledger.policies.all().values()] == [1, 3]


@pytest.mark.parametrize("inner", [f"{DESTINATION}/mirror", DESTINATION.rpartition("/")[0] or "registry.internal:5000"])
def test_what_lies_in_a_destination_has_its_policy(ledger: Ledger, inner: str) -> None:
    ledger.policies.enrol(DESTINATION, Policy(version=3, raw=b"policy"), at=NOON)
    if inner == DESTINATION:
        pytest.skip("this destination is the root of its registry")
    with pytest.raises(TrustError, match=DESTINATION):
        ledger.policies.enrol(inner, Policy(version=9, raw=b"other"), at=NOON)


def test_receipts_in_a_destination_ask_for_their_policy_or_a_newer_one(ledger: Ledger) -> None:
    kept = [receipt()]
    version = kept[0].policy.version
    ledger.policies.check(DESTINATION, Policy(version=version + 1, raw=b"newer"), kept)
    for other in (version, version - 1):
        with pytest.raises(TrustError, match="receipts of imports under the policy") as caught:
            ledger.policies.check(DESTINATION, Policy(version=other, raw=b"on the spot"), kept)
        assert caught.value.code == "AB-LEDGER-POLICY"


def test_a_successor_takes_over_everywhere_or_nowhere(ledger: Ledger) -> None:
    old, new = Policy(version=3, raw=b"policy"), Policy(version=4, raw=b"successor")
    ledger.policies.enrol(DESTINATION, old, at=NOON)
    ledger.policies.enrol("other:5000", Policy(version=1, raw=b"other"), at=NOON)
    with pytest.raises(TrustError):
        ledger.policies.replace([DESTINATION, "other:5000"], old.digest, new, at=NOON)
    assert [one.version for one in ledger.policies.all().values()] == [1, 3]
    ledger.policies.replace([DESTINATION], old.digest, new, at=NOON)
    assert [one.digest for one in ledger.policies.all().values()][1] == new.digest


def test_products_that_share_a_tag_all_own_it_the_last_one_first(ledger: Ledger) -> None:
    acme, plane = receipt(1), receipt(2, product="plane", items=(item(content="plane's"),))
    for one in (acme, plane):
        ledger.record(one)
    owners = ledger.tag_owners(DESTINATION, "docker.io/library/redis", "7")
    assert [(o.product, o.digest, o.receipt_id) for o in owners] == [
        ("plane", digest("plane's"), plane.id),
        ("acme", digest("image 1"), acme.id),
    ]


def test_what_was_held_or_skipped_owns_no_tag(ledger: Ledger) -> None:
    ledger.record(receipt(1, held=True))
    ledger.record(receipt(2, items=(item(outcome=Outcome.SKIPPED),)))
    assert ledger.tag_owners(DESTINATION, "docker.io/library/redis", "7") == ()


def test_anchors_of_the_last_three_complete_imports_and_all_newer_ones_stay(ledger: Ledger) -> None:
    made = [receipt(n) for n in range(1, 5)] + [receipt(5, held=True), receipt(6, partial=True), receipt(7)]
    for one in made:
        ledger.record(one)
    kept = {anchor for _, anchor in anchors_to_keep(ledger, "acme", DESTINATION)}
    assert kept == {one.items[0].anchor for one in made[2:]}


def test_an_import_that_has_begun_is_seen_until_it_finishes(ledger: Ledger) -> None:
    begun = _begin(ledger, receipt())
    assert ledger.unfinished("acme", DESTINATION) == (begun,)
    ledger.finish(begun, receipt())
    assert (ledger.unfinished(), ledger.get(begun.receipt_id)) == ((), receipt())


def test_an_import_that_was_abandoned_has_ended(ledger: Ledger) -> None:
    begun = _begin(ledger, receipt())
    ledger.abandon(begun, at=NOON, reason="https://bob:pw@r answered 500")
    assert (ledger.unfinished(), ledger.get(begun.receipt_id)) == ((), None)


def test_finishing_ends_earlier_attempts_at_the_same_and_no_others(ledger: Ledger) -> None:
    _begin(ledger, receipt(1))
    other = _begin(ledger, receipt(2))
    ledger.finish(_begin(ledger, receipt(1)), receipt(1))
    assert ledger.unfinished() == (other,)


def test_an_import_cannot_finish_with_the_receipt_of_another(ledger: Ledger) -> None:
    with pytest.raises(InvalidValueError, match="is not the receipt of"):
        ledger.finish(_begin(ledger, receipt(1)), receipt(2))


def test_what_was_under_the_tags_is_known_after_a_kill(state: StateDirectory) -> None:
    moves = (
        TagMove(path="a", tag="1", previous=digest("old"), digest=digest("new")),
        TagMove(path="b", tag="1", previous=None, digest=digest("new")),
    )
    with Ledger.open(state) as ledger:
        ledger.intend(_begin(ledger, receipt()), moves)
    with Ledger.open(state) as ledger:
        assert ledger.intended(ledger.unfinished()[0]) == moves


def test_a_run_after_a_kill_knows_what_was_under_the_tags_before(ledger: Ledger) -> None:
    move = TagMove(path="docker.io/library/redis", tag="7", previous=digest("old"), digest=digest("new"))
    ledger.intend(_begin(ledger, receipt()), [move])
    again = receipt(items=(item(content="new", previous=digest("new"), outcome=Outcome.PRESENT),))
    recorded = ledger.finish(_begin(ledger, again), again)
    assert recorded.items[0].previous == digest("old")
    assert ledger.get(again.id) == recorded


def test_a_receipt_never_comes_before_itself(ledger: Ledger) -> None:
    first = ledger.record(receipt(previous="acme-0-before"))
    assert ledger.record(receipt(previous=first.id, finished=NOON)).previous == "acme-0-before"


def test_a_file_that_a_crash_left_unwritten_is_written(state: StateDirectory) -> None:
    with Ledger.open(state) as ledger:
        ledger.record(receipt())
    _file(state, receipt()).unlink()
    with Ledger.open(state) as ledger:
        assert [receipt().id in remark for remark in ledger.remarks] == [True]
    assert _file(state, receipt()).read_bytes() == dump_receipt(receipt())


def test_a_file_without_an_entry_is_not_believed(state: StateDirectory) -> None:
    with Ledger.open(state) as ledger:
        ledger.record(receipt(1))
    _file(state, receipt(9)).write_bytes(dump_receipt(receipt(9)))
    with Ledger.open(state) as ledger:
        assert ledger.get(receipt(9).id) is None
        assert ledger.remarks == (f"receipts/{receipt(9).id}.json has no entry in the ledger and is not believed",)


def test_a_lost_ledger_is_built_anew_and_has_not_forgotten_the_mark_or_the_policy(state: StateDirectory) -> None:
    with Ledger.open(state) as ledger:
        for n in (1, 3, 2):
            ledger.record(receipt(n))
    state.ledger_path.unlink()
    (state.receipts_path / "nonsense.json").write_bytes(b"{")
    with Ledger.open(state) as ledger:
        assert ledger.history("acme", DESTINATION).sequence == 3
        assert ledger.policies.get(DESTINATION) is not None
        assert ledger.remarks[0] == "the ledger was missing and has been built anew from the receipts beside it (3)"


def test_a_ledger_of_a_newer_version_is_refused_unchanged(state: StateDirectory) -> None:
    with Ledger.open(state):
        pass
    with closing(sqlite3.connect(state.ledger_path)) as database:
        database.execute("PRAGMA user_version = 3")
    before = state.ledger_path.read_bytes()
    with pytest.raises(HostError) as caught:
        Ledger.open(state)
    assert (caught.value.code, caught.value.exit_status) == ("AB-LEDGER-NEWER", 6)
    assert state.ledger_path.read_bytes() == before


def test_a_file_that_is_no_database_is_refused(state: StateDirectory) -> None:
    state.ledger_path.write_bytes(b"not a database, but long enough to look at" * 50)
    with pytest.raises(HostError) as caught:
        Ledger.open(state)
    assert caught.value.code == "AB-LEDGER-DAMAGED"


def test_a_database_of_another_program_is_refused(state: StateDirectory) -> None:
    with closing(sqlite3.connect(state.ledger_path)) as database:
        database.execute("CREATE TABLE bookmarks (url TEXT)")
    with pytest.raises(HostError) as caught:
        Ledger.open(state)
    assert caught.value.code == "AB-LEDGER-DAMAGED"


def test_a_receipt_that_was_changed_in_the_database_is_refused(state: StateDirectory) -> None:
    with Ledger.open(state) as ledger:
        ledger.record(receipt())
        with closing(sqlite3.connect(state.ledger_path)) as database:
            database.execute("UPDATE receipts SET raw = CAST(replace(raw, 'alice', 'mallo') AS BLOB)")
            database.commit()
        with pytest.raises(HostError, match="was changed"):
            ledger.get(receipt().id)


def test_a_full_disk_leaves_what_was_recorded_and_says_so(state: StateDirectory) -> None:
    with Ledger.open(state) as ledger:
        ledger.record(receipt(1))
    output = run_child(
        """
with Ledger.open(StateDirectory.open(Path(sys.argv[1]))) as ledger:
    size = os.stat(Path(sys.argv[1]) / "ledger.sqlite3").st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    try:
        ledger.record(receipt(2, items=tuple(item(f"i{n}") for n in range(500))))
    except AirgapError as error:
        print(error.code)
    assert ledger.get(receipt(2).id) is None
""",
        state.path,
    )
    assert output == "AB-LEDGER-WRITE"
    with Ledger.open(state) as ledger:
        assert (ledger.remarks, list(ledger.receipts())) == ((), [receipt(1)])


def test_two_imports_at_once_both_get_in(state: StateDirectory) -> None:
    code = """
with Ledger.open(StateDirectory.open(Path(sys.argv[1]))) as ledger:
    for n in range(20):
        ledger.record(receipt(n, product=sys.argv[2]))
"""
    with start_child(code, state.path, "acme") as one, start_child(code, state.path, "plane") as two:
        assert (one.wait(60), two.wait(60)) == (0, 0)
    with Ledger.open(state) as ledger:
        assert (ledger.remarks, len(list(ledger.receipts()))) == ((), 40)


@pytest.mark.parametrize("written", [0, 3, 7])
def test_killed_at_any_moment_it_tells_the_truth_when_opened_again(state: StateDirectory, written: int) -> None:
    code = """
with Ledger.open(StateDirectory.open(Path(sys.argv[1]))) as ledger:
    for n in range(10_000):
        one = receipt(n)
        begun = ledger.begin(product="acme", sequence=n, bundle_id=one.bundle_id, destination=DESTINATION, at=NOON)
        ledger.finish(begun, one)
        print(n, flush=True)
"""
    with start_child(code, state.path) as child:
        assert child.stdout is not None
        for _ in range(written + 1):
            child.stdout.readline()
        child.send_signal(signal.SIGKILL)
        acknowledged = max([written, *map(int, child.stdout.read().split())])
        child.wait(30)
    with Ledger.open(state) as ledger:
        known = [one.sequence for one in ledger.receipts()]
        assert known == list(range(len(known)))[::-1]
        assert known[0] >= acknowledged
        assert all(begun.sequence == known[0] + 1 for begun in ledger.unfinished())
        assert {p.name for p in state.receipts_path.glob("*.json")} == {f"{one.id}.json" for one in ledger.receipts()}


def test_killed_after_the_transaction_and_before_the_file_nothing_is_lost(state: StateDirectory) -> None:
    code = """
from airgap_bundle.boundary.receipts import files as receipt_files
with Ledger.open(StateDirectory.open(Path(sys.argv[1]))) as ledger:
    ledger.record(receipt(1))
    def die(*_, **__): os.kill(os.getpid(), signal.SIGKILL)
    receipt_files.ReceiptFiles.write = die
    ledger.record(receipt(1, finished=NOON))
"""
    with start_child(code, state.path) as child:
        assert child.wait(60) == -signal.SIGKILL
    second = receipt(1, finished=NOON)
    assert not _file(state, second).exists()
    with Ledger.open(state) as ledger:
        assert ledger.get(second.id) == second
    assert parse_receipt(_file(state, second).read_bytes()) == second


def test_the_heads_of_the_trail_are_those_of_all_receipts(ledger: Ledger) -> None:
    for n in (2, 1):
        ledger.record(receipt(n))
    assert ledger.audit_heads() == tuple(AuditHead(records=n, digest=digest(f"line {n}")) for n in (1, 2))


def test_ten_thousand_receipts_are_no_burden(state: StateDirectory) -> None:
    with Ledger.open(state) as ledger:
        for n in range(5):
            ledger.record(receipt(0, product=f"p{n}"))
        with ledger._database.writing():
            ledger._database.write(
                "WITH RECURSIVE count (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM count WHERE n < 1999)"
                " INSERT INTO receipts SELECT NULL, id || n, product, destination, bundle_id, n, created, is_partial,"
                " is_held, is_current, n, audit_head, sha256, raw FROM receipts, count"
            )
        ids = [f"{name}.json" for (name,) in ledger._database.rows("SELECT id FROM receipts")]
    for name in ids:
        (state.receipts_path / name).touch()
    started = time.process_time()
    with Ledger.open(state) as ledger:
        assert ledger.history("p3", DESTINATION).sequence == 1999
        assert ledger.latest("p3", DESTINATION) is not None
        assert len(anchors_to_keep(ledger, "p3", DESTINATION)) == 1
        assert len(ledger.places()) == 5
        assert len(ledger.audit_heads()) == 2000
        assert ledger.unfinished() == ()
    assert len(ids) == 10_000
    assert time.process_time() - started < 0.5


def test_a_replaced_receipt_stays_in_the_ledger_as_evidence(state: StateDirectory, ledger: Ledger) -> None:
    ledger.record(receipt())
    ledger.record(replace(receipt(), finished=NOON))
    with closing(sqlite3.connect(state.ledger_path)) as database:
        assert database.execute("SELECT count(*), sum(is_current) FROM receipts").fetchone() == (2, 1)


def test_a_ledger_that_stays_locked_is_a_clear_error(state: StateDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airgap_bundle.boundary.ledger.database._BUSY_SECONDS", 0.05)
    with Ledger.open(state) as ledger, closing(sqlite3.connect(state.ledger_path)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(HostError) as caught:
            ledger.record(receipt())
    assert caught.value.code == "AB-LEDGER-BUSY"


def test_a_receipt_whose_file_cannot_be_written_counts_all_the_same(state: StateDirectory) -> None:
    with Ledger.open(state) as ledger:
        _file(state, receipt()).with_suffix(".partial").mkdir()
        with pytest.raises(HostError) as caught:
            ledger.record(receipt())
        assert (caught.value.code, ledger.get(receipt().id)) == ("AB-STATE-UNUSABLE", receipt())
    _file(state, receipt()).with_suffix(".partial").rmdir()
    with Ledger.open(state):
        assert _file(state, receipt()).read_bytes() == dump_receipt(receipt())


def test_a_ledger_whose_place_is_taken_by_a_link_is_refused(state: StateDirectory, tmp_path: Path) -> None:
    state.ledger_path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(HostError) as caught:
        Ledger.open(state)
    assert (caught.value.code, (tmp_path / "elsewhere").exists()) == ("AB-LEDGER-WRITE", False)


def test_a_ledger_of_version_1_is_taken_over_with_what_was_current(state: StateDirectory) -> None:
    with Ledger.open(state) as ledger:
        ledger.record(receipt(1))
        ledger.record(receipt(2))
        ledger.record(receipt(3, held=True))
    with closing(sqlite3.connect(state.ledger_path)) as database:
        for statement in (
            "DROP TABLE standing",
            "DROP INDEX imports_by_state",
            "DROP INDEX tags_of_a_product",
            "ALTER TABLE imports DROP COLUMN kind",
            "PRAGMA user_version = 1",
        ):
            database.execute(statement)
    with Ledger.open(state) as ledger:
        current = ledger.current("acme", DESTINATION)
        assert current is not None
        assert current.sequence == 2
        assert ledger.standing.waiting("acme", DESTINATION) == (receipt(3).id,)
    with Ledger.open(state) as ledger:
        assert ledger.current("acme", DESTINATION) == current
