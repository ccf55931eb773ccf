"""What the toolkit needs: the very versions that are installed and work here, for each target.

Read off the metadata of what is installed, not resolved anew: a kit holds what was tested together. The only door to
`packaging`, which knows the rules of versions and markers (PEP 440, PEP 508).
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING

from airgap_bundle.core.errors import HostError, UsageError
from airgap_bundle.core.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from packaging.requirements import Requirement

    from airgap_bundle.connected.kit.targets import Target

DISTRIBUTION = "airgap-bundle"
# Extras for who works on the toolkit or packs it; nobody inside needs them.
_OUTSIDE_EXTRAS = frozenset({"dev", "kit"})
_LONGEST_LICENCE = 60
_CLASSIFIER = "License :: "


@dataclass(frozen=True, kw_only=True, slots=True)
class Package:
    """One distribution that travels: its normalised name, exact version, and the licence that it says it has.

    `targets` are those that need it; they are usually all.
    """

    name: str
    version: str
    licence: str
    targets: tuple[Target, ...]

    def __str__(self) -> str:
        """As pip pins it."""
        return f"{self.name}=={self.version}"


def find_packages(targets: Sequence[Target], extras: Sequence[str]) -> tuple[Package, ...]:
    """Everything besides the toolkit itself, by name; what no target needs is not among it.

    `UsageError` for an extra that there is not, `HostError` AB-KIT-EXTRA without `packaging`, and AB-KIT-ENVIRONMENT
    where something is not installed here, or in a version that others refuse: then there is nothing that was tested.
    """
    if importlib.util.find_spec("packaging") is None:
        raise HostError(
            "AB-KIT-EXTRA",
            "this toolkit was installed without what makes kits",
            hint="pip install 'airgap-bundle[kit]'; the one executable makes none",
        )
    _check_extras(extras)
    needed: dict[str, list[Target]] = {}
    for target in targets:
        for name in _needed(DISTRIBUTION, target, extras) - {DISTRIBUTION}:
            needed.setdefault(name, []).append(target)
    return tuple(_package(name, tuple(needed[name])) for name in sorted(needed))


def find_tool(name: str, target: Target) -> tuple[Package, ...]:
    """A program of the outside with what it needs, in the versions that are installed here; it does not travel."""
    return tuple(_package(each, (target,)) for each in sorted(_needed(name, target, ())))


def own_distribution() -> metadata.Distribution:
    """What is installed of the toolkit itself."""
    try:
        return metadata.distribution(DISTRIBUTION)
    except metadata.PackageNotFoundError as error:
        raise HostError(
            "AB-KIT-ENVIRONMENT",
            "this toolkit runs without having been installed, so what it needs is not known",
            hint="install it with pip, in a virtual environment, and make the kit with that one",
        ) from error


def _check_extras(extras: Sequence[str]) -> None:
    known = set(own_distribution().metadata.get_all("Provides-Extra") or ()) - _OUTSIDE_EXTRAS
    for extra in extras:
        if extra not in known:
            raise UsageError(
                "AB-USAGE-KIT-EXTRA",
                f"the toolkit has no extra {printable(extra[:40])!r}",
                hint=f"--with takes {', '.join(sorted(known))}",
            )


def _needed(root: str, target: Target, extras: Sequence[str]) -> set[str]:
    """The normalised names of everything that `root` needs there, with itself."""
    seen: set[tuple[str, str]] = set()
    waiting = [(root, extra) for extra in ("", *extras)]
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        for requirement in _requirements(name, target, extra):
            wanted = _installed(requirement, name, target)
            waiting += [(wanted, more) for more in ("", *requirement.extras)]
    return {name for name, _ in seen}


def _requirements(name: str, target: Target, extra: str) -> Iterator[Requirement]:
    from packaging.requirements import Requirement  # noqa: PLC0415 - only a kit needs it

    environment: Mapping[str, str] = {**target.environment, "extra": extra}
    for text in metadata.distribution(name).requires or ():
        requirement = Requirement(text)
        if requirement.marker is None:
            # Asked once, for the distribution itself.
            if not extra:
                yield requirement
        elif requirement.marker.evaluate(dict(environment)):
            yield requirement


def _installed(requirement: Requirement, needed_by: str, target: Target) -> str:
    """The normalised name of what is installed for a requirement."""
    from packaging.utils import canonicalize_name  # noqa: PLC0415 - the same

    try:
        version = metadata.version(requirement.name)
    except metadata.PackageNotFoundError as error:
        raise HostError(
            "AB-KIT-ENVIRONMENT",
            f"{requirement.name}, which {needed_by} needs for {target}, is not installed here,"
            " so there is no version that was tested",
            hint=f"run `pip install '{requirement.name}{requirement.specifier}'`, then make the kit again",
        ) from error
    if not requirement.specifier.contains(version, prereleases=True):
        raise HostError(
            "AB-KIT-ENVIRONMENT",
            f"{requirement.name} {version} is installed here, but {needed_by} asks for {requirement.specifier}",
            hint="`pip check` lists what does not fit together; mend that, then make the kit again",
        )
    return canonicalize_name(requirement.name)


def _package(name: str, targets: tuple[Target, ...]) -> Package:
    found = metadata.distribution(name)
    return Package(name=name, version=found.version, licence=licence_of(found), targets=targets)


def licence_of(distribution: metadata.Distribution) -> str:
    """In one line, as the distribution says it: an SPDX expression where it gives one."""
    told = distribution.metadata
    classified = [text.rpartition(" :: ")[2] for text in told.get_all("Classifier") or () if _CLASSIFIER in text]
    said = [*(told.get_all("License-Expression") or ()), *classified, *(told.get_all("License") or ())]
    # The older field may hold the whole text.
    return printable(next((text for text in said if text and "\n" not in text), "not said"))[:_LONGEST_LICENCE]
