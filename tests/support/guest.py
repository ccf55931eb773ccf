"""A small virtual machine that knows file systems which this machine's kernel may not know: FAT32 and exFAT.

It has this machine's files, for reading, so that our commands run there as they are here; its own loopback and no other
network; and disks that are files here. Switching it off is a power cut.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import re
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.guest_kernel import find_kernel, make_initial_files
from support.trip import Said, command_line

import airgap_bundle

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from support.guest_kernel import Kernel

# Emulated in software a kernel takes some ten seconds to start on a quiet machine.
_START_SECONDS = 180.0
# An emulated processor is some twenty times slower.
_COMMAND_SECONDS = 900.0
_MEMORY_MB = 1280
_SECTOR_BYTES = 512
_CHECKOUT = Path(airgap_bundle.__file__).parent.parent


@dataclass(frozen=True, kw_only=True)
class Counters:
    """What went to and from a disk since the machine was started, in bytes, as the guest's kernel counts."""

    read: int
    written: int


class Guest:
    """A running machine; disk number n is /dev/vda, /dev/vdb and so on, and what `mount` was told."""

    def __init__(self, words: Sequence[str], log: Path, environment: Mapping[str, str]) -> None:
        self._environment = {"PYTHONPATH": str(_CHECKOUT), "PYTHONDONTWRITEBYTECODE": "1", **environment}
        self._log = log
        ours, theirs = socket.socketpair()
        with theirs, log.open("wb") as console:
            line = ["-chardev", f"socket,id=commands,fd={theirs.fileno()}"]
            self._process = subprocess.Popen(
                [*words, *line, "-device", "virtserialport,chardev=commands,name=commands"],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                pass_fds=[theirs.fileno()],
            )
        ours.settimeout(_START_SECONDS)
        self._line, self._answers = ours, ours.makefile("rb")
        try:
            started = self._answers.readline() == b"ready\n"
        except TimeoutError:
            started = False
        if not started:
            self.switch_off()
            pytest.fail(f"the virtual machine did not start: {log.read_text(errors='replace')[-2000:]}")
        ours.settimeout(_COMMAND_SECONDS)

    def run(self, *words: object) -> Said:
        """Run a program there, as root."""
        wish = {"words": [str(word) for word in words], "environment": self._environment}
        self._line.sendall(json.dumps(wish).encode() + b"\n")
        answer = self._answers.readline()
        assert answer, f"the virtual machine has gone: {self._log.read_text(errors='replace')[-2000:]}"
        said = Said(**json.loads(answer))
        assert "Traceback" not in said.err, said.err
        assert said.status != 70, said.err
        return said

    def shell(self, script: str) -> str:
        """What a script prints; it has to work."""
        said = self.run("sh", "-ec", script)
        assert said.status == 0, said.err
        return said.out

    def airgap(self, program: str, *arguments: object) -> Said:
        """Run one of our commands there."""
        return self.run(*command_line(program, *arguments))

    def counters(self, disk: str) -> Counters:
        """What went to and from a disk such as `vda`, when everything that waits has been written."""
        (line,) = re.findall(rf"^ *\d+ +\d+ {disk} (.*)$", self.shell("sync; cat /proc/diskstats"), re.MULTILINE)
        numbers = [int(each) for each in line.split()]
        return Counters(read=numbers[2] * _SECTOR_BYTES, written=numbers[6] * _SECTOR_BYTES)

    def switch_off(self) -> None:
        """Cut the power: what the guest had not written to its disks is gone."""
        self._process.kill()
        self._process.wait()
        self._answers.close()
        self._line.close()


@dataclass(frozen=True, kw_only=True)
class GuestMaker:
    """Everything that is needed to start such machines; `path` is a directory of its own."""

    path: Path
    program: str
    kernel: Kernel
    initial_files: Path

    @contextlib.contextmanager
    def started(self, disks: Sequence[Path], environment: Mapping[str, str] | None = None) -> Iterator[Guest]:
        """A machine with these disks, switched off at the end."""
        accelerator = ["-accel", "kvm", "-cpu", "host"] if _has_kvm() else ["-accel", "tcg,thread=multi", "-cpu", "max"]
        words = [self.program, "-machine", "q35", *accelerator, "-smp", "2", "-m", str(_MEMORY_MB)]
        words += ["-nodefaults", "-display", "none", "-monitor", "none", "-no-reboot", "-serial", "stdio"]
        words += ["-kernel", str(self.kernel.image), "-initrd", str(self.initial_files)]
        words += ["-append", "console=ttyS0 quiet panic=-1 mitigations=off"]
        words += ["-fsdev", "local,id=host,path=/,security_model=none,readonly=on,multidevs=remap"]
        words += ["-device", "virtio-9p-pci,fsdev=host,mount_tag=host", "-device", "virtio-serial-pci"]
        for number, disk in enumerate(disks):
            # Zeros take no room here, so that large sticks can be had on small machines.
            options = "format=raw,cache=writeback,detect-zeroes=unmap,discard=unmap"
            words += ["-drive", f"if=none,id=disk{number},file={disk},{options}"]
            words += ["-device", f"virtio-blk-pci,drive=disk{number}"]
        guest = Guest(words, self.path / f"console-{time.monotonic_ns()}", environment or {})
        try:
            yield guest
        finally:
            guest.switch_off()


def guest_maker(path: Path) -> GuestMaker:
    """Find what virtual machines need; skips the test where something is missing, and says what."""
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        pytest.skip("the virtual machine is one for Linux on x86-64")
    programs = [shutil.which(name) for name in ("qemu-system-x86_64", "busybox")]
    if programs[0] is None:
        pytest.skip("qemu-system-x86_64 is not installed; tests/run --proof installs it where it may")
    # A program that a loader has to start names the loader at its beginning.
    if programs[1] is None or b"ld-linux" in Path(programs[1]).read_bytes()[:4096]:
        pytest.skip("a static busybox (Debian: busybox-static) is needed; tests/run --proof installs it where it may")
    kernel = find_kernel()
    return GuestMaker(
        path=path,
        program=programs[0],
        kernel=kernel,
        initial_files=make_initial_files(kernel, programs[1], path),
    )


def format_disk(path: Path, kind: str, size: int) -> Path:
    """A new disk of `size` bytes with `vfat` (FAT32) or `exfat` on it; takes room only for what is written."""
    places = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    program = shutil.which(f"mkfs.{kind}", path=places)
    if program is None:
        pytest.skip(f"mkfs.{kind} is not installed; tests/run --proof installs it where it may")
    with path.open("wb") as file:
        file.truncate(size)
    options = ["-F", "32"] if kind == "vfat" else []
    subprocess.run([program, *options, str(path)], check=True, capture_output=True)
    return path


def _has_kvm() -> bool:
    """Whether the processor can run machines itself. A node alone proves nothing: it may be there and not work."""
    flags = re.search(r"^flags\s*:(.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return bool(flags and {"vmx", "svm"} & set(flags[1].split())) and os.access("/dev/kvm", os.R_OK | os.W_OK)
