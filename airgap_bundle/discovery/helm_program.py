"""Rendering with a `helm` program: slower than the library, and shut in as far as the system allows."""

from __future__ import annotations

import json
import re
import resource
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airgap_bundle.discovery import archive, helm_needs
from airgap_bundle.discovery.helm_child import MEMORY_BYTES, OUTPUT_BYTES, failed_template
from airgap_bundle.discovery.plain import plain_values
from airgap_bundle.discovery.sweep import RenderError, Sweep, sweep
from airgap_bundle.discovery.values import merged
from airgap_bundle.manifest.looseyaml import parse_stream

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airgap_bundle.discovery.chart import Chart

# One rendering of the largest public chart takes two seconds.
_ONE_SECONDS = 20.0
# Programs built without a version assume Kubernetes 1.20, which many charts refuse.
_KUBE_VERSION = "v1.36.0"
_SOURCE = re.compile(r"^# Source: (\S+)\s*$", re.MULTILINE)


def find() -> str | None:
    """The program on the path, if there is one."""
    return shutil.which("helm")


def render(program: str, chart: Chart, values: Sequence[str], seconds: float, *, only_base: bool) -> Sweep:
    """See `rendering.render`."""
    with tempfile.TemporaryDirectory() as home:
        renderer = ProgramRenderer(program, chart, values, Path(home))
        return sweep(
            renderer,
            helm_needs.template_sources(chart),
            seconds=seconds,
            absent=helm_needs.absent_values(chart),
            only_base=only_base,
        )


class ProgramRenderer:
    """One chart and one program. The chart is a file of ours in `home`, which the program sees as its home."""

    def __init__(self, program: str, chart: Chart, values: Sequence[str], home: Path) -> None:
        self._command = [*_without_network(), program, "template", "release"]
        self._files = helm_needs.needed_files(chart)
        self._archive = home / "chart.tgz"
        self._archive.write_bytes(archive.pack(self._files, chart.name))
        self._name = chart.name
        self._home = home
        self._defaults = coalesced(chart)
        self._dropped: dict[str, bytes] = {}
        self._given: dict[str, Any] = {}
        for text in values:
            for document in parse_stream(text, "values").documents[:1]:
                self._given = merged(self._given, plain_values(document))

    def values(self, overrides: Mapping[str, Any]) -> dict[str, Any]:
        """See `Renderer`; merged by ourselves, since the program does not tell."""
        return merged(merged(self._defaults, self._given), overrides)

    def render(self, overrides: Mapping[str, Any]) -> dict[str, str]:
        """See `Renderer`."""
        values = self._home / "values.json"
        values.write_text(json.dumps(merged(self._given, overrides)))
        options = ["-f", str(values), "--kube-version", _KUBE_VERSION, "--namespace", "default"]
        with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
            process = subprocess.Popen(
                [*self._command, str(self._archive), *options],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                env=helm_needs.bare_environment(str(self._home)),
                cwd=self._home,
                start_new_session=True,
                preexec_fn=_limit,  # noqa: PLW1509 - it only sets limits, and takes no lock
            )
            status = helm_needs.wait(process, _ONE_SECONDS)
            output.seek(0)
            errors.seek(0)
            if status != 0:
                message = errors.read(4000).decode("utf-8", "replace") or f"{self._command[-3]} ended with {status}"
                raise RenderError(message, failed_template(message))
            return split(output.read(OUTPUT_BYTES).decode("utf-8", "replace"))

    def drop(self, template: str) -> bool:
        """See `Renderer`."""
        name = template.partition("/")[2]
        if name.rpartition("/")[2].startswith("_") or not self._files.get(name, b"").strip():
            return False
        # Emptied, not deleted: others include it for a checksum.
        self._dropped[name], self._files[name] = self._files[name], b"\n"
        self._archive.write_bytes(archive.pack(self._files, self._name))
        return True

    def restore(self, template: str) -> None:
        """See `Renderer`."""
        name = template.partition("/")[2]
        self._files[name] = self._dropped.pop(name)
        self._archive.write_bytes(archive.pack(self._files, self._name))


def split(text: str) -> dict[str, str]:
    """The output of `helm template` by template."""
    result: dict[str, str] = {}
    parts = _SOURCE.split(text)
    for template, body in zip(parts[1::2], parts[2::2], strict=True):
        result[template] = result.get(template, "") + "---\n" + body.strip("\n").removesuffix("---")
    return result


def coalesced(chart: Chart) -> dict[str, Any]:
    """The default values of a chart with those of its subcharts below their names, as Helm merges them."""
    result: dict[str, Any] = {}
    for subchart in chart.subcharts:
        names = [one.alias or one.name for one in chart.dependencies if one.name == subchart.name] or [subchart.name]
        for name in names:
            result[name] = coalesced(subchart)
    return merged(result, plain_values(chart.values) if chart.values is not None else {})


def _without_network() -> list[str]:
    """A prefix that starts a program without a network, where the system allows it."""
    unshare = shutil.which("unshare")
    if unshare is None:
        return []
    command = [unshare, "--net", "--map-root-user"]
    tried = subprocess.run([*command, "true"], capture_output=True, check=False, timeout=_ONE_SECONDS)
    return [*command, "--"] if tried.returncode == 0 else []


def _limit() -> None:
    """Run in the child before the program: what it may use."""
    resource.setrlimit(resource.RLIMIT_CPU, (int(_ONE_SECONDS), int(_ONE_SECONDS)))
    resource.setrlimit(resource.RLIMIT_FSIZE, (OUTPUT_BYTES, OUTPUT_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
