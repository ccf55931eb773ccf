"""Discovery as the connected commands use it: of paths named on the command line, and with guesses confirmed."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from airgap_bundle.connected.confirming import confirm
from airgap_bundle.discovery.discover import tasks
from airgap_bundle.discovery.finds import Certainty, Discovery, gathered
from airgap_bundle.manifest.model import read_document

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Executor
    from pathlib import Path

    from airgap_bundle.connected.sources import Sources
    from airgap_bundle.core.report import Reporter


def discover_paths(paths: Sequence[Path], values: Sequence[Path] = (), allow_hosts: Sequence[str] = ()) -> Discovery:
    """What is in all of them. Risks that are only about hosts matched by `allow_hosts` are left out."""
    texts = [read_document(path).decode("utf-8", "replace") for path in values]
    work = [task for path in paths for task in tasks(path, texts)]
    # Rendering happens in other processes: as many at a time as there are processors.
    with ThreadPoolExecutor(max(1, min(os.cpu_count() or 1, len(work)))) as executor:
        found = gathered(executor.map(lambda task: task(), work))
    return replace(found, risks=tuple(r for r in found.risks if not any(fnmatchcase(r.host, p) for p in allow_hosts)))


def confirmed(found: Discovery, sources: Sources, executor: Executor, report: Reporter) -> Discovery:
    """The same with every guess asked of its registry: what exists stays, with a word on it; what does not goes."""
    guesses = [find.reference for find in found.finds if find.certainty is Certainty.GUESS]
    answers = confirm(guesses, sources, executor, report)
    kept = []
    for sighting in found.sightings:
        answer = answers.get(str(sighting.reference))
        if sighting.certainty is not Certainty.GUESS or str(sighting.reference) not in answers:
            kept.append(sighting)
        elif answer is not False:
            word = "exists" if answer else "its registry does not say"
            kept.append(replace(sighting, where=f"{sighting.where}; {word}"))
    return replace(found, sightings=tuple(kept))
