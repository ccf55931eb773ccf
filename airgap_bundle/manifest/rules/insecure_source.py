"""AGM005: a source that is fetched without TLS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.core.report import Severity
from airgap_bundle.manifest.rules.rule import Context, Problem, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airgap_bundle.manifest.entries import Entry


def _check(context: Context) -> Iterator[Problem]:
    addresses: list[tuple[Entry, str]] = [(chart, chart.repo) for chart in context.manifest.charts]
    addresses.extend((file, file.url) for file in context.manifest.files)
    for entry, address in addresses:
        if address.startswith("http://") and not is_loopback(address.removeprefix("http://").partition("/")[0]):
            yield Problem.at(entry, f"{address} is fetched without TLS", hint="use https://")


def is_loopback(host: str) -> bool:
    """Whether `HOST[:PORT]` is this machine."""
    name = host.rpartition("]")[0].removeprefix("[") if host.startswith("[") else host.partition(":")[0]
    return name in {"localhost", "::1"} or name.endswith(".localhost") or _is_127(name)


def _is_127(name: str) -> bool:
    parts = name.split(".")
    return len(parts) == 4 and parts[0] == "127" and all(part.isdecimal() for part in parts)  # noqa: PLR2004 - IPv4


RULE = Rule(code="AGM005", title="Insecure source", severity=Severity.WARNING, check=_check)
