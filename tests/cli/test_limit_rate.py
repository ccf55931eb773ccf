"""`--limit-rate`: read, or refused."""

from __future__ import annotations

import pytest
from support.trip import run

from airgap_bundle.cli.clients import read_rate
from airgap_bundle.core.errors import InvalidValueError, UsageError
from airgap_bundle.core.text import parse_size


@pytest.mark.parametrize(
    ("text", "count"),
    [("10MB", 10_000_000), ("500kB", 500_000), ("1.5MiB", 1_572_864), ("4096", 4096), ("2 GB", 2 * 10**9), ("0", 0)],
)
def test_sizes_are_written_as_on_media(text: str, count: int) -> None:
    assert parse_size(text) == count


@pytest.mark.parametrize("text", ["", "MB", "-1", "1e6", "1,5MB", "1.MB", "10XB", "1MBB", "\u0661MB", "9" * 20])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(InvalidValueError, match="not a size"):
        parse_size(text)


def test_a_rate_may_say_that_it_is_one() -> None:
    assert read_rate("10MB/s").piece(10**9) == 500_000


@pytest.mark.parametrize("text", ["0", "fast", "10MB/min"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="not a rate"):
        read_rate(text)


def test_a_directory_has_no_rate(tmp_path: object) -> None:
    said = run("airgap-import", "push", "x.tar", f"dir:{tmp_path}", "--limit-rate", "1MB")
    assert said.status == 2
    assert "--limit-rate is about the network" in said.text
