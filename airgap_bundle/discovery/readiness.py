"""What would fail inside although every image arrived: hosts outside, pulls, telemetry, downloads at run time.

Reads rendered documents, Compose files and the values of charts. Known signs are certain; what only the name of a key
suggests is a guess. Descriptions (metadata, schemas, comments) are passed over.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

from airgap_bundle.discovery import naming
from airgap_bundle.discovery.finds import Risk
from airgap_bundle.discovery.values import STUB
from airgap_bundle.manifest.looseyaml import entry, text_of
from airgap_bundle.manifest.yamltext import MappingNode, Node, ScalarNode, SequenceNode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airgap_bundle.discovery.chart import Chart, Dependency

_URL = re.compile(
    r"\b(?:https?|wss?|grpcs?|ldaps?|smtps?|ftps?|git|oci|s3)://(?:[^\s/@'\"]*@)?(?P<host>\[[0-9a-f:]+\]|[A-Za-z0-9][A-Za-z0-9.-]*)",
    re.IGNORECASE,
)
_COMMENT = re.compile(r"^\s*(?:#|//|;|--\s).*$", re.MULTILINE)
# Names that are only inside, only for documentation, or only identify something and are never asked.
_INSIDE = re.compile(
    r"(?:^|\.)(?:localhost|svc|cluster|local|internal|intranet|lan|home\.arpa|test|invalid|example|localdomain)$"
    r"|(?:^|\.)example\.(?:com|org|net)$|(?:^|\.)(?:domain|yourdomain|mydomain|company|tld)(?:\.[a-z]+)?$"
    r"|^(?:www\.w3\.org|schemas?\.[a-z0-9.-]+|json-schema\.org|www\.apache\.org|opensource\.org|purl\.org|xml\.org)$"
    r"|\.svc\.",
    re.IGNORECASE,
)
_PASSED_OVER = frozenset(
    {"metadata", "openAPIV3Schema", "managedFields", "annotations", "labels", "description", "$schema", "x-descriptors"}
)
_DOWNLOAD = re.compile(
    r"\b(?:curl|wget)\b[^\n|;&]*\b(?:https?|ftp)://|\bgit\s+clone\s|\bpip3?\s+install\s(?!-e|\.)|\bapt(?:-get)?\s+(?:-\S+\s+)*install\b"
    r"|\bapk\s+(?:--\S+\s+)*add\b|\b(?:yum|dnf|microdnf)\s+(?:-\S+\s+)*install\b|\bnpm\s+(?:i|install|ci)\b|\bgo\s+install\s"
    r"|\bhelm\s+(?:repo\s+add|pull|install|upgrade)\b|\bkubectl\s+(?:apply|create)\s+[^\n]*-f\s*https?://"
)
_TELEMETRY_KEYS = re.compile(
    r"(?:^|[._-])(?:telemetry|analytics|usage_?(?:stats|statistics|reporting|data)|phone_?home|check_?for_?updates"
    r"|update_?check(?:er|s)?|version_?check|crash_?reports?|send_?(?:anonymous_?)?(?:usage|stats|metrics)[a-z_]*"
    r"|anonymous_?(?:usage|telemetry)[a-z_]*|is_?telemetry_?enabled|reporting_?enabled|collect_?(?:stats|usage))"
    r"(?:[._-]?(?:enabled?|on|active))?$",
    re.IGNORECASE,
)
_TELEMETRY_GUESS = re.compile(
    r"telemetry|analytics|sentry|posthog|segment|mixpanel|newrelic|new_relic|datadog|statsig|intercom|amplitude|update",
    re.IGNORECASE,
)
_NEGATED = re.compile(r"disable|opt_?out|_off$|^no_?|do_?not", re.IGNORECASE)
_ON = frozenset({"true", "1", "yes", "on", "enabled", "all"})
_OFF = frozenset({"false", "0", "no", "off", "disabled", "none"})
_REVOCATION = re.compile(r"^(?:ocsp|crl)[0-9]*\.|\.crl$|/ocsp\b", re.IGNORECASE)
_MAX_VISITS = 500_000


def of_document(node: Node, file: str) -> Iterator[Risk]:
    """The risks of one document."""
    if text_of(entry(node, "kind")) != "CustomResourceDefinition":
        yield from _Reader(file, text_of(entry(node, "kind"))).walk(node, "")


def of_values(chart: Chart) -> Iterator[Risk]:
    """Switches in the default values that turn on telemetry and the like."""
    for one in chart.everywhere():
        if one.values is not None:
            reader = _Reader(f"{one.path}/values.yaml", "values")
            yield from reader.walk(one.values, "")


def missing_dependency(chart: Chart, dependency: Dependency) -> Risk:
    """A dependency that helm would fetch."""
    source = dependency.repository or "its repository"
    message = f"the chart {dependency.name} {dependency.version} is not vendored; helm would fetch it from {source}"
    return Risk(kind="chart-dependency", where=f"{chart.path}/Chart.yaml", message=message)


def is_outside(host: str) -> bool:
    """Whether a host is one that a cluster without a network does not reach."""
    host = host.strip("[]").rstrip(".")
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        return "." in host and _INSIDE.search(host) is None and STUB not in host


class _Reader:
    def __init__(self, file: str, kind: str) -> None:
        self._file = file
        self._kind = kind
        self._left = _MAX_VISITS

    def walk(self, node: Node, path: str) -> Iterator[Risk]:
        self._left -= 1
        if self._left < 0:
            return
        if isinstance(node, MappingNode):
            yield from self._mapping(node, path)
        elif isinstance(node, SequenceNode):
            for number, item in enumerate(node.items):
                yield from self.walk(item, f"{path}[{number}]")
        elif self._kind != "values":
            yield from self._text(node, path)

    def _mapping(self, node: MappingNode, path: str) -> Iterator[Risk]:
        yield from self._pull(node, path)
        name, value = text_of(node.entries.get("name")), node.entries.get("value")
        if name and isinstance(value, ScalarNode):
            yield from self._switch(name, value, path)
        for key, child in node.entries.items():
            if key in _PASSED_OVER:
                continue
            here = f"{path}.{key}" if path else key
            if isinstance(child, ScalarNode):
                # `telemetry: {enabled: true}` is named by both keys.
                whole = f"{path.rpartition('.')[2]}.{key}" if key.lower() in {"enabled", "enable", "active"} else key
                yield from self._switch(whole, child, here)
            if key not in {"image", "apiVersion"}:
                yield from self.walk(child, here)

    def _pull(self, node: MappingNode, path: str) -> Iterator[Risk]:
        policy = node.entries.get("imagePullPolicy") or node.entries.get("pull_policy")
        image = text_of(node.entries.get("image"))
        if policy is None or text_of(policy).lower() != "always" or self._kind == "values" or not image:
            return
        reference = naming.parse(image)
        if reference is not None and is_outside(reference.host.partition(":")[0]):
            message = (
                f"{image} is pulled at every start, from {reference.host}, which only a mirror rule answers inside"
            )
            yield self._risk("always-pull", policy, path, message, host=reference.host.partition(":")[0])

    def _switch(self, key: str, value: ScalarNode, path: str) -> Iterator[Risk]:
        text = value.text.strip().lower()
        if text not in _ON | _OFF:
            return
        on = (text in _ON) != bool(_NEGATED.search(key))
        if on and _TELEMETRY_KEYS.search(_NEGATED.sub("", key).strip("_.-")):
            yield self._risk(
                "telemetry", value, path, f"{key} is {value.text}: it reports to, or asks, somebody outside"
            )
        elif on and _TELEMETRY_GUESS.search(key):
            message = f"{key} is {value.text}: by its name it may report to, or ask, somebody outside"
            yield self._risk("telemetry", value, path, message, certain=False)

    def _text(self, node: ScalarNode, path: str) -> Iterator[Risk]:
        text = _COMMENT.sub("", node.text) if "\n" in node.text else node.text
        if _DOWNLOAD.search(text):
            match = _DOWNLOAD.search(text)
            shown = match[0][:80] if match else ""
            job = "a job" if self._kind in {"Job", "CronJob"} else "something"
            yield self._risk("run-time-download", node, path, f"{job} downloads when it runs: {shown}")
        hosts = dict.fromkeys(match["host"].lower() for match in _URL.finditer(text))
        for host in hosts:
            if not is_outside(host):
                continue
            if _REVOCATION.search(host):
                yield self._risk("revocation", node, path, f"asks {host} whether certificates were revoked", host=host)
            else:
                yield self._risk("outside-host", node, path, f"names the outside host {host}", host=host)

    def _risk(self, kind: str, node: Node, path: str, message: str, *, host: str = "", certain: bool = True) -> Risk:
        where = f"{self._file}:{node.place.line} ({path})"
        return Risk(kind=kind, where=where, message=message, host=host, certain=certain)
