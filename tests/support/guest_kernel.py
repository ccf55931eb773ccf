"""A Linux kernel for a virtual machine, and the little that it starts with: modules, and this machine's root.

The kernel is Debian's, extracted and never installed: `tests/run --proof` leaves it in a cache and names the directory
in TESTS_KERNEL. A kernel of this machine does as well, where it may be read.
"""

from __future__ import annotations

import lzma
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

# What Debian builds as modules: the bus, disks, the line for commands, this machine's files, and FAT with its letters.
_WANTED = (
    *("virtio_pci", "virtio_blk", "virtio_console", "9pnet_virtio", "9p", "overlay"),
    *("vfat", "exfat", "nls_cp437", "nls_ascii", "nls_iso8859_1", "nls_utf8"),
)
# This machine's files are read in place; what is written stays in the memory of the guest.
_INIT = """#!/bin/busybox sh
set -e
b=/bin/busybox
$b mkdir -p /proc /sys /dev /host /room /root
$b mount -t proc proc /proc
$b mount -t sysfs sys /sys
$b mount -t devtmpfs dev /dev
for module in @MODULES@; do $b insmod /modules/$module; done
$b mount -t 9p -o trans=virtio,ro,version=9p2000.L,cache=loose,msize=262144 host /host
$b mount -t tmpfs room /room
$b mkdir /room/upper /room/work
$b mount -t overlay -o lowerdir=/host,upperdir=/room/upper,workdir=/room/work root /root
for place in proc sys dev; do $b mount --move /$place /root/$place; done
$b mkdir -p /root/dev/shm /root/dev/virtio-ports
$b mount -t tmpfs shm /root/dev/shm
for port in /root/sys/class/virtio-ports/*; do
  $b ln -s /dev/${port##*/} /root/dev/virtio-ports/$($b cat $port/name)
done
$b ifconfig lo 127.0.0.1 up
exec $b switch_root /root @PYTHON@ @AGENT@
"""


@dataclass(frozen=True, kw_only=True)
class Kernel:
    """A kernel, and the files of the modules that are wanted, in the order in which they are loaded."""

    image: Path
    modules: tuple[Path, ...]


def find_kernel() -> Kernel:
    """The first one that has every module; skips the test where there is none."""
    named = os.environ.get("TESTS_KERNEL")
    for top in [Path(each) for each in (named, "/") if each]:
        for directory in sorted([*top.glob("lib/modules/*"), *top.glob("usr/lib/modules/*")], reverse=True):
            image = top / "boot" / f"vmlinuz-{directory.name}"
            modules = _in_order(directory)
            if modules and os.access(image, os.R_OK):
                return Kernel(image=image, modules=modules)
    pytest.skip("no kernel with modules for FAT and exFAT: tests/run --proof extracts Debian's and sets TESTS_KERNEL")


def make_initial_files(kernel: Kernel, busybox: str, directory: Path) -> Path:
    """What the kernel unpacks into memory and runs."""
    top, out = directory / "initial", directory / "initial.cpio"
    for name in ("bin", "modules"):
        (top / name).mkdir(parents=True)
    shutil.copy(busybox, top / "bin" / "busybox")
    for path in kernel.modules:
        (top / "modules" / path.name.removesuffix(".xz")).write_bytes(_read(path))
    names = " ".join(path.name.removesuffix(".xz") for path in kernel.modules)
    agent = Path(__file__).with_name("guest_agent.py")
    script = _INIT.replace("@MODULES@", names).replace("@PYTHON@", sys.executable).replace("@AGENT@", str(agent))
    (top / "init").write_text(script)
    (top / "init").chmod(0o755)
    listing = "\n".join(sorted(str(path.relative_to(top)) for path in top.rglob("*"))) + "\n"
    with out.open("wb") as file:
        words = [busybox, "cpio", "-o", "-H", "newc"]
        subprocess.run(words, cwd=top, input=listing.encode(), stdout=file, stderr=subprocess.DEVNULL, check=True)
    return out


def _in_order(directory: Path) -> tuple[Path, ...]:
    """The modules below a directory, each behind those that it needs; empty where one is missing.

    What is built into the kernel is no file: `modules.builtin` names it where the package was installed.
    """
    found = {_name(path): path for path in directory.rglob("*.ko*") if path.suffix in {".ko", ".xz"}}
    order: dict[str, Path] = {}

    def add(name: str) -> None:
        if name in order or name not in found:
            return
        for needed in _needed(_read(found[name])):
            add(needed)
        order[name] = found[name]

    for wanted in _WANTED:
        add(wanted)
    return tuple(order.values()) if {"9p", "vfat", "exfat", "overlay"} <= set(order) else ()


def _needed(module: bytes) -> list[str]:
    """What a module says that it depends on, and what it asks to be loaded before it."""
    names = re.findall(rb"\0depends=([^\0]*)\0", module) + re.findall(rb"\0softdep=pre: ([^\0]*)\0", module)
    return [_spelled(name) for one in names for name in re.split(r"[, ]", one.decode("ascii")) if name]


def _read(path: Path) -> bytes:
    return lzma.decompress(path.read_bytes()) if path.suffix == ".xz" else path.read_bytes()


def _name(path: Path) -> str:
    return _spelled(path.name.partition(".ko")[0])


def _spelled(name: str) -> str:
    return name.replace("-", "_")
