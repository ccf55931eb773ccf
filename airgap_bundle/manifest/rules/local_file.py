"""AGM012: a file or directory beside the manifest that is not there, or not what it should be.

The one rule that looks at the disk. It opens nothing.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from airgap_bundle.core.report import Severity
from airgap_bundle.manifest.rules.rule import Context, Problem, Rule
from airgap_bundle.manifest.words import Origin

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airgap_bundle.manifest.entries import ChartEntry, Entry
    from airgap_bundle.manifest.model import Manifest


def _check(context: Context) -> Iterator[Problem]:
    root = os.path.realpath(context.manifest.directory)
    for entry, path, directory_allowed in _paths(context.manifest):
        message = complaint(root, path, directory_allowed=directory_allowed)
        if message:
            yield Problem.at(entry, f"{path} {message}", hint="paths start from the directory of the manifest")


def _paths(manifest: Manifest) -> Iterator[tuple[Entry, str, bool]]:
    for image in manifest.images:
        if image.origin:
            origin = Origin.parse(image.origin)
            yield image, origin.path, origin.kind == "oci"
    for file in manifest.files:
        if file.path:
            yield file, file.path, True
    for chart in manifest.charts:
        yield from _chart_paths(chart)
    for workload in manifest.workloads:
        yield workload, workload.path, workload.kind == "kubernetes"
    for verify in manifest.verify:
        for path in filter(None, (verify.key, verify.trusted_root)):
            yield verify, path, False


def _chart_paths(chart: ChartEntry) -> Iterator[tuple[Entry, str, bool]]:
    if chart.kind == "local":
        yield chart, chart.chart, not chart.chart.endswith(".tgz")
    for path in (*chart.values, *([chart.keyring] if chart.keyring else [])):
        yield chart, path, False


def complaint(root: str, path: str, *, directory_allowed: bool) -> str:
    """What is wrong with `path` below the real path `root`; "" if nothing is."""
    full = os.path.join(root, path)  # noqa: PTH118 - pathlib is three times slower, and there may be thousands
    try:
        mode = os.lstat(full).st_mode
        real = os.path.realpath(full, strict=True)
        if real != full and os.path.commonpath((root, real)) != root:
            return "is a link that leads out of the directory of the manifest"
        if stat.S_ISLNK(mode):
            mode = os.stat(real).st_mode  # noqa: PTH116 - see above
    except (FileNotFoundError, NotADirectoryError):
        return "does not exist"
    except OSError as error:
        return f"cannot be looked at: {error.strerror or error}"
    if stat.S_ISREG(mode) or (directory_allowed and stat.S_ISDIR(mode)):
        return ""
    return "is not a regular file" + (" or directory" if directory_allowed else "")


RULE = Rule(code="AGM012", title="Missing or unusable file", severity=Severity.ERROR, check=_check)
