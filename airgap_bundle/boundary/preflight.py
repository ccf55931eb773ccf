"""Asks the destination, before anything long begins, whether every repository takes what it lacks.

Some registries want projects or repositories to be made beforehand, some allow only so many parts of a path, some give
rights for each. Whoever has to ask for rights wants to hear of all that is missing at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.boundary.receipt_json import EMPTY_CONFIG
from airgap_bundle.core.content import Digest
from airgap_bundle.core.errors import RegistryError
from airgap_bundle.core.text import count_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airgap_bundle.boundary.presence import Inquirer
    from airgap_bundle.transfer.plan import PushPlan

# What a registry says of one repository. Everything else (a line that is cut, a registry that is busy) is about all.
_REFUSALS = frozenset(
    {
        "AB-REGISTRY-FORBIDDEN",
        "AB-REGISTRY-NOT-FOUND",
        "AB-REGISTRY-QUOTA",
        "AB-REGISTRY-REFUSED",
        "AB-REGISTRY-UNAUTHORIZED",
        "AB-REGISTRY-UNSUPPORTED",
    }
)
# About one login or one switch, where it is about all repositories.
_OF_THE_REGISTRY = frozenset({"AB-REGISTRY-UNAUTHORIZED", "AB-REGISTRY-UNSUPPORTED"})
_HINT = (
    "make these projects or repositories there, ask for the right to push, or send the content where both exist: "
    "--map 'docker.io/**=infra/**'"
)
# A sentence with more names is not read; the rest is counted.
_MAX_NAMES = 100


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


def is_refusal(error: RegistryError) -> bool:
    """Whether an error is about one repository, so that the others are worth asking."""
    return error.code in _REFUSALS


def refusal(destination: str, refused: Mapping[str, RegistryError], asked: int) -> RegistryError:
    """One error for all repositories that refuse; `asked` is how many there are."""
    reasons: dict[str, list[str]] = {}
    for name in sorted(refused)[:_MAX_NAMES]:
        reasons.setdefault(refused[name].code, []).append(name)
    parts = [f"{', '.join(names)} ({_answer(refused[names[0]])})" for names in reasons.values()]
    if len(refused) > _MAX_NAMES:
        parts.append(f"and {len(refused) - _MAX_NAMES} more")
    message = (
        f"{destination} refuses {len(refused)} of {count_text(asked, 'repository', 'repositories')}: "
        + "; ".join(parts)
    )
    first = refused[min(refused)]
    if len(refused) == asked and first.code in _OF_THE_REGISTRY:
        return RegistryError(first.code, message, hint=first.hint)
    return RegistryError("AB-REGISTRY-REPOSITORIES", message, hint=_HINT)


def _answer(error: RegistryError) -> str:
    """The registry's own words, without what was asked."""
    return error.message[max(0, error.message.find("answers ")) :]
