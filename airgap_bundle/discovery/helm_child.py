"""The process in which Helm runs: reads one request from standard input, writes one answer to standard output.

A chart is untrusted and Helm is native code that cannot be stopped from within, so it runs here and is killed from
outside. Before the chart is looked at, the process shuts itself in: no network (a name space of its own where the
system allows it), no new file or socket of any kind (the limit on descriptors is zero from then on), limits on memory,
processor time and output. The chart comes as bytes and nothing else of the machine can be reached.
"""

from __future__ import annotations

import base64
import ctypes
import json
import os
import re
import resource
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

# Helm's library takes 150 MB of address space to begin with, a large chart 300 MB.
MEMORY_BYTES = 4 * 1024 * 1024 * 1024
OUTPUT_BYTES = 128 * 1024 * 1024
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_AT = re.compile(r"([^\s():\"<>]+/templates/(?:[^\s():\"<>]+/)?[^_\s():\"<>/][^\s():\"<>/]*):\d+")


def leave_network() -> bool:
    """Move into a network of our own that has nothing in it; False where the system does not allow that."""
    try:
        unshare = ctypes.CDLL(None, use_errno=True).unshare
    except (AttributeError, OSError):
        return False
    return any(unshare(flags) == 0 for flags in (_CLONE_NEWNET, _CLONE_NEWUSER | _CLONE_NEWNET))


def shut_in(cpu_seconds: int) -> None:
    """Limits that hold for what is loaded already: from here on no file or socket can be opened."""
    limits = [
        (resource.RLIMIT_CPU, cpu_seconds),
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_FSIZE, OUTPUT_BYTES),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 0),
    ]
    for which, wanted in limits:
        _, hard = resource.getrlimit(which)
        limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        try:
            resource.setrlimit(which, (limit, limit))
        except (OSError, ValueError):
            # macOS knows fewer of them; the clock of the parent holds everywhere.
            continue


class LibraryRenderer:
    """Helm's own library, in this process."""

    def __init__(self, raw: bytes, values_texts: list[str], files: Mapping[str, bytes] | None = None) -> None:
        import helm_python  # noqa: PLC0415 - only here, and an extra

        self._helm = helm_python
        self._chart = helm_python.Chart.load_archive(raw)
        self._raw = raw
        self._files = dict(files or {})
        self._dropped: dict[str, bytes] = {}
        self._given: dict[str, Any] = {}
        for text in values_texts:
            self._given = _merged(self._given, helm_python.values_from_yaml(text) or {})

    def values(self, overrides: Mapping[str, Any]) -> dict[str, Any]:
        """See `Renderer`."""
        return dict(self._fresh().merge_values(_merged(self._given, overrides)))

    def render(self, overrides: Mapping[str, Any]) -> dict[str, str]:
        """See `Renderer`."""
        from airgap_bundle.discovery.sweep import RenderError  # noqa: PLC0415 - the path is set by then

        try:
            values = _merged(self._given, overrides)
            return dict(self._fresh().render(values, name="release", namespace="default"))
        except self._helm.HelmError as error:
            raise RenderError(str(error)[:4000], failed_template(str(error))) from error

    def drop(self, template: str) -> bool:
        """See `Renderer`. Helm has no such thing, so the chart is packed again without it."""
        from airgap_bundle.discovery.archive import pack  # noqa: PLC0415 - the path is set by then

        name = template.partition("/")[2]
        if name.rpartition("/")[2].startswith("_") or not self._files.get(name, b"").strip():
            return False
        # Emptied, not deleted: others include it for a checksum.
        self._dropped[name], self._files[name] = self._files[name], b"\n"
        self._load(pack(self._files))
        return True

    def restore(self, template: str) -> None:
        """See `Renderer`."""
        from airgap_bundle.discovery.archive import pack  # noqa: PLC0415 - the path is set by then

        name = template.partition("/")[2]
        self._files[name] = self._dropped.pop(name)
        self._load(pack(self._files))

    def _load(self, raw: bytes) -> None:
        self._raw = raw
        self._chart.close()
        self._chart = self._helm.Chart.load_archive(raw)

    def _fresh(self) -> Any:
        """The chart as it was loaded. Rendering takes subcharts that are turned off out of it, for good."""
        if any(name.startswith("charts/") for name in self._files):
            self._load(self._raw)
        return self._chart


def failed_template(message: str) -> str:
    """The template that an error of Helm's is about, the innermost where one includes another; "" if it names none."""
    named = _AT.findall(message)
    return str(named[-1]) if named else ""


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    from airgap_bundle.discovery.values import merged  # noqa: PLC0415 - the path is set by then

    return merged(base, over)


def main() -> None:
    """Answer one request."""
    sys.path.extend(sys.argv[1:])
    alone = leave_network()
    # Everything that will be needed is loaded while files can still be opened.
    import helm_python  # noqa: PLC0415 - after the network is gone

    from airgap_bundle.discovery import archive, sweep  # noqa: PLC0415 - the path is set now

    helm_python.helm_sdk_version()
    request = json.load(sys.stdin)
    shut_in(int(request["seconds"]) + 5)
    files = {name: base64.b64decode(raw) for name, raw in request["files"].items()}
    templates = [(tuple(keys), text) for keys, text in request["templates"]]
    try:
        renderer = LibraryRenderer(archive.pack(files), request["values"], files)
        result = sweep.sweep(
            renderer,
            templates,
            seconds=request["seconds"],
            absent=[tuple(keys) for keys in request["absent"]],
            only_base=request["only_base"],
        )
    except helm_python.HelmError as error:
        result = sweep.Sweep(trouble=str(error)[:4000])
    answer = {
        "network": alone,
        "values": result.values,
        "rendered": [[one.template, one.text, one.switch] for one in result.rendered],
        "stubs": result.stubs,
        "dropped": result.dropped,
        "failed": result.failed,
        "untried": result.untried,
        "trouble": result.trouble,
    }
    sys.stdout.write(json.dumps(answer))
    sys.stdout.flush()
    # Native threads need not be waited for.
    os._exit(0)


if __name__ == "__main__":
    main()
