"""One executable file with Python inside, for machines that have none, or none that is new enough.

PyInstaller makes it, in an environment of its own that holds the very wheels of the kit and nothing else: what happens
to be installed beside the toolkit stays out. At every start the file unpacks itself into a temporary directory, and
removes that at the end; decision record 0003 says what else was looked at. It needs a C library that is no older than
the one it was made with.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import shutil
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airgap_bundle.connected.kit import closure, wheels
from airgap_bundle.connected.kit.programs import run_program
from airgap_bundle.connected.kit.targets import own_platform, own_python
from airgap_bundle.core.errors import HostError, UsageError
from airgap_bundle.core.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from airgap_bundle.connected.kit.targets import Target

NAME = "airgap"
_TOOL = "pyinstaller"
_ENTRY = "from airgap_bundle.cli.all_in_one import main\n\nmain()\n"
# What installs and builds, what libraries would use if it were there, and Helm, which runs in a Python of its own.
_LEFT_OUT = ("PyInstaller", "dns", "helm_python", "packaging", "pip", "pkg_resources", "setuptools", "tkinter")
# The libraries read files of their own, or ask for their own version.
_WITH_DATA = ("airgap_bundle", "sigstore", "jsonschema_specifications", "certifi")
_WITH_METADATA = ("airgap-bundle", "cheroot", "jaraco.functools")
# The same bytes each time: the order of sets, and the time in archives (1980, the first that they can express).
_SAME_EACH_TIME = {"PYTHONHASHSEED": "1", "SOURCE_DATE_EPOCH": "315532800"}
# What would let other packages than those of the kit in.
_NOT_HANDED_ON = frozenset({"PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "VIRTUAL_ENV"})
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


def check_standalone(goals: Sequence[Target]) -> Target:
    """The target that it is made for: this machine's, with the Python that runs this. Asked before long work.

    `UsageError` where the kit is not for that one, `HostError` AB-KIT-STANDALONE where PyInstaller is missing.
    """
    for goal in goals:
        if (goal.python, goal.platform) == (own_python(), own_platform()):
            break
    else:
        raise UsageError(
            "AB-USAGE-KIT-STANDALONE",
            f"the executable is made with Python {own_python()} for {own_platform()}, which the kit is not for",
            hint="name them as well, with --python-version and --platform; or leave out --standalone",
        )
    if importlib.util.find_spec("PyInstaller") is None:
        raise HostError(
            "AB-KIT-STANDALONE",
            "--standalone needs PyInstaller, which is not installed",
            hint="pip install 'airgap-bundle[kit]'",
        )
    return goal


def make_standalone(root: Path, work: Path, pip: Sequence[str], target: Target) -> Executable:
    """Write the executable into the kit that grows in `root`, from its wheels; `work` is for what comes up on the way.

    `HostError` AB-KIT-STANDALONE with what PyInstaller complained of.
    """
    python = _make_environment(root, work, pip, target)
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
    _run([python, "-m", "PyInstaller", *words, str(entry)], work)
    made = work / "made" / NAME
    unpacked, glibc = _read_archive(made)
    made.chmod(0o755)
    output = made.rename(root / NAME)
    return Executable(
        file=NAME,
        size=output.stat().st_size,
        unpacked=unpacked,
        python=platform.python_version(),
        platform=target.platform,
        glibc=glibc,
    )


def _make_environment(root: Path, work: Path, pip: Sequence[str], target: Target) -> str:
    """The Python of a new environment with the wheels of the kit, checked by their hashes, and PyInstaller."""
    tools = work / "tools"
    tools.mkdir()
    wanted = [str(package) for package in closure.find_tool(_TOOL, target)]
    wheels.download(pip, wanted, target, tools, work / "tools.log")
    _run([sys.executable, "-m", "venv", "--without-pip", str(work / "environment")], work)
    python = str(work / "environment" / "bin" / "python")
    install = [*pip, "--python", python, "install", "--quiet", "--no-input", "--disable-pip-version-check", "--no-deps"]
    install += ["--no-compile", "--no-index", "--find-links", str(root / "wheels"), "--find-links", str(tools)]
    _run([*install, "--require-hashes", "-r", str(root / "requirements.txt")], work)
    _run([*install, *wanted], work)
    for record in (work / "environment").glob("lib/python*/site-packages/*.dist-info/RECORD"):
        # The programs of this environment begin with its path, which is another one each time; they stay outside.
        lines = record.read_bytes().splitlines(keepends=True)
        record.write_bytes(b"".join(line for line in lines if not line.startswith(b"../")))
    return python


def _run(command: Sequence[str], work: Path) -> None:
    environment = {
        name: value for name, value in os.environ.items() if name not in _NOT_HANDED_ON and not name.startswith("PIP_")
    }
    environment |= {**_SAME_EACH_TIME, "PYTHONNOUSERSITE": "1", "PYINSTALLER_CONFIG_DIR": str(work / "cache")}
    # Others' temporary directories may be small; this one is where there has to be room anyway.
    environment["TMPDIR"] = str(work)
    with (work / "run.log").open("w+b") as said:
        if run_program(command, said=said, environment=environment, cwd=work):
            raise _failed(wheels.read_end(said))


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
        f"the executable could not be made: {last}",
        hint="on Debian and Ubuntu it needs the packages binutils and libpython3-dev; or leave out --standalone",
    )
