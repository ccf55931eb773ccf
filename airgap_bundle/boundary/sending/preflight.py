"""Asks the destination, before anything long begins, whether every repository takes what it lacks.

Some registries want projects or repositories to be made beforehand, some allow only so many parts of a path, some give
rights for each. Whoever has to ask for rights wants to hear of all that is missing at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.boundary.receipts.documents import EMPTY_CONFIG
from airgap_bundle.boundary.sending.refusals import refusal
from airgap_bundle.core.content import Digest

if TYPE_CHECKING:
    from airgap_bundle.boundary.sending.presence import Inquirer
    from airgap_bundle.core.errors import RegistryError
    from airgap_bundle.transfer.plan import PushPlan

# Uploads that are begun and wait for their turn, and how many repositories are asked together: twice this many are open
# at most, which every registry allows. Most bundles go to fewer repositories.
_KEPT = 32


def check_writable(plan: PushPlan, inquirer: Inquirer, *, receipts: str) -> None:
    """Ask for each repository whether it takes a blob that it lacks; `RegistryError` names all that do not.

    `receipts` is the repository that the receipt will go to.

    A blob that will be uploaded there is begun, and for the first ones its upload uses what was begun; registries allow
    only so many that are begun and left. All others are cancelled at once. After a refusal all of them are: nothing is
    left behind.
    """
    uploaded: dict[str, Digest] = {}
    mounted: dict[str, Digest] = {}
    for move in plan.blobs:
        for number, repository in enumerate(move.missing):
            goes_there = number == 0 and not move.source
            (uploaded if goes_there else mounted).setdefault(repository, move.digest)
    # Every receipt has this blob: where it is, receipts were taken before.
    config = Digest.of(EMPTY_CONFIG)
    if (uploaded or mounted) and not inquirer.registry.has_blob(receipts, config, len(EMPTY_CONFIG)):
        mounted[receipts] = config
    questions = [*uploaded.items(), *((name, mounted[name]) for name in sorted(mounted.keys() - uploaded.keys()))]
    kept = set(list(uploaded.items())[:_KEPT])
    refused: dict[str, RegistryError] = {}
    for start in range(0, len(questions), _KEPT):
        asked = questions[start : start + _KEPT]
        refused |= inquirer.prepare(asked, plan.upload_bytes)
        inquirer.cancel(sorted(one for one in asked if one not in kept and one[0] not in refused))
    if refused:
        inquirer.cancel(sorted(one for one in kept if one[0] not in refused))
        raise refusal(plan.destination, refused, len(questions))
