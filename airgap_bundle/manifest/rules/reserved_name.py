"""AGM016: a name inside that belongs to this tool."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from airgap_bundle.core.report import Severity
from airgap_bundle.manifest.rules.rule import Context, Problem, Rule
from airgap_bundle.manifest.staleness import travelling

if TYPE_CHECKING:
    from collections.abc import Iterator

_ANCHOR = re.compile(r"airgap-[0-9a-f]{12}-[0-9a-f]{8}")
_RECEIPTS = "airgap-receipts"


def _check(context: Context) -> Iterator[Problem]:
    manifest = context.manifest
    files = (f"files/{manifest.name}", manifest.version) if manifest.files else None
    for kind, entry in travelling(manifest):
        if kind == "file":
            continue
        path, tag = entry.target
        if path.split("/")[0] == _RECEIPTS:
            message = f"{path}: receipts are kept there"
            yield Problem.at(entry, message, hint="choose another 'as'")
        elif _ANCHOR.fullmatch(tag):
            yield Problem.at(entry, f"the tag {tag} has the form of an anchor", hint="name another tag")
        elif (path, tag) == files:
            message = f"{path}:{tag} is where the files of this manifest go"
            yield Problem.at(entry, message, hint="choose another 'as'")


RULE = Rule(code="AGM016", title="Reserved name", severity=Severity.ERROR, check=_check)
