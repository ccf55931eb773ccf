"""Keys and identities on disk: for the owner alone, whole or not at all, and never guessed from what is left."""

from __future__ import annotations

import datetime as dt
import json
import os
import stat
import threading
from typing import TYPE_CHECKING, Any

import pytest
from support.child import run_child
from support.token_office import NOON, Desk

from airgap_bundle.boundary.tokens import key_store
from airgap_bundle.boundary.tokens.files import write_private
from airgap_bundle.boundary.tokens.identities import dump_identity, parse_identity
from airgap_bundle.boundary.tokens.keys import KeyRing, Standing, dump_ring, parse_ring
from airgap_bundle.boundary.tokens.lifetimes import life_text, parse_end, parse_life
from airgap_bundle.boundary.tokens.office import Office
from airgap_bundle.core.errors import AirgapError, HostError, InvalidValueError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HOUR = dt.timedelta(hours=1)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "state")


@pytest.fixture(scope="module")
def ring() -> KeyRing:
    return KeyRing.make(NOON)


def code(do: Callable[[], object]) -> str:
    with pytest.raises(AirgapError) as caught:
        do()
    return caught.value.code


# Who may look


def test_everything_is_for_the_owner_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        desk = Desk(tmp_path / "state")
        desk.issue()
        desk.office.identities.touch("ci", NOON)
    finally:
        os.umask(before)
    paths = [desk.path / "tokens", *(desk.path / "tokens").rglob("*")]
    assert len(paths) > 6
    assert {path.name: oct(stat.S_IMODE(path.stat().st_mode) & 0o077) for path in paths} == {
        path.name: "0o0" for path in paths
    }


@pytest.mark.parametrize("what", ["tokens", "tokens/token-keys.json", "tokens/identities", "tokens/identities/ci.json"])
@pytest.mark.parametrize("mode", [0o040, 0o004, 0o020, 0o002])
def test_what_others_could_get_at_is_refused_and_not_repaired(desk: Desk, what: str, mode: int) -> None:
    desk.issue()
    path = desk.path / what
    path.chmod(stat.S_IMODE(path.stat().st_mode) | mode)

    def use() -> None:
        office = Office.open(desk.path)
        office.keys.ready(NOON)
        office.identities.every()

    assert code(use) == "AB-TOKEN-PRIVATE"
    assert stat.S_IMODE(path.stat().st_mode) & mode


def test_a_link_in_place_of_a_file_is_not_followed(desk: Desk, tmp_path: Path) -> None:
    desk.issue()
    for name in ("tokens/token-keys.json", "tokens/identities/ci.json"):
        path = desk.path / name
        path.rename(tmp_path / path.name)
        path.symlink_to(tmp_path / path.name)
    office = Office.open(desk.path)
    assert code(lambda: office.keys.ready(NOON)) == "AB-STATE-UNUSABLE"
    assert code(office.identities.every) == "AB-STATE-UNUSABLE"


def test_something_else_under_the_name_of_a_file_does_not_hang(desk: Desk) -> None:
    desk.issue()
    path = desk.path / "tokens" / "identities" / "ci.json"
    path.unlink()
    os.mkfifo(path, 0o600)
    assert code(Office.open(desk.path).identities.every) == "AB-STATE-UNUSABLE"


def test_keys_can_be_kept_elsewhere(tmp_path: Path) -> None:
    office = Office.open(tmp_path / "state", tmp_path / "keys")
    office.keys.ready(NOON)
    assert office.keys.path == tmp_path / "keys" / "token-keys.json"
    assert not (tmp_path / "state" / "tokens" / "token-keys.json").exists()


# Whole or not at all


def test_a_write_that_fails_leaves_what_was_there_and_nothing_beside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    write_private(path, b"before")

    def broken(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(HostError):
        write_private(path, b"after")
    assert (path.read_bytes(), [one.name for one in tmp_path.iterdir()]) == (b"before", ["file"])


def test_two_that_begin_at_the_same_time_have_the_same_keys(tmp_path: Path) -> None:
    found: list[str] = []
    offices = [Office.open(tmp_path / "state") for _ in range(8)]

    def begin(office: Office) -> None:
        found.append(office.keys.ready(NOON).ring.current.kid)

    threads = [threading.Thread(target=begin, args=(office,)) for office in offices]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(found), len(set(found))) == (8, 1)


def test_of_two_that_take_a_name_at_the_same_time_one_gets_it(desk: Desk) -> None:
    desk.office.keys.ready(NOON)
    outcomes: list[str] = []

    def take() -> None:
        try:
            desk.issue("ci")
            outcomes.append("issued")
        except UsageError as error:
            outcomes.append(error.code)

    threads = [threading.Thread(target=take) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["AB-TOKEN-EXISTS"] * 5 + ["issued"]
    assert len(desk.told("token-issued")) == 1


def test_another_process_sees_a_change_at_once(desk: Desk) -> None:
    desk.issue()
    assert desk.office.identities.find("ci").revoked is None  # type: ignore[union-attr]  # it was issued
    run_child(
        f"""if True:
        import datetime as dt
        from pathlib import Path
        from airgap_bundle.boundary.tokens.office import Office
        office = Office.open(Path({str(desk.path)!r}))
        office.issuer.revoke("ci", "from elsewhere", dt.datetime.now(dt.UTC))
        """
    )
    assert desk.office.identities.find("ci").reason == "from elsewhere"  # type: ignore[union-attr]  # it was issued


# What a file may hold


@pytest.mark.parametrize(
    "change",
    [
        lambda raw: raw[:0],
        lambda raw: raw[:-20],
        lambda raw: raw + b"x",
        lambda raw: raw.replace(b'"_type"', b'"_kind"'),
        lambda raw: raw.replace(b".v1+json", b".v2+json"),
        lambda raw: raw.replace(b'"name":"ci"', b'"name":"cj"'),
        lambda raw: raw.replace(b'"note":""', b'"note":"","admin":true'),
        lambda raw: raw.replace(b'"note":""', b'"note":"\\u202e"'),
        lambda raw: raw.replace(b'"number":"', b'"number":"x'),
        lambda raw: raw.replace(b'"services":["airgap-registry"]', b'"services":[]'),
        lambda raw: raw.replace(b'"life":"300s"', b'"life":"300d"'),
        lambda raw: raw.replace(b"acme/**:pull,push", b"**:everything"),
        lambda raw: raw * 1000,
    ],
)
def test_an_identity_that_somebody_changed_is_refused_whole(desk: Desk, change: Callable[[bytes], bytes]) -> None:
    desk.issue()
    path = desk.path / "tokens" / "identities" / "ci.json"
    raw = path.read_bytes()
    assert change(raw) != raw
    path.write_bytes(change(raw))
    assert code(lambda: Office.open(desk.path).identities.find("ci")) == "AB-TOKEN-IDENTITY"


def test_an_identity_reads_back_as_it_was_written(desk: Desk) -> None:
    identity = desk.issue("ci", "acme/**:push", "registry:catalog:*", note="contract 17").identity
    assert parse_identity(dump_identity(identity)) == identity


def test_keys_read_back_as_they_were_written(ring: KeyRing) -> None:
    rotated = ring.rotated(NOON + HOUR, HOUR)
    assert parse_ring(dump_ring(rotated)) == rotated


def _changed(ring: KeyRing, change: Callable[[list[dict[str, Any]]], object]) -> bytes:
    document = json.loads(dump_ring(ring.rotated(NOON, HOUR)))
    change(document["keys"])
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    "change",
    [
        lambda keys: keys.clear(),
        lambda keys: keys.pop(0),
        lambda keys: keys.pop(1),
        lambda keys: keys.reverse(),
        lambda keys: keys.append(keys[0]),
        lambda keys: keys[0].update(kid=keys[1]["kid"]),
        lambda keys: keys[0].update(certificate=keys[1]["certificate"]),
        lambda keys: keys[0].update(private=keys[1]["private"]),
        lambda keys: keys[0].update(private=""),
        lambda keys: keys[1].update(private="-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
        lambda keys: keys[1].update(signsFrom=""),
        lambda keys: keys[2].update(private=keys[1]["private"]),
        lambda keys: keys[2].update(acceptedUntil=""),
        lambda keys: keys[2].update(signsFrom=""),
        lambda keys: keys[2].update(acceptedUntil="tomorrow"),
        lambda keys: keys[1].update(certificate="x"),
        lambda keys: keys[1].update(certificate="x" * 10_000),
        lambda keys: keys[1].pop("made"),
        lambda keys: keys[1].update(more=""),
    ],
)
def test_keys_that_do_not_fit_together_are_refused(
    ring: KeyRing, desk: Desk, change: Callable[[list[dict[str, Any]]], object]
) -> None:
    raw = _changed(ring, change)
    with pytest.raises(InvalidValueError):
        parse_ring(raw)
    write_private(desk.office.keys.path, raw)
    assert code(lambda: desk.office.keys.ready(NOON)) == "AB-TOKEN-KEYS"


def test_a_rotation_has_a_next_key_a_current_one_and_forgets_the_private_half_of_the_old(ring: KeyRing) -> None:
    rotated = ring.rotated(NOON + HOUR, HOUR)
    assert rotated.current.kid == ring.next.kid
    assert [key.standing(NOON + HOUR) for key in rotated.keys] == [Standing.NEXT, Standing.CURRENT, Standing.OVERLAP]
    assert rotated.keys[2].private_pem == ""
    assert [key.kid for key in rotated.accepted(NOON + 2 * HOUR)] == [key.kid for key in rotated.keys[:2]]


def test_retired_keys_are_forgotten_after_a_while(ring: KeyRing) -> None:
    now, rotated = NOON, ring
    for _ in range(6):
        now += dt.timedelta(days=60)
        rotated = rotated.rotated(now, HOUR)
    assert len(rotated.keys) == 4


# Issuing


def test_a_name_is_free_again_once_its_identity_was_revoked_or_has_ended(desk: Desk) -> None:
    first = desk.issue("ci", until=NOON + HOUR).identity
    assert code(lambda: desk.issue("ci")) == "AB-TOKEN-EXISTS"
    desk.clock.passes("1h")
    second = desk.issue("ci").identity
    desk.office.issuer.revoke("ci", "", desk.clock())
    third = desk.issue("ci").identity
    assert len({first.number, second.number, third.number}) == 3


def test_renewing_keeps_what_is_not_said_anew(desk: Desk) -> None:
    before = desk.issue("ci", life=dt.timedelta(minutes=2), until=NOON + 48 * HOUR, note="contract 17").identity
    wish = desk.wish("ci", "other/**:pull")
    after = desk.office.issuer.renew(wish, NOON).identity
    assert [str(grant) for grant in after.grants] == ["other/**:pull"]
    assert (after.life, after.until, after.note) == (before.life, before.until, before.note)
    assert (after.number, after.secret) != (before.number, before.secret)


def test_renewing_what_has_ended_gives_it_a_new_life(desk: Desk) -> None:
    desk.issue("ci", until=NOON + HOUR)
    desk.clock.passes("2h")
    renewed = desk.office.issuer.renew(desk.wish("ci"), desk.clock()).identity
    assert renewed.state(desk.clock()) == "active"


def test_renewing_does_not_bring_back_who_was_revoked(desk: Desk) -> None:
    desk.issue()
    revoked = desk.office.issuer.revoke("ci", "left", NOON)
    assert code(lambda: desk.office.issuer.renew(desk.wish("ci"), NOON)) == "AB-TOKEN-REVOKED"
    assert desk.office.identities.find("ci") == revoked


def test_nobody_is_revoked_or_renewed_who_is_not_there(desk: Desk) -> None:
    for name in ("nobody", "../ci", ""):
        assert code(lambda name=name: desk.office.issuer.revoke(name, "", NOON)) == "AB-TOKEN-UNKNOWN"  # type: ignore[misc]  # a default binds the loop's value
    assert code(lambda: desk.office.issuer.renew(desk.wish("nobody"), NOON)) == "AB-TOKEN-UNKNOWN"
    assert desk.office.identities.every() == ()


def test_revoking_twice_keeps_the_first_moment_and_tells_it_once(desk: Desk) -> None:
    desk.issue()
    first = desk.office.issuer.revoke("ci", "first", NOON)
    assert desk.office.issuer.revoke("ci", "second", NOON + HOUR) == first
    assert [one["reason"] for one in desk.told("token-revoked")] == ["first"]


def test_what_cannot_be_told_is_not_done(desk: Desk) -> None:
    desk.issue()
    (desk.path / "audit.jsonl").write_text("not a record of ours\n")
    issuer, now = desk.office.issuer, NOON
    before = {path: path.read_bytes() for path in (desk.path / "tokens").rglob("*.json")}
    attempts = (
        lambda: desk.issue("other"),
        lambda: issuer.renew(desk.wish("ci"), now),
        lambda: issuer.revoke("ci", "", now),
        lambda: issuer.issue_once(desk.wish("job", "a:pull"), now),
        lambda: desk.office.keys.rotate(now, HOUR),
        lambda: desk.office.keys.replace(now),
    )
    assert [code(attempt) for attempt in attempts] == ["AB-AUDIT-DAMAGED"] * 6
    assert {path: path.read_bytes() for path in (desk.path / "tokens").rglob("*.json")} == before


def test_identities_of_one_token_are_forgotten_a_week_after_they_ended_and_no_others(desk: Desk) -> None:
    desk.issue("short", until=NOON + HOUR)
    desk.office.issuer.issue_once(desk.wish("job-1", "a:pull"), NOON)
    desk.clock.passes("8d")
    desk.office.issuer.issue_once(desk.wish("job-2", "a:pull"), desk.clock())
    assert [one.name for one in desk.office.identities.every()] == ["job-2", "short"]


def test_credentials_are_all_different_and_not_short(desk: Desk) -> None:
    secrets = {desk.issue(f"ci-{number}").credential.rpartition(".")[2] for number in range(20)}
    assert (len(secrets), {len(secret) for secret in secrets}) == (20, {43})


def test_a_credential_does_not_show_in_a_representation(desk: Desk) -> None:
    issued = desk.issue()
    assert issued.credential not in repr(issued)
    ready = desk.office.keys.ready(NOON)
    assert "PRIVATE" not in repr(ready.ring)


@pytest.mark.parametrize(
    ("text", "seconds"), [("0", 0), ("90s", 90), ("5m", 300), ("12h", 43200), ("90d", 7776000), ("4w", 2419200)]
)
def test_lengths_of_time(text: str, seconds: int) -> None:
    assert parse_life(text).total_seconds() == seconds
    if 0 < seconds < 86400:
        assert parse_life(life_text(parse_life(text))) == parse_life(text)


@pytest.mark.parametrize(
    "text", ["", "5", "5 m", "-5m", "05m", "5M", "5min", "1.5h", "5m\n", "\u0665m", "9999999s", "forever"]
)
def test_what_is_no_length_of_time(text: str) -> None:
    with pytest.raises(InvalidValueError):
        parse_life(text)


def test_an_identity_ends_with_its_last_day(desk: Desk) -> None:
    assert parse_end("2026-12-31", NOON) == dt.datetime(2026, 12, 31, 23, 59, 59, tzinfo=dt.UTC)
    assert parse_end("90d", NOON) == NOON + dt.timedelta(days=90)
    for text in ("2026-11-21", "2026-02-30", "2026-13-01", "0", "2037-01-01", "4000d", "never", "22.11.2026"):
        with pytest.raises(InvalidValueError):
            parse_end(text, NOON)


@pytest.mark.parametrize("name", ["", "A", "a b", "a:b", "a/b", "..", ".a", "a.", "-a", "a" * 64, "é", "a\n", "a\0"])
def test_what_can_be_no_name(desk: Desk, name: str) -> None:
    with pytest.raises(InvalidValueError):
        desk.issue(name)
    assert desk.office.identities.find(name) is None


def test_reading_keys_anew_costs_only_when_they_have_changed(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    ready = desk.office.keys.ready(NOON)
    monkeypatch.setattr(key_store, "read_private", None)
    assert desk.office.keys.ready(NOON) is ready
