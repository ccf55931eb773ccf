"""One executable file with Python inside, for machines that have none, or none that is new enough.

PyInstaller makes it, from what is installed here: it knows which files each library really loads. At every start the
file unpacks itself into a temporary directory, half a second's work, and removes that at the end; see the decision
record 0003 for what else was looked at. It needs a C library that is no older than the one it was made with.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airgap_bundle.connected.kit.targets import own_platform
from airgap_bundle.core.errors import HostError, UsageError
from airgap_bundle.core.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

NAME = "airgap"
_ENTRY = "from airgap_bundle.cli.all_in_one import main\n\nmain()\n"
# What libraries would use if it were there, what installs and tests them, and Helm, which runs in a Python of its own.
_LEFT_OUT = (
    "IPython", "_pytest", "dns", "helm_python", "hypothesis", "mypy", "numpy", "packaging", "pip", "pkg_resources",
    "pytest", "setuptools", "tkinter", "wheel",
)  # fmt: skip
# The libraries read files of their own, or ask for their own version.
_WITH_DATA = ("airgap_bundle", "sigstore", "jsonschema_specifications", "certifi")
_WITH_METADATA = ("airgap-bundle", "cheroot", "jaraco.functools")
# The same bytes each time: the order of sets, and the time in archives (1980, the first that they can express).
_SAME_EACH_TIME = {"PYTHONHASHSEED": "1", "SOURCE_DATE_EPOCH": "315532800"}
_GLIBC = re.compile(rb"GLIBC_2\.([0-9]{1,3})\0")
# How PyInstaller's archive marks libraries, and data files besides.
_LIBRARY = "b"
_UNPACKED = frozenset({_LIBRARY, "x"})
_LONGEST_QUOTE = 300


@dataclass(frozen=True, kw_only=True, slots=True)
class Executable:
    """The one file: its name, the Python in it, and the machines that it runs on. Sizes are in bytes.

    `unpacked` is what it takes in the temporary directory while it runs; `glibc` the oldest one that has every symbol
    which the libraries inside ask for (`2.28`), empty where they ask for none.
    """

    file: str
    size: int
    unpacked: int
    python: str
    platform: str
    glibc: str


def check_standalone(platforms: Sequence[str]) -> None:
    """Whether it can be made here at all, before long work. `UsageError` for other platforms than this machine's."""
    foreign = [text for text in platforms if text != own_platform()]
    if foreign:
        raise UsageError(
            "AB-USAGE-KIT-STANDALONE",
            f"an executable for {printable(foreign[0])} cannot be made on {own_platform()}",
            hint="run it on such a machine, or leave out --standalone",
        )
    if importlib.util.find_spec("PyInstaller") is None:
        raise HostError(
            "AB-KIT-STANDALONE",
            "--standalone needs PyInstaller, which is not installed",
            hint="pip install 'airgap-bundle[kit]'",
        )


def make_standalone(output: Path, work: Path) -> Executable:
    """Write the executable to `output`; `work` is an empty directory for what comes up on the way.

    `HostError` AB-KIT-STANDALONE with what PyInstaller complained of.
    """
    entry = work / f"{NAME}.py"
    entry.write_text(_ENTRY, encoding="utf-8")
    words = [
        *("--onefile", "--name", NAME, "--noconfirm", "--clean", "--log-level", "ERROR", "--noupx"),
        *("--distpath", str(work / "made"), "--workpath", str(work / "build"), "--specpath", str(work)),
        *("--collect-submodules", "airgap_bundle"),
        *(word for name in _WITH_DATA for word in ("--collect-data", name)),
        *(word for name in _WITH_METADATA for word in ("--copy-metadata", name)),
        *(word for name in _LEFT_OUT for word in ("--exclude-module", name)),
    ]
    if sys.platform == "linux" and shutil.which("strip"):
        # Half of what is unpacked at each start would be the names of things in libpython.
        words.append("--strip")
    environment = {**os.environ, **_SAME_EACH_TIME, "PYINSTALLER_CONFIG_DIR": str(work / "cache"), "TMPDIR": str(work)}
    done = subprocess.run(
        [sys.executable, "-m", "PyInstaller", *words, str(entry)],
        stdin=subprocess.DEVNULL, capture_output=True, check=False, cwd=work, env=environment,
    )  # fmt: skip
    made = work / "made" / NAME
    if done.returncode or not made.is_file():
        raise _failed(done.stderr.decode("utf-8", "replace"))
    unpacked, glibc = _read_archive(made)
    made.chmod(0o755)
    made.replace(output)
    return Executable(
        file=output.name,
        size=output.stat().st_size,
        unpacked=unpacked,
        python=platform.python_version(),
        platform=own_platform(),
        glibc=glibc,
    )


def _read_archive(executable: Path) -> tuple[int, str]:
    """How much it unpacks, and the glibc that the libraries inside need: names of symbol versions; nothing is run."""
    from PyInstaller.archive import readers  # type: ignore[import-untyped]  # noqa: PLC0415 - no types; an extra

    archive = readers.CArchiveReader(str(executable))
    unpacked, minors = 0, {0}
    for name, (_, _, size, _, kind) in archive.toc.items():
        if kind in _UNPACKED:
            unpacked += size
        if kind == _LIBRARY:
            minors |= {int(minor) for minor in _GLIBC.findall(archive.extract(name))}
    return unpacked, f"2.{max(minors)}" if max(minors) else ""


def _failed(said: str) -> HostError:
    if "No space left" in said:
        return HostError(
            "AB-HOST-SPACE",
            "no space left while the executable was being made",
            hint="about 300 MB are needed beside DIR; make room and run it again",
        )
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    last = printable(lines[-1] if lines else "it said nothing")[:_LONGEST_QUOTE]
    return HostError(
        "AB-KIT-STANDALONE",
        f"PyInstaller could not make the executable: {last}",
        hint="on Debian and Ubuntu it needs the packages binutils and libpython3-dev; or leave out --standalone",
    )
