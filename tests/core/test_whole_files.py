"""Small files: complete or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from airgap_bundle.core.whole_files import flush_names, write_new, write_whole

if TYPE_CHECKING:
    from pathlib import Path


def test_a_file_is_written_and_replaced_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    place = tmp_path / "file"
    write_whole(place, b"one", mode=0o600)
    write_whole(place, b"two")
    assert place.read_bytes() == b"two"
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


def test_a_private_file_is_private_from_its_first_moment(tmp_path: Path) -> None:
    write_whole(tmp_path / "secret", b"x", mode=0o600)
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600


def test_a_link_that_has_the_name_is_replaced_and_not_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"kept")
    (tmp_path / "file").symlink_to(elsewhere)
    write_whole(tmp_path / "file", b"new")
    assert elsewhere.read_bytes() == b"kept"
    assert (tmp_path / "file").read_bytes() == b"new"


def test_where_the_name_is_taken_by_a_directory_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "file").mkdir()
    with pytest.raises(IsADirectoryError):
        write_whole(tmp_path / "file", b"new")
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


def test_a_directory_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_whole(tmp_path / "none" / "file", b"new")
    with pytest.raises(FileNotFoundError):
        flush_names(tmp_path / "none")


def test_the_longest_name_can_be_written(tmp_path: Path) -> None:
    write_whole(tmp_path / ("n" * 255), b"x")


def test_a_new_file_takes_no_name_that_something_has(tmp_path: Path) -> None:
    write_new(tmp_path / "file", b"one")
    with pytest.raises(FileExistsError):
        write_new(tmp_path / "file", b"two")
    (tmp_path / "link").symlink_to("nowhere")
    with pytest.raises(FileExistsError):
        write_new(tmp_path / "link", b"two")
    assert (tmp_path / "file").read_bytes() == b"one"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["file", "link"]
