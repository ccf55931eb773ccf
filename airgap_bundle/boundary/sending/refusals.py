"""Which answers are about one repository, and one error for all repositories that refuse."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.core.errors import RegistryError
from airgap_bundle.core.text import count_text

if TYPE_CHECKING:
    from collections.abc import Mapping

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
