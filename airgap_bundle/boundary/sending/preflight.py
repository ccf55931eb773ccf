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
    from airgap_bundle.transfer.plan import PushPlan


def check_writable(plan: PushPlan, inquirer: Inquirer, *, receipts: str) -> None:
    """Ask for each repository whether it takes a blob that it lacks; `RegistryError` names all that do not.

    `receipts` is the repository that the receipt will go to.

    A blob that will be uploaded there is begun, and its upload uses what was begun. Where everything comes from other
    repositories an upload is begun and cancelled. After a refusal all of them are cancelled: nothing is left behind.
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
    questions = mounted | uploaded
    refused = inquirer.prepare(questions.items(), plan.upload_bytes)
    passing = questions if refused else {name: questions[name] for name in mounted.keys() - uploaded.keys()}
    inquirer.cancel((name, digest) for name, digest in sorted(passing.items()) if name not in refused)
    if refused:
        raise refusal(plan.destination, refused, len(questions))
