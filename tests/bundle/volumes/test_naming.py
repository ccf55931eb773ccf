"""How volumes are called and how long they are."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from airgap_bundle.bundle.volumes.naming import (
    DVD_BYTES,
    FAT32_BYTES,
    check_output_name,
    misnumbered,
    parse_volume_name,
    parse_volume_size,
    volume_name,
    volume_sizes,
)
from airgap_bundle.core.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("fat32", 2**32 - 1),
        ("FAT32", 2**32 - 1),
        ("4GB", 4_000_000_000),
        ("700MB", 700_000_000),
        ("650 kB", 650_000),
        ("1GiB", 2**30),
        ("1.44MB", 1_440_000),
    ],
)
def test_a_size_is_a_medium_or_a_number_with_a_unit(text: str, size: int) -> None:
    assert parse_volume_size(text) == size


@pytest.mark.parametrize("text", ["", "0", "0MB", "-1GB", "4 parsec", "floppy", "GB", "1e9", "4GB;rm"])
def test_what_is_no_size_is_refused_and_the_ways_to_write_one_are_named(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_volume_size(text)
    assert (caught.value.code, "fat32, dvd" in caught.value.hint) == ("AB-USAGE-VOLUME-SIZE", True)


def test_names_have_three_digits_and_are_read_back() -> None:
    assert [volume_name("acme.tar", number) for number in (1, 42, 999)] == [
        "acme.tar.001",
        "acme.tar.042",
        "acme.tar.999",
    ]
    assert parse_volume_name("acme-1.0.0.tar.042") == ("acme-1.0.0.tar", 42)


@pytest.mark.parametrize(
    "name", ["acme.tar", "acme.tar.000", "acme.tar.01", "acme.tar.1000", "acme.tar.0a1", ".001", "001"]
)
def test_everything_else_is_no_volume(name: str) -> None:
    assert parse_volume_name(name) is None


@pytest.mark.parametrize("name", ["acme.tar.000", "acme.tar.1", "acme.tar.01", "acme.tar.1000", "ACME.TAR.0001"])
def test_a_number_that_no_volume_has_is_noticed(name: str) -> None:
    assert misnumbered(name, "acme.tar")


@pytest.mark.parametrize("name", ["acme.tar.001", "acme.tar.20261122", "other.tar.01", "acme.tar.sha256", "acme.tar"])
def test_other_names_are_not_mistaken_for_one(name: str) -> None:
    assert not misnumbered(name, "acme.tar")


@pytest.mark.parametrize("total", [1, 9, 10, 11, 20, 21])
def test_all_volumes_but_the_last_have_one_length_and_none_is_empty(total: int) -> None:
    sizes = volume_sizes(total, 10)
    assert (sum(sizes), set(sizes[:-1]) <= {10}, 0 < sizes[-1] <= 10) == (total, True, True)


def test_a_thousandth_volume_is_refused_and_the_smallest_size_named() -> None:
    assert len(volume_sizes(999_000_000, 1_000_000)) == 999
    with pytest.raises(UsageError) as caught:
        volume_sizes(999_000_001, 1_000_000)
    assert "1000 volumes" in caught.value.message
    hinted = caught.value.hint.split("--volume-size ")[1].split(" ")[0]
    assert len(volume_sizes(999_000_001, parse_volume_size(hinted))) <= 999


def test_a_fat32_volume_is_the_longest_file_there() -> None:
    assert FAT32_BYTES == 0xFFFFFFFF


def test_a_dvd_volume_with_its_file_system_and_what_lies_beside_fits_a_dvd(tmp_path: Path) -> None:
    program = shutil.which("xorriso")
    if program is None:
        pytest.skip("xorriso is needed")
    with (tmp_path / "acme.tar.001").open("wb") as file:
        file.truncate(DVD_BYTES)
    (tmp_path / "acme.tar.volumes.json").write_bytes(bytes(400_000))
    (tmp_path / "acme.tar.sha256").write_bytes(bytes(100_000))
    words = [program, "-as", "mkisofs", "-iso-level", "3", "-J", "-R", "-print-size", "-quiet", str(tmp_path)]
    said = subprocess.run(words, check=True, capture_output=True, text=True)
    sectors = int((said.stdout.split() or said.stderr.split())[-1])
    # The smaller of the two kinds: a DVD+R has 2,295,104 sectors of 2,048 bytes.
    assert sectors <= 2_295_104


@pytest.mark.parametrize("name", ["acme.tar.", "acme.tar ", "acme. .", " "])
def test_a_name_that_fat_would_shorten_is_refused_everywhere(name: str) -> None:
    with pytest.raises(UsageError, match="drop dots and spaces") as caught:
        check_output_name(name)
    assert caught.value.code == "AB-USAGE-OUTPUT-NAME"


@pytest.mark.parametrize("name", ["acme.tar", ".acme", "a b.tar", "-"])
def test_dots_and_spaces_elsewhere_in_a_name_are_fine(name: str) -> None:
    check_output_name(name)
