from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from airgap_bundle.connected.kit.place import check_place, finish, growing
from airgap_bundle.core.errors import HostError, UsageError

if TYPE_CHECKING:
    from pathlib import Path


def fail(output: Path) -> None:
    with growing(output) as (root, work):
        (root / "half").write_text("")
        (work / "half").write_text("")
        raise KeyboardInterrupt


def test_nothing_is_left_of_work_that_went_wrong(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        fail(tmp_path / "kit")
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_run_left_is_removed_and_what_is_not_ours_stays(tmp_path: Path) -> None:
    for name in (".kit.airgap-kit-abc.partial", ".kit.airgap-kit-abc.work"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "half").write_text("")
    others = {".kit.partial", ".kit.airgap-kit-notes", ".other.airgap-kit-abc.partial"}
    for name in others:
        (tmp_path / name).mkdir()
    with growing(tmp_path / "kit") as (root, _):
        finish(root, tmp_path / "kit")
    assert {path.name for path in tmp_path.iterdir()} == {"kit", *others}


def test_two_that_are_at_it_leave_each_other_alone(tmp_path: Path) -> None:
    with growing(tmp_path / "kit") as (first, _), growing(tmp_path / "kit") as (second, _):
        assert first.is_dir()
        (first / "file").write_text("first")
        (second / "file").write_text("second")
        finish(first, tmp_path / "kit")
        with pytest.raises(HostError) as caught:
            finish(second, tmp_path / "kit")
    assert caught.value.code == "AB-HOST-EXISTS"
    assert [path.name for path in tmp_path.iterdir()] == ["kit"]
    assert (tmp_path / "kit" / "file").read_text() == "first"


@pytest.mark.parametrize("name", ["file", "full", "link", "nowhere/kit"])
def test_a_place_that_is_taken_or_not_there_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("")
    (tmp_path / "link").symlink_to("elsewhere")
    with pytest.raises(UsageError):
        check_place(tmp_path / name)


def test_a_name_with_the_signs_of_a_pattern_stands_for_itself(tmp_path: Path) -> None:
    (tmp_path / ".kits.airgap-kit-abc.partial").mkdir()
    with growing(tmp_path / "kit[s]*"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == [".kits.airgap-kit-abc.partial"]
