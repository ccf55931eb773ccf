"""The audit trail: durable records, and no change to them that goes unnoticed."""

from __future__ import annotations

import fcntl
import hashlib
import json
import signal
import time
from typing import TYPE_CHECKING

import pytest
from support.child import run_child, start_child
from support.receipts import NOON, digest

from airgap_bundle.boundary.audit.record import MAX_LINE_BYTES, ORIGIN, AuditRecord, dump_record, glance, parse_record
from airgap_bundle.boundary.audit.trail import Audit, read_lines, verify
from airgap_bundle.boundary.receipts.receipt import AuditHead
from airgap_bundle.core.errors import HostError, InvalidValueError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def trail(tmp_path: Path) -> Path:
    """A trail of six records."""
    path = tmp_path / "audit.jsonl"
    audit = Audit(path=path)
    for n in range(6):
        audit.append(
            "import.tag", at=NOON, product="acme", bundle=digest("b"), destination="r:1/x", details={"tag": f"t{n}"}
        )
    return path


def _lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


def test_each_record_names_the_sha256_of_the_line_before_it(trail: Path) -> None:
    lines = _lines(trail)
    previous = [json.loads(line)["previous"] for line in lines]
    assert previous == [ORIGIN.digest, *(f"sha256:{hashlib.sha256(line).hexdigest()}" for line in lines[:-1])]


def test_a_whole_trail_verifies_and_ends_in_its_head(trail: Path) -> None:
    verdict = verify(trail, [Audit(path=trail).head()])
    assert (verdict.is_whole, verdict.records, verdict.head) == (True, 6, Audit(path=trail).head())


def test_without_a_file_the_trail_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    assert (verify(path).records, Audit(path=path).head()) == (0, ORIGIN)


def test_the_file_is_for_its_owner_alone(trail: Path) -> None:
    assert trail.stat().st_mode & 0o777 == 0o600


def _edit(lines: list[bytes]) -> list[bytes]:
    return [*lines[:2], lines[2].replace(b"t2", b"t9"), *lines[3:]]


def _swap(lines: list[bytes]) -> list[bytes]:
    return [lines[0], lines[2], lines[1], *lines[3:]]


def _remove(lines: list[bytes]) -> list[bytes]:
    return lines[:2] + lines[3:]


def _remove_first(lines: list[bytes]) -> list[bytes]:
    return lines[1:]


def _repeat(lines: list[bytes]) -> list[bytes]:
    return [*lines[:3], lines[2], *lines[3:]]


def _garbage(lines: list[bytes]) -> list[bytes]:
    return [*lines[:2], b"{}\n", *lines[3:]]


def _blank(lines: list[bytes]) -> list[bytes]:
    return [*lines[:2], b"\n", *lines[2:]]


def _endless(lines: list[bytes]) -> list[bytes]:
    return [*lines[:2], b"x" * (3 * MAX_LINE_BYTES) + b"\n", *lines[2:]]


@pytest.mark.parametrize("change", [_edit, _swap, _remove, _remove_first, _repeat, _garbage, _blank, _endless])
def test_a_change_in_the_middle_is_noticed(trail: Path, change: Callable[[list[bytes]], list[bytes]]) -> None:
    trail.write_bytes(b"".join(change(_lines(trail))))
    assert not verify(trail).is_whole


def test_one_edit_is_one_complaint_that_names_the_line(trail: Path) -> None:
    trail.write_bytes(b"".join(_edit(_lines(trail))))
    assert verify(trail).problems == ("line 4 does not follow from the line before it: one of them was changed",)


def test_every_flipped_bit_before_the_last_line_is_noticed(trail: Path) -> None:
    raw = trail.read_bytes()
    for place in range(0, len(raw) - len(_lines(trail)[-1]), 7):
        trail.write_bytes(raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :])
        assert not verify(trail).is_whole, place


def test_a_trail_cut_at_the_end_is_noticed_by_the_heads_of_receipts(trail: Path) -> None:
    head = Audit(path=trail).head()
    trail.write_bytes(b"".join(_lines(trail)[:4]))
    assert verify(trail).is_whole
    assert verify(trail, [head]).problems == (
        "record 6 as receipts know it is not there: the trail was cut or written anew",
    )


def test_a_last_line_written_anew_is_noticed_by_the_heads_of_receipts(trail: Path) -> None:
    head = Audit(path=trail).head()
    trail.write_bytes(trail.read_bytes().replace(b"t5", b"t9"))
    assert not verify(trail, [head]).is_whole


def test_a_removed_trail_is_noticed_by_the_heads_of_receipts(tmp_path: Path) -> None:
    assert not verify(tmp_path / "audit.jsonl", [AuditHead(records=3, digest=digest("x"))]).is_whole


@pytest.mark.parametrize("kept", [1, 50, -1])
def test_a_torn_last_line_is_put_aside_and_reported(trail: Path, kept: int) -> None:
    lines = _lines(trail)
    torn = lines[5][:kept]
    trail.write_bytes(b"".join(lines[:5]) + torn)
    assert (verify(trail).is_whole, verify(trail).torn_bytes) == (True, len(torn))
    Audit(path=trail).append("import.begin", at=NOON)
    assert (trail.parent / "audit.jsonl.torn-1").read_bytes() == torn
    records = [parse_record(line) for line in _lines(trail)]
    assert [record.event for record in records[5:]] == ["audit.torn-line", "import.begin"]
    assert records[5].details["sha256"] == hashlib.sha256(torn).hexdigest()
    assert verify(trail).is_whole


def test_zeros_that_a_power_cut_left_are_put_aside(trail: Path) -> None:
    with trail.open("ab") as file:
        file.write(bytes(3 * MAX_LINE_BYTES))
    Audit(path=trail).append("import.begin", at=NOON)
    assert (verify(trail).is_whole, verify(trail).records) == (True, 8)


def test_a_trail_that_is_only_a_torn_line_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    path.write_bytes(b'{"_ty')
    assert Audit(path=path).append("import.begin", at=NOON).records == 2


def test_nothing_is_chained_to_a_last_line_that_is_not_ours(trail: Path) -> None:
    with trail.open("ab") as file:
        file.write(b"nothing to see here\n")
    before = trail.read_bytes()
    with pytest.raises(HostError) as caught:
        Audit(path=trail).append("import.begin", at=NOON)
    assert (caught.value.code, trail.read_bytes()) == ("AB-AUDIT-DAMAGED", before)


def test_text_from_outside_can_neither_forge_a_line_nor_act(trail: Path) -> None:
    Audit(path=trail).append(
        "import.refused", at=NOON, product="a\nb", details={"name": '\x1b]52;c;x\x07\u202e\u2028\x9b\ud800"}\n{"x"'}
    )
    last = _lines(trail)[-1]
    assert (len(_lines(trail)), verify(trail).is_whole) == (7, True)
    assert last[:-1].decode().isascii()
    assert not any(byte < 0x20 or byte == 0x7F for byte in last[:-1])


def test_secrets_do_not_enter(trail: Path) -> None:
    Audit(path=trail).append(
        "import.failed",
        at=NOON,
        destination="https://bob:s3cr3t-a@registry/x",
        details={
            "address": "see https://s3cr3t-b@host/x?X-Amz-Signature=s3cr3t-c&y=1 or http://h/?token=s3cr3t-d",
            "header": "Authorization: Bearer s3cr3t-e-e-e",
            "password": "s3cr3t-f",
            "registry_token": "s3cr3t-g",
            "environment": "REGISTRY_PASSWORD='s3cr3t h' CI_JOB_TOKEN=s3cr3t-i",
            "json": '{"identitytoken": "s3cr3t-j", "user": "bob"}',
            "basic": "sent Basic czNjcjN0OnMzY3IzdA==",
        },
    )
    last = _lines(trail)[-1].decode()
    assert "s3cr3t" not in last
    assert "czNjcjN0" not in last
    assert "https://registry/x" in last


def test_reports_about_signatures_and_policies_are_left_as_they_are(trail: Path) -> None:
    details = {"signature": "alice: good", "reason": "bad signature: of bob, key: 3AF0", "signers": "alice"}
    Audit(path=trail).append("import.verified", at=NOON, details=details)
    assert parse_record(_lines(trail)[-1]).details == details


def test_a_long_value_is_cut_rather_than_the_record_lost(trail: Path) -> None:
    Audit(path=trail).append("import.failed", at=NOON, details={f"k{n}": "x" * 100_000 for n in range(64)})
    assert verify(trail).is_whole


@pytest.mark.parametrize("event", ["", "Import", "a b", "a..b"])
def test_an_event_is_a_name(trail: Path, event: str) -> None:
    with pytest.raises(InvalidValueError):
        Audit(path=trail).append(event, at=NOON)


def test_where_it_cannot_be_written_nothing_goes_on(tmp_path: Path) -> None:
    with pytest.raises(HostError) as caught:
        Audit(path=tmp_path / "missing" / "audit.jsonl").append("import.begin", at=NOON)
    assert (caught.value.code, caught.value.exit_status) == ("AB-AUDIT-WRITE", 6)


def test_a_full_disk_leaves_no_half_record(trail: Path) -> None:
    before = trail.read_bytes()
    output = run_child(
        """
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
try:
    Audit(path=Path(sys.argv[1])).append("import.begin", at=NOON)
except AirgapError as error:
    print(error.code)
""",
        trail,
        len(before) + 100,
    )
    assert (output, trail.read_bytes()) == ("AB-AUDIT-WRITE", before)
    Audit(path=trail).append("import.begin", at=NOON)
    assert verify(trail).records == 7


def test_many_writers_make_one_chain(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    code = "for n in range(50): Audit(path=Path(sys.argv[1])).append('import.tag', at=NOON)"
    with start_child(code, path) as one, start_child(code, path) as two:
        assert (one.wait(60), two.wait(60)) == (0, 0)
    assert (verify(path).is_whole, verify(path).records) == (True, 100)


def test_what_was_acknowledged_before_a_kill_is_there(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    code = "while True: print(Audit(path=Path(sys.argv[1])).append('import.tag', at=NOON).records, flush=True)"
    with start_child(code, path) as child:
        assert child.stdout is not None
        for _ in range(20):
            child.stdout.readline()
        child.send_signal(signal.SIGKILL)
        acknowledged = int(([20, *map(int, child.stdout.read().split())])[-1])
        child.wait(30)
    Audit(path=path).append("import.begin", at=NOON)
    assert verify(path).is_whole
    assert verify(path).records > acknowledged


def test_a_link_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(b"")
    (tmp_path / "audit.jsonl").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(HostError, match="cannot be written"):
        Audit(path=tmp_path / "audit.jsonl").append("import.begin", at=NOON)


def test_ten_thousand_records_verify_in_well_under_two_seconds(trail: Path) -> None:
    lines, head = _lines(trail), Audit(path=trail).head()
    template = json.loads(lines[-1])
    with trail.open("ab") as file:
        for n in range(7, 10_001):
            line = json.dumps({**template, "sequence": n, "previous": head.digest}).encode() + b"\n"
            head = AuditHead(records=n, digest=digest(line.decode()))
            file.write(line)
    started = time.process_time()
    assert verify(trail, [head]).records == 10_000
    assert time.process_time() - started < 2


def test_a_trail_that_stays_locked_is_a_clear_error(trail: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airgap_bundle.boundary.audit.trail._LOCK_SECONDS", 0.05)
    with trail.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        for use in (lambda: Audit(path=trail).append("import.begin", at=NOON), lambda: verify(trail)):
            with pytest.raises(HostError) as caught:
                use()
            assert caught.value.code == "AB-AUDIT-BUSY"


def test_a_trail_that_cannot_be_read_is_not_called_whole(tmp_path: Path) -> None:
    (tmp_path / "audit.jsonl").symlink_to(tmp_path)
    with pytest.raises(HostError) as caught:
        verify(tmp_path / "audit.jsonl")
    assert caught.value.code == "AB-AUDIT-READ"


def test_a_record_of_a_newer_version_is_not_one_of_ours(trail: Path) -> None:
    with pytest.raises(InvalidValueError, match="version"):
        parse_record(_lines(trail)[0].replace(b"audit.v1", b"audit.v2"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "plain",
        'quote " backslash \\ slash /',
        "größer → 🔑",
        "\x1b[2J\n\t",
        "}{][,:",
        '","sequence":7,"x":"',
        "x" * 5000,
    ],
)
def test_a_glance_at_a_line_sees_what_reading_it_sees(text: str) -> None:
    record = AuditRecord(
        sequence=7,
        previous=digest("before"),
        time=NOON,
        event="push-begun",
        product=text,
        destination=text,
        details={"a": text, "b.c": text},
    )
    line = dump_record(record)
    assert glance(line) == (7, record.previous.encoded)
    assert parse_record(line).sequence == 7


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"sequence":7', b'"sequence":07'),
        (b'"sequence":7', b'"sequence":7.0'),
        (b'"product":""', b'"product":"","product":""'),
        (b'"details":{}', b'"details":{"1":"x"}'),
        (b'"details":{}', b'"details":{"x":1}'),
        (b"}\n", b"} \n"),
        (b'"_type"', b'"_type" '),
        (b"Z", b"z"),
    ],
)
def test_a_glance_is_not_enough_for_anything_else(old: bytes, new: bytes) -> None:
    line = dump_record(AuditRecord(sequence=7, previous=digest("before"), time=NOON, event="push-begun"))
    assert glance(line) is not None
    assert glance(line.replace(old, new)) is None


def test_while_a_long_trail_is_read_others_append_to_it(trail: Path) -> None:
    lines = read_lines(trail)
    first = next(lines)
    Audit(path=trail).append("import.tag", at=NOON, details={"tag": "later"})
    rest = list(lines)
    assert [first, *rest] == _lines(trail)[:6]
    assert verify(trail).records == 7
