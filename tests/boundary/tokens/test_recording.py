"""What is told of uses: each kind at once, and how often it went on; never more lines than there are kinds."""

from __future__ import annotations

import datetime as dt
import threading
from typing import TYPE_CHECKING

import pytest
from support.token_office import NOON, Clock, Desk

from airgap_bundle.boundary.tokens import recording
from airgap_bundle.boundary.tokens.recording import Recorder
from airgap_bundle.core.errors import HostError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "state")


@pytest.fixture
def recorder(desk: Desk) -> Recorder:
    return Recorder(desk.office.audit, desk.clock)


def use(recorder: Recorder, identity: str = "ci", repository: str = "acme/app", jti: str = "j") -> bool:
    key = {"identity": identity, "repository": repository, "action": "pull"}
    return recorder.note("token-used", key, jti=jti)


def test_the_first_use_is_written_before_anything_is_answered(desk: Desk, recorder: Recorder) -> None:
    assert use(recorder)
    assert [one["identity"] for one in desk.told("token-used")] == ["ci"]


def test_ten_thousand_uses_within_five_minutes_are_two_records(desk: Desk, recorder: Recorder) -> None:
    assert [use(recorder) for _ in range(10_000)].count(True) == 1
    desk.clock.passes("5m")
    assert use(recorder, repository="acme/other")
    told = desk.told("token-used")
    assert [(one["repository"], one.get("times")) for one in told] == [
        ("acme/app", None),
        ("acme/app", "9999"),
        ("acme/other", None),
    ]


def test_another_identity_repository_or_action_is_another_use(desk: Desk, recorder: Recorder) -> None:
    assert use(recorder)
    assert use(recorder, identity="other")
    assert use(recorder, repository="acme/other")
    assert not use(recorder, jti="another token of the same one")
    assert len(desk.told("token-used")) == 3


def test_a_use_after_five_minutes_is_told_anew_with_the_count_before_it(desk: Desk, recorder: Recorder) -> None:
    use(recorder)
    desk.clock.passes("299s")
    assert not use(recorder)
    desk.clock.passes("1s")
    assert use(recorder)
    assert [one.get("times") for one in desk.told("token-used")] == [None, "1", None]


def test_what_was_counted_is_written_at_the_end(desk: Desk, recorder: Recorder) -> None:
    for _ in range(3):
        use(recorder)
    recorder.close()
    recorder.close()
    told = desk.told("token-used")
    assert [one.get("times") for one in told] == [None, "2"]
    assert told[1]["last"] == "2026-11-22T12:00:00Z"


def test_a_clock_that_is_set_back_ends_every_window(desk: Desk, recorder: Recorder) -> None:
    use(recorder)
    desk.clock.moment = NOON - dt.timedelta(days=1)
    assert use(recorder)


def test_somebody_who_tries_all_names_fills_neither_memory_nor_disk(
    desk: Desk, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "_MAX_OPEN", 20)
    for number in range(500):
        use(recorder, repository=f"acme/{number}")
    recorder.close()
    told = desk.told("token-used")
    assert len(told) == 22
    assert (told[-1]["reason"], told[-1]["times"]) == ("more-than-are-listed", "479")


def test_what_cannot_be_told_may_not_be_done(desk: Desk, recorder: Recorder) -> None:
    path = desk.path / "audit.jsonl"
    path.write_text("not a record of ours\n")
    with pytest.raises(HostError) as caught:
        use(recorder)
    assert caught.value.code == "AB-AUDIT-DAMAGED"
    path.unlink()
    assert use(recorder)


def test_threads_at_the_same_time_write_one_record_and_lose_no_count(desk: Desk) -> None:
    recorder = Recorder(desk.office.audit, Clock())
    threads = [threading.Thread(target=lambda: [use(recorder) for _ in range(50)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    recorder.close()
    assert [one.get("times") for one in desk.told("token-used")] == [None, "399"]
