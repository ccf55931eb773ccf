"""AGM009: a platform that nobody builds for."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from airgap_bundle.core.report import Severity
from airgap_bundle.manifest.rules.rule import Context, Problem, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airgap_bundle.core.oci import Platform

# What the official images and the larger projects publish, and what Go builds containers for.
_KNOWN = {
    "linux": [
        "386",
        "amd64",
        "arm",
        "arm64",
        "loong64",
        "mips",
        "mipsle",
        "mips64",
        "mips64le",
        "ppc64",
        "ppc64le",
        "riscv64",
        "s390x",
    ],
    "windows": ["386", "amd64", "arm", "arm64"],
    "freebsd": ["386", "amd64", "arm", "arm64", "riscv64"],
    "darwin": ["amd64", "arm64"],
    "wasip1": ["wasm"],
    "wasi": ["wasm"],
}
_VARIANTS = {"arm": {"v5", "v6", "v7", "v8"}, "arm64": {"v8", "v9"}, "amd64": {"v1", "v2", "v3", "v4"}}


def _check(context: Context) -> Iterator[Problem]:
    manifest = context.manifest
    for platform in manifest.platforms:
        if not is_known(platform):
            message, hint = f"nobody builds for the platform {platform}", _suggest(platform)
            yield Problem(place=manifest.place, where="platforms", message=message, hint=hint)
    for entry in manifest.images:
        for platform in entry.platforms:
            if not is_known(platform):
                yield Problem.at(entry, f"nobody builds for the platform {platform}", hint=_suggest(platform))


def is_known(platform: Platform) -> bool:
    """Whether images for this platform are known to exist."""
    if platform.architecture not in _KNOWN.get(platform.os, ()):
        return False
    return not platform.variant or platform.variant in _VARIANTS.get(platform.architecture, ())


def _suggest(platform: Platform) -> str:
    names = {"x86_64": "amd64", "x64": "amd64", "aarch64": "arm64", "armhf": "arm/v7", "i386": "386", "i686": "386"}
    if platform.architecture in names:
        return f"did you mean '{platform.os}/{names[platform.architecture]}'?"
    known = [f"{system}/{architecture}" for system, architectures in _KNOWN.items() for architecture in architectures]
    close = difflib.get_close_matches(f"{platform.os}/{platform.architecture}", known, n=1)
    return f"did you mean {close[0]!r}?" if close else ""


RULE = Rule(code="AGM009", title="Unknown platform", severity=Severity.WARNING, check=_check)
