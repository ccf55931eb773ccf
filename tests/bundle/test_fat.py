"""A stick with FAT32: no holes, no file of 4 GiB. Needs root, mkfs.vfat and a kernel that knows the file system."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from airgap_bundle.bundle.writer import PartialFile
from airgap_bundle.core.errors import HostError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_STICK_BYTES = 64 * 1024 * 1024


@pytest.fixture
def stick(tmp_path: Path) -> Iterator[Path]:
    program = shutil.which("mkfs.vfat", path=f"{os.environ.get('PATH', '')}:/sbin:/usr/sbin")
    if program is None or os.geteuid() != 0:
        pytest.skip("mkfs.vfat and root are needed")
    image, place = tmp_path / "stick.img", tmp_path / "stick"
    with image.open("wb") as file:
        file.truncate(_STICK_BYTES)
    subprocess.run([program, "-F", "32", image], check=True, capture_output=True)
    place.mkdir()
    if subprocess.run(["mount", "-o", "loop", image, place], check=False, capture_output=True).returncode:
        pytest.skip("this machine cannot mount FAT")
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)


def test_a_stick_keeps_no_holes(stick: Path) -> None:
    with closing(PartialFile(stick / "x.tar")) as file:
        assert not file.keeps_holes()
        assert file.size == 0


def test_a_bundle_of_4_gib_is_refused_before_anything_is_fetched(stick: Path) -> None:
    with closing(PartialFile(stick / "x.tar")) as file:
        file.check_size(2**32 - 1)
        with pytest.raises(HostError, match="more than a file on") as caught:
            file.check_size(2**32)
    assert caught.value.code == "AB-HOST-FILE-SIZE"


def test_a_finished_bundle_gets_its_name(stick: Path) -> None:
    with closing(PartialFile(stick / "x.tar")) as file:
        file.write_at(0, b"whole")
        file.publish()
    assert (stick / "x.tar").read_bytes() == b"whole"
