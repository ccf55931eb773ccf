"""The full bundle of a lock whose delta is inside: the same release, and nothing else under its sequence."""

from __future__ import annotations

import json
import re
import shutil
from typing import TYPE_CHECKING

import pytest
from support.delta import Releases, images
from support.trip import make_trip, run

from airgap_bundle.registry.store import DirectoryRegistry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.trip import Said, Trip


@pytest.fixture
def trip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trip]:
    with make_trip(tmp_path, monkeypatch) as made:
        yield made


@pytest.fixture
def releases(trip: Trip) -> Releases:
    """Release 1 is inside, and so is the delta from it to release 2, whose lock is the newest."""
    made = Releases(trip=trip)
    made.put("1", images("abc", "1"))
    receipt = made.push(made.build("one.tar"))
    made.put("2", images("abc", "2", changed="a"))
    made.push(made.build("delta.tar", receipt))
    return made


def inside(releases: Releases, *words: object, policy: bool = True) -> Said:
    where = ("--policy", releases.trip.policy) if policy else ()
    said = run("airgap-import", *words, *where, "--state", releases.trip.state)
    assert said.status == 0, said.err
    return said


def receipt_of(releases: Releases, file: Path) -> dict[str, object]:
    return dict(json.loads(file.read_bytes()))


def test_the_full_bundle_after_the_delta_of_one_lock_comes_in_without_an_override(releases: Releases) -> None:
    full = releases.push(releases.build("full.tar"))
    receipt = receipt_of(releases, full)
    assert "delta" not in receipt
    assert receipt["overrides"] == []
    # Either may be pushed again, to mend what is missing.
    delta = releases.push(releases.trip.path / "delta.tar")
    assert receipt_of(releases, delta)["delta"] is True
    assert receipt_of(releases, delta)["release"] == receipt["release"]
    assert releases.push(releases.trip.path / "full.tar") == full


def test_the_plan_says_that_all_of_it_is_here(releases: Releases) -> None:
    said = inside(releases, "plan", releases.build("full.tar"), releases.dest)
    assert "has all of it; nothing to do" in said.text


def test_a_destination_that_lost_everything_is_filled_from_the_full_bundle(releases: Releases) -> None:
    shutil.rmtree(releases.registry)
    releases.refused(releases.trip.path / "delta.tar", 4, "AB-BUNDLE-BASE")
    releases.push(releases.build("full.tar"))
    registry = DirectoryRegistry(releases.registry, make=False)
    links = releases.registry.glob("repositories/**/_tags")
    repositories = {str(link.parent.relative_to(releases.registry / "repositories")) for link in links}
    assert sum("2" in registry.list_tags(name) for name in repositories) == 3


def test_going_back_from_the_full_bundle_leads_to_the_release_before_and_not_to_its_delta(releases: Releases) -> None:
    receipt = receipt_of(releases, releases.push(releases.build("full.tar")))
    assert str(receipt["previous"]).startswith("acme-")
    inside(releases, "rollback", "acme")
    status = inside(releases, "status", "--format", "json", policy=False).json
    assert status["current"][0]["release"] == "1"
    assert inside(releases, "drift").status == 0


def test_the_delta_of_a_release_that_is_here_in_full_brings_nothing_and_is_refused(releases: Releases) -> None:
    receipt = releases.push(releases.build("full.tar"))
    releases.put("3", images("abc", "3", changed="b"))
    releases.push(releases.build("three.tar"))
    error = releases.refused(releases.build("three-delta.tar", receipt), 3, "AB-TRUST-EQUAL-SEQUENCE")
    assert "of the very same release: there is nothing new in this one" in error["message"]
    assert "push the bundle that was imported once more" in error["hint"]


def test_other_content_under_the_sequence_of_a_delta_is_refused(releases: Releases) -> None:
    """As somebody would do who can have bundles signed and wants one of them to pass for the other."""
    lock = releases.trip.path / "acme.lock.yaml"
    fields = {key: re.search(rf"^{key}: .*$", lock.read_text(), re.MULTILINE) for key in ("created", "sequence")}
    releases.put("2", images("abc", "2", changed="ab"))
    assert releases.trip.lock("--update-all").status == 0
    text = lock.read_text()
    for key, found in fields.items():
        assert found is not None
        text = re.sub(rf"^{key}: .*$", found[0], text, flags=re.MULTILINE)
    lock.write_text(text)
    error = releases.refused(releases.build("forged.tar"), 3, "AB-TRUST-EQUAL-SEQUENCE")
    assert "same sequence" in error["message"]
    assert "very same release" not in error["message"]


def test_what_only_the_destination_says_of_a_delta_opens_nothing(releases: Releases) -> None:
    """Whoever may write receipts there must not be able to make a second bundle acceptable."""
    full = releases.build("full.tar")
    releases.trip.state.rename(releases.trip.path / "lost")
    releases.refused(full, 3, "AB-TRUST-EQUAL-SEQUENCE", "--adopt", "--reason", "the disk broke")
