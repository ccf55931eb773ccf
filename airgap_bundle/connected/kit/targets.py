"""The machines that a kit is for: a version of Python and a platform, as pip and dependency markers name them.

Platforms are written as in a manifest (`linux/amd64`), or as the tag of a wheel where somebody needs to be exact. What
is written as in a manifest takes the oldest C library that dependencies still support, so that it installs on most.
"""

from __future__ import annotations

import platform
import re
import sys
import sysconfig
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airgap_bundle.core.errors import UsageError
from airgap_bundle.core.text import printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# What this toolkit itself needs; pyproject.toml says the same.
_OLDEST_MINOR = 11
# glibc 2.28: RHEL 8, Debian 10, Ubuntu 20.04 and newer. What every dependency with compiled code has a wheel for.
_COMMON_GLIBC = 28
_COMMON_MUSL = 2
# The first macOS on Arm; dependencies with compiled code have wheels for it or for older ones.
_COMMON_MACOS = "11_0"
_OLDEST_GLIBC = 5
# PEP 600: older names of the same thing.
_ALIASES = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
_ALIASED = {name: minor for minor, name in _ALIASES.items()}
_MACHINES = {"amd64": "x86_64", "arm64": "aarch64", "ppc64le": "ppc64le", "s390x": "s390x", "riscv64": "riscv64"}
_MACOS_MACHINES = {"amd64": "x86_64", "arm64": "arm64"}
_PYTHON = re.compile(r"3\.([1-9][0-9]?)")
_LINUX_TAG = re.compile(r"(manylinux|musllinux)_([12])_([0-9]{1,2})_([a-z0-9_]{1,20})")
_OLD_TAG = re.compile(r"(manylinux(?:1|2010|2014))_([a-z0-9_]{1,20})")
_MACOS_TAG = re.compile(r"macosx_[0-9]{2}_[0-9]{1,2}_(arm64|x86_64)")
_LONGEST_QUOTE = 60


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """One kind of machine: `python` as `3.12`, `platform` as it was asked for.

    `tags` are the platform tags of wheels that run there, best first; `environment` has the variables of dependency
    markers (PEP 508).
    """

    python: str
    platform: str
    tags: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False, compare=False)

    def __str__(self) -> str:
        """For people."""
        return f"Python {self.python} on {self.platform}"

    @property
    def marker(self) -> str:
        """A marker that is true on this target alone, among those that a kit can be for."""
        names = ("python_version", "sys_platform", "platform_machine")
        return " and ".join(f'{name} == "{self.environment[name]}"' for name in names)


def find_targets(pythons: Sequence[str], platforms: Sequence[str]) -> tuple[Target, ...]:
    """Each version of Python on each platform; where none is named, the one that runs this. `UsageError` for others."""
    versions = [_python(text) for text in dict.fromkeys(pythons)] or [own_python()]
    places = list(dict.fromkeys(platforms)) or [own_platform()]
    return tuple(_target(version, place) for version in versions for place in places)


def own_python() -> str:
    """The version of Python that runs this."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def own_platform() -> str:
    """This machine, as somebody would ask for it."""
    machine = platform.machine()
    if sys.platform == "darwin":
        return f"darwin/{'arm64' if machine == 'arm64' else 'amd64'}"
    if "musl" in str(sysconfig.get_config_var("SOABI") or ""):
        return f"musllinux_1_{_COMMON_MUSL}_{machine}"
    names = {wheel: ours for ours, wheel in _MACHINES.items()}
    glibc = re.fullmatch(r"2\.([0-9]{1,3})", platform.libc_ver()[1])
    if machine not in names or (glibc and int(glibc[1]) < _COMMON_GLIBC):
        return f"manylinux_2_{glibc[1] if glibc else _COMMON_GLIBC}_{machine}"
    return f"linux/{names[machine]}"


def _python(text: str) -> str:
    match = _PYTHON.fullmatch(text)
    if match is None:
        raise UsageError(
            "AB-USAGE-KIT-PYTHON", f"not a version of Python: {_quoted(text)}", hint="write it as --python-version 3.12"
        )
    if int(match[1]) < _OLDEST_MINOR:
        raise UsageError(
            "AB-USAGE-KIT-PYTHON",
            f"this toolkit runs on Python 3.{_OLDEST_MINOR} and newer, not on {text}",
            hint="where the inside has no such Python, --standalone brings one along",
        )
    return text


def _target(python: str, asked: str) -> Target:
    system, machine, tags = _tags(asked)
    return Target(python=python, platform=asked, tags=tags, environment=_environment(python, system, machine))


def _tags(asked: str) -> tuple[str, str, tuple[str, ...]]:
    """The system (`Linux`), the machine (`x86_64`) and the platform tags."""
    system, _, architecture = asked.partition("/")
    if system == "linux" and architecture in _MACHINES:
        machine = _MACHINES[architecture]
        return "Linux", machine, _glibc_tags(_COMMON_GLIBC, machine)
    if system == "darwin" and architecture in _MACOS_MACHINES:
        machine = _MACOS_MACHINES[architecture]
        return "Darwin", machine, (f"macosx_{_COMMON_MACOS}_{machine}",)
    if match := _LINUX_TAG.fullmatch(asked):
        kind, major, minor, machine = match[1], int(match[2]), int(match[3]), match[4]
        if kind == "manylinux" and major == 2 and minor >= _OLDEST_GLIBC:  # noqa: PLR2004 - glibc is at 2 for good
            return "Linux", machine, _glibc_tags(minor, machine)
        if kind == "musllinux" and major == 1:
            return "Linux", machine, tuple(f"musllinux_1_{older}_{machine}" for older in range(minor, 0, -1))
    if match := _OLD_TAG.fullmatch(asked):
        return "Linux", match[2], _glibc_tags(_ALIASED[match[1]], match[2])
    if match := _MACOS_TAG.fullmatch(asked):
        return "Darwin", match[1], (asked,)
    raise UsageError(
        "AB-USAGE-KIT-PLATFORM",
        f"not a platform that a kit can be for: {_quoted(asked)}",
        hint="write linux/amd64, linux/arm64, darwin/arm64, or the tag of a wheel, such as manylinux_2_34_x86_64",
    )


def _glibc_tags(minor: int, machine: str) -> tuple[str, ...]:
    """Everything that runs on glibc 2.`minor`: what was built for it, and for older ones."""
    tags: list[str] = []
    for older in range(minor, _OLDEST_GLIBC - 1, -1):
        tags.append(f"manylinux_2_{older}_{machine}")
        if older in _ALIASES:
            tags.append(f"{_ALIASES[older]}_{machine}")
    return tuple(tags)


def _environment(python: str, system: str, machine: str) -> dict[str, str]:
    return {
        "implementation_name": "cpython",
        "implementation_version": f"{python}.0",
        "os_name": "posix",
        "platform_machine": machine,
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": system,
        "platform_version": "",
        "python_full_version": f"{python}.0",
        "python_version": python,
        "sys_platform": "darwin" if system == "Darwin" else "linux",
    }


def _quoted(text: str) -> str:
    return repr(printable(text[:_LONGEST_QUOTE]))
