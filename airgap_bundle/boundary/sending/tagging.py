"""Moves tags: the one moment at which a cluster sees anything. All of them, or none.

Whatever goes wrong in the middle (an error, Ctrl-C), the tags that were already moved are put back, and the person is
told of any that could not be.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from airgap_bundle.boundary.ledger.values import TagMove as Noted
from airgap_bundle.core.errors import AirgapError, RegistryError
from airgap_bundle.transfer.plan import below
from airgap_bundle.transfer.scheduler import Cancellation, run_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from concurrent.futures import Executor

    from airgap_bundle.core.content import Digest
    from airgap_bundle.core.oci import Document
    from airgap_bundle.registry.abilities import Registry
    from airgap_bundle.transfer.plan import TagMove

# Tags that moved and could not be put back.
TAGS_LEFT = "AB-REGISTRY-TAGS-LEFT"


def move_tags(
    registry: Registry,
    moves: Iterable[TagMove],
    documents: Mapping[Digest, Document],
    *,
    executor: Executor | None = None,
    workers: int = 1,
) -> int:
    """Move the tags and read each back; the number that changed.

    1. Fetch what the tags name now, so that it can be put back: a tag whose old image cannot be read is not moved.
    2. Move each tag, ask what it names. With an executor several are on their way at once, so that the time in which
       some tags are new and some are old is as short as the line allows; else one after another.
    3. Where that fails, wait for those on their way, put back all that were moved and raise what happened, naming
       those that could not be.
    """
    changing = [move for move in moves if move.changes]
    previous: dict[TagMove, Document | None] = {}
    moved: list[TagMove] = []

    def remember(move: TagMove) -> None:
        previous[move] = _fetch_previous(registry, move)

    def set_tag(move: TagMove) -> None:
        moved.append(move)
        registry.put_manifest(move.repository, move.tag, documents[move.digest])
        _check(registry, move)

    _each(remember, changing, executor, workers)
    try:
        _each(set_tag, changing, executor, workers)
    except BaseException as error:
        stuck = _put_back(registry, moved, previous)
        if not stuck:
            raise
        raise RegistryError(
            TAGS_LEFT,
            f"moving the tags failed ({str(error) or type(error).__name__}), and {registry.name} did not let "
            f"{len(stuck)} of them be put back: {', '.join(stuck[:10])}",
            hint="run the same command again to finish the import, or put these tags back by hand",
        ) from error
    return len(changing)


def moves_to_note(moves: Iterable[TagMove], prefix: str) -> list[Noted]:
    """What the ledger writes down before tags move, relative to DEST, whose path is `prefix`."""
    return [
        Noted(
            path=below(prefix, move.repository),
            tag=move.tag,
            previous=move.previous.digest if move.previous else None,
            digest=move.digest,
        )
        for move in moves
        if move.changes
    ]


def _each(act: Callable[[TagMove], None], moves: list[TagMove], executor: Executor | None, workers: int) -> None:
    """Do it for every tag; at the first error no more are begun, and those on their way have ended when it is raised.

    Connections stay open then: they are needed to put tags back.
    """
    if executor is None or not moves:
        for move in moves:
            act(move)
        return

    def acting(move: TagMove) -> Callable[[memoryview], None]:
        return lambda _buffer: act(move)

    run_all(map(acting, moves), executor=executor, workers=min(workers, len(moves)), cancellation=Cancellation())


def _fetch_previous(registry: Registry, move: TagMove) -> Document | None:
    if move.previous is None:
        return None
    document = registry.get_manifest(move.repository, move.previous.digest)
    if document is None:
        raise RegistryError(
            "AB-REGISTRY-LOST",
            f"{registry.name} has {move.repository}:{move.tag} but not the image behind it ({move.previous.digest})",
            hint="its storage is damaged or the tag moved meanwhile; run the same command again",
        )
    return document


def _check(registry: Registry, move: TagMove) -> None:
    found = registry.head_manifest(move.repository, move.tag)
    if found is None or found.digest != move.digest:
        raise RegistryError(
            "AB-REGISTRY-TAG-DIFFERS",
            f"{registry.name} says that {move.repository}:{move.tag} is "
            f"{found.digest if found else 'not there'} right after it was set to {move.digest}",
            hint="does someone else push to this tag, or does a proxy cache it? Stop that and run it again",
        )


def _put_back(registry: Registry, moved: list[TagMove], previous: Mapping[TagMove, Document | None]) -> list[str]:
    """Undo in reverse; the names of tags for which that did not work."""
    return [
        f"{move.repository}:{move.tag}" for move in reversed(moved) if not _is_put_back(registry, move, previous[move])
    ]


def _is_put_back(registry: Registry, move: TagMove, document: Document | None) -> bool:
    """Put one tag back, or find that it had not moved: a tag that may not be set may not be set back either."""
    with suppress(AirgapError):
        if document is not None:
            registry.put_manifest(move.repository, move.tag, document)
            return True
        if registry.delete_tag(move.repository, move.tag):
            return True
    with suppress(AirgapError):
        found = registry.head_manifest(move.repository, move.tag)
        return (found.digest if found else None) == (document.descriptor.digest if document else None)
    return False
