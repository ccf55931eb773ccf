"""The line for each answer, whatever names it holds."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime

import pytest

from airgap_bundle.registry.serving.access_log import Answered, LogFormat, log_line

ANSWERED = Answered(
    at=datetime(2026, 11, 22, 16, 20, 1, tzinfo=UTC),
    peer="192.0.2.7",
    caller="alice",
    method="GET",
    target="/v2/acme/app/manifests/1.0",
    status=200,
    received_bytes=120,
    sent_bytes=1_500_000,
    seconds=0.0123,
)
HOSTILE = [
    "\x1b[31mred",
    "two\nlines",
    "carriage\rreturn",
    "right\u202eto left",
    "a b",
    "nul\0",
    "tab\t",
    "\x9b2J",
    "<script>",
    '"},{"x":"',
    "[/bold]",
    "\ud800",
    "x" * 100_000,
]


def test_for_people() -> None:
    assert log_line(ANSWERED) == (
        "2026-11-22T16:20:01Z 192.0.2.7 alice GET /v2/acme/app/manifests/1.0 200 0.012 s, 120 B in, 1.5 MB out"
    )


def test_nobody_in_particular_and_no_answer() -> None:
    line = log_line(dataclasses.replace(ANSWERED, caller="", method="", target="", status=0))
    assert line.startswith("2026-11-22T16:20:01Z 192.0.2.7 - - - --- 0.012 s")


def test_for_machines() -> None:
    assert json.loads(log_line(ANSWERED, LogFormat.JSON)) == {
        "version": 1,
        "time": "2026-11-22T16:20:01Z",
        "peer": "192.0.2.7",
        "user": "alice",
        "method": "GET",
        "target": "/v2/acme/app/manifests/1.0",
        "status": 200,
        "received": 120,
        "sent": 1_500_000,
        "seconds": 0.0123,
    }


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("place", ["caller", "method", "target"])
@pytest.mark.parametrize("log_format", LogFormat)
def test_no_name_breaks_a_line(name: str, place: str, log_format: LogFormat) -> None:
    line = log_line(dataclasses.replace(ANSWERED, **{place: name}), log_format)  # type: ignore[arg-type]  # one of three
    assert line.isprintable()
    assert "\u202e" not in line
    assert len(line) < 1000
    if log_format is LogFormat.JSON:
        assert len(json.loads(line)) == 10
    else:
        assert len(line.split(" ")) == len(log_line(ANSWERED).split(" "))
