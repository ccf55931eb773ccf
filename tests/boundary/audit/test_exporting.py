"""The audit trail for another system."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from support.trip import run

from airgap_bundle.boundary.audit.exporting import export_lines, export_syslog
from airgap_bundle.boundary.audit.trail import Audit
from airgap_bundle.core.content import Digest

if TYPE_CHECKING:
    from pathlib import Path

NOON = datetime(2026, 11, 22, 12, 0, 0, 250_000, tzinfo=UTC)
# RFC 5424 section 6, as far as our messages use it.
MESSAGE = re.compile(
    r"<(?P<priority>\d{1,3})>1 (?P<time>\S+) (?P<host>[!-~]{1,255}) airgap-import - (?P<id>[!-~]{1,32})"
    r' \[airgap@32473(?P<data>(?: [!#-<>-\\^-~]{1,32}="(?:[^"\\\]]|\\["\\\]])*")*)\] \ufeff(?P<text>[^\n]*)'
)
PARAMETER = re.compile(r' ([^=]+)="((?:[^"\\\]]|\\["\\\]])*)"')


@pytest.fixture
def path(tmp_path: Path) -> Path:
    audit = Audit(path=tmp_path / "audit.jsonl")
    bundle = Digest.of(b"bundle")
    audit.append("push-begun", at=NOON, product="acme", bundle=bundle, destination="registry.internal:5000/mirror")
    audit.append(
        "refused",
        at=NOON,
        details={
            "code": "AB-TRUST-UNSIGNED",
            "reason": 'evil "quoted" ]\\ \n<13>1 forged [x] größer',
            "a.very.long.name.of.a.detail.that.is.longer.than.32": "yes",
        },
    )
    return audit.path


def parsed(message: bytes) -> tuple[re.Match[str], dict[str, str]]:
    match = MESSAGE.fullmatch(message.decode().removesuffix("\n"))
    assert match is not None, message
    values = {name: re.sub(r'\\(["\\\]])', r"\1", value) for name, value in PARAMETER.findall(match["data"])}
    return match, values


def test_lines_are_exported_byte_for_byte(path: Path) -> None:
    assert b"".join(export_lines(path)) == path.read_bytes()


def test_only_what_is_new_can_be_asked_for(path: Path) -> None:
    assert list(export_lines(path, after=1)) == path.read_bytes().splitlines(keepends=True)[1:]
    assert list(export_syslog(path, "host", after=2)) == []


def test_a_syslog_message_has_the_fields_of_its_record(path: Path) -> None:
    match, values = parsed(next(iter(export_syslog(path, "boundary-1"))))
    assert (match["priority"], match["time"], match["host"]) == ("109", "2026-11-22T12:00:00.250000Z", "boundary-1")
    assert (match["id"], match["text"]) == ("push-begun", "push-begun acme at registry.internal:5000/mirror")
    line = path.read_bytes().splitlines(keepends=True)[0]
    assert values == {
        "sequence": "1",
        "previous": "sha256:" + "0" * 64,
        "sha256": hashlib.sha256(line).hexdigest(),
        "product": "acme",
        "bundle": Digest.of(b"bundle"),
        "destination": "registry.internal:5000/mirror",
    }


def test_text_that_would_break_a_message_is_escaped(path: Path) -> None:
    message = list(export_syslog(path, "host"))[1]
    assert message.count(b"\n") == 1
    match, values = parsed(message)
    assert match["priority"] == "108"
    assert '"quoted" ]\\' in values["reason"]
    assert "größer" in values["reason"]
    assert values["a.very.long.name.of.a.detail.tha"] == "yes"


def test_a_host_name_that_would_break_a_message_is_changed(path: Path) -> None:
    match, _ = parsed(next(iter(export_syslog(path, "a b\nc"))))
    assert match["host"] == "a_b_c"


def test_a_line_that_is_no_record_is_a_message_that_says_so(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"nonsense\n")
    match, values = parsed(list(export_syslog(path, "host"))[2])
    assert (match["id"], match["time"], values["line"]) == ("damaged", "-", "3")
    assert len(list(export_lines(path))) == 3


def test_an_unfinished_last_line_is_not_exported(path: Path) -> None:
    whole = path.read_bytes()
    with path.open("ab") as file:
        file.write(b'{"torn')
    assert b"".join(export_lines(path)) == whole


def test_a_missing_trail_is_an_empty_one(tmp_path: Path) -> None:
    assert list(export_lines(tmp_path / "nothing")) == []


def test_the_command_writes_either_form(path: Path) -> None:
    said = run("airgap-import", "audit", "export", "--state", path.parent)
    assert said.out.encode() == path.read_bytes()
    said = run("airgap-import", "audit", "export", "--format", "syslog", "--after", 1, "--state", path.parent)
    assert said.out.startswith("<108>1 ")
    assert said.out.count("\n") == 1
