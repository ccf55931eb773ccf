"""`--only`: which items of a bundle come in when not all of them do, and what is attached to those."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.core.errors import InvalidValueError, UsageError
from airgap_bundle.core.text import printable
from airgap_bundle.trust.patterns import RepositoryPattern

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airgap_bundle.core.content import Digest
    from airgap_bundle.transfer.plan import Target

# Names that an error shows of those there are.
_SHOWN = 5


def choose(targets: tuple[Target, ...], only: Sequence[str]) -> tuple[tuple[Target, ...], tuple[Target, ...]]:
    """Those that were asked for, with everything attached to them, and the other items. Nothing asked for means all.

    Each of `only` is the name of an item as the bundle has it, outside (`docker.io/library/redis:7`) or below DEST, or
    a pattern for repositories (`docker.io/**`). `UsageError` for one that nothing matches.
    """
    if not only:
        return targets, ()
    items = [target for target in targets if target.item.kind != "attached"]
    chosen: list[Target] = []
    for text in only:
        found = [target for target in items if _matches(target, text)]
        if not found:
            raise _no_match(text, items)
        chosen += [target for target in found if target not in chosen]
    kept = set(map(id, chosen))
    with_attached = _with_attached(targets, chosen)
    return with_attached, tuple(target for target in items if id(target) not in kept)


def _matches(target: Target, text: str) -> bool:
    item = target.item
    if text in {item.source, item.path, f"{item.path}:{item.tag}"}:
        return True
    try:
        return RepositoryPattern(text).matches(item.path)
    except InvalidValueError:
        return False


def _with_attached(targets: tuple[Target, ...], chosen: Sequence[Target]) -> tuple[Target, ...]:
    """The chosen ones and what hangs on them, directly or on something attached, in the order of the bundle."""
    kept = set(map(id, chosen))
    subjects: set[tuple[str, Digest]] = set()
    for target in chosen:
        subjects.update((target.repository, document.descriptor.digest) for document in target.documents)
    grows = True
    while grows:
        grows = False
        for target in targets:
            subject = target.item.subject
            if id(target) not in kept and subject is not None and (target.repository, subject) in subjects:
                kept.add(id(target))
                subjects.update((target.repository, document.descriptor.digest) for document in target.documents)
                grows = True
    return tuple(target for target in targets if id(target) in kept)


def _no_match(text: str, items: Sequence[Target]) -> UsageError:
    names = ", ".join(target.item.source for target in items[:_SHOWN])
    return UsageError(
        "AB-USAGE-ONLY",
        f"the bundle has nothing that --only {printable(text[:160])!r} could mean",
        hint=f"it has {names}{' and others' if len(items) > _SHOWN else ''}; airgap-import inspect shows all",
    )
