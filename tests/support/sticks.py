"""A stick: a real file system on a loop device, which can be pulled out while it is read. Needs root and ext4."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import struct
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_STICK_BYTES = 32 * 1024 * 1024
# <linux/ext4.h>: EXT4_IOC_SHUTDOWN, and its flag to write nothing more. From then on the kernel answers EIO.
_SHUTDOWN = 0x8004587D
_WRITE_NOTHING = 2


class Stick:
    """Plugged in at `place`."""

    def __init__(self, image: Path, place: Path) -> None:
        self.image = image
        self.place = place
        self.plug_in()

    def plug_in(self) -> None:
        """Mount it."""
        words = ["mount", "-o", "loop", self.image, self.place]
        if subprocess.run(words, check=False, capture_output=True).returncode:
            pytest.skip("this machine cannot mount ext4 from a file")

    def pull_out(self) -> None:
        """Let every further read fail as if the device had gone, whatever is still in memory."""
        descriptor = os.open(self.place, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, _SHUTDOWN, struct.pack("I", _WRITE_NOTHING))
        finally:
            os.close(descriptor)

    def take_away(self) -> None:
        """Unmount it; fails while somebody has a file open there."""
        subprocess.run(["umount", self.place], check=True, capture_output=True)


@contextlib.contextmanager
def plugged_in(directory: Path) -> Iterator[Stick]:
    """A new, empty stick below `directory`."""
    program = shutil.which("mkfs.ext4", path=f"{os.environ.get('PATH', '')}:/sbin:/usr/sbin")
    if program is None or os.geteuid() != 0:
        pytest.skip("mkfs.ext4 (e2fsprogs) and root are needed")
    image, place = directory / "stick.img", directory / "stick"
    with image.open("wb") as file:
        file.truncate(_STICK_BYTES)
    subprocess.run([program, "-q", "-F", image], check=True, capture_output=True)
    place.mkdir()
    stick = Stick(image, place)
    try:
        yield stick
    finally:
        subprocess.run(["umount", place], check=False, capture_output=True)
