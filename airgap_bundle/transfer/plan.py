"""What an import will do to a registry, as a frozen value: the same for the same bundle and the same registry.

Made from the inventory, the image documents and what the registry answers; executing it asks nothing of the inventory
any more. Nothing here changes anything.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airgap_bundle.core.closure import children_first, walk
from airgap_bundle.core.content import Descriptor
from airgap_bundle.core.errors import BundleError, InvalidValueError, UsageError
from airgap_bundle.core.oci import check_repository

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from airgap_bundle.bundle.inventory import Inventory, Item
    from airgap_bundle.core.content import Digest
    from airgap_bundle.core.oci import Document
    from airgap_bundle.transfer.paths import PathMap


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """One item and where it goes: `repository` is its full name in the registry.

    `documents` are in the order in which they must be put; the last one is the item's own. `anchor` is the tag that
    keeps it from being collected.
    """

    item: Item
    repository: str
    anchor: str
    documents: tuple[Document, ...] = field(repr=False)

    @property
    def top(self) -> Document:
        """The document that the item's tag will name."""
        return self.documents[-1]

    @property
    def blobs(self) -> Iterable[Descriptor]:
        """Every blob that its documents point to."""
        return (blob for document in self.documents for blob in document.blobs)


@dataclass(frozen=True, kw_only=True, slots=True)
class BlobMove:
    """One blob and the repositories that need it, in the order of first use. `held` are those that have it already.

    `elsewhere` is another repository of the same registry that has it, "" where none is known or needed.
    """

    digest: Digest
    size: int
    repositories: tuple[str, ...]
    held: frozenset[str] = frozenset()
    elsewhere: str = ""

    @property
    def source(self) -> str:
        """A repository of the registry that has it, to mount it from; "" where it has to be sent."""
        return next((name for name in self.repositories if name in self.held), self.elsewhere)

    @property
    def missing(self) -> tuple[str, ...]:
        """The repositories that lack it."""
        return tuple(name for name in self.repositories if name not in self.held)


@dataclass(frozen=True, kw_only=True, slots=True)
class TagMove:
    """A tag that will name `digest`; `previous` is what it names now, None where it is new."""

    repository: str
    tag: str
    digest: Digest
    previous: Descriptor | None

    @property
    def changes(self) -> bool:
        """Whether there is anything to do."""
        return self.previous is None or self.previous.digest != self.digest


@dataclass(frozen=True, kw_only=True, slots=True)
class PushPlan:
    """Everything that an import will do. `blobs` is in the order of the bundle, so that a disk reads on and on."""

    destination: str
    targets: tuple[Target, ...]
    attached: tuple[Target, ...]
    blobs: tuple[BlobMove, ...]
    tags: tuple[TagMove, ...]

    @property
    def upload_bytes(self) -> int:
        """Bytes that will be sent: each blob that no repository of the destination holds, once."""
        return sum(move.size for move in self.blobs if not move.source)

    @property
    def upload_count(self) -> int:
        """How many blobs will be sent."""
        return sum(1 for move in self.blobs if not move.source)


def anchor_of(bundle_id: Digest, document: Digest) -> str:
    """The tag that keeps an image of this bundle from being collected (design, words)."""
    return f"airgap-{bundle_id.encoded[:12]}-{document.encoded[:8]}"


def plan_targets(
    inventory: Inventory,
    bundle_id: Digest,
    load: Callable[[Descriptor], Document],
    *,
    prefix: str,
    path_map: PathMap,
) -> tuple[Target, ...]:
    """Where each item goes, with the documents that it consists of. `load` reads them from the bundle.

    `BundleError` where a document points to what the inventory does not list, or something is attached to what does
    not travel; `UsageError` where two items would land
    on one name, or a name is too long for a registry.
    """
    targets = []
    names: dict[tuple[str, str], Item] = {}
    assumed = frozenset(entry.digest for entry in inventory.assumed)
    for item in inventory.items:
        repository = join_repository(prefix, path_map.apply(item.path))
        other = names.setdefault((repository, item.tag), item) if item.tag else item
        if other is not item:
            raise UsageError(
                "AB-USAGE-COLLISION",
                f"{item.source} and {other.source} would both become {repository}:{item.tag}",
                hint="change the --map rules so that every item keeps a name of its own",
            )
        documents = tuple(children_first(_documents_of(item, load)))
        target = Target(item=item, repository=repository, anchor=anchor_of(bundle_id, item.digest), documents=documents)
        _check_listed(inventory, target)
        _check_carried(assumed, target)
        targets.append(target)
    _check_subjects(targets)
    return tuple(targets)


def join_repository(prefix: str, path: str) -> str:
    """The full repository name of `path` below `prefix`; `UsageError` where no registry would take it."""
    name = f"{prefix}/{path}" if prefix else path
    try:
        return check_repository(name)
    except InvalidValueError as error:
        raise UsageError(
            "AB-USAGE-REPOSITORY", f"the destination cannot have {name}: {error}", hint="shorten it with --map"
        ) from error


def below(prefix: str, repository: str) -> str:
    """The other way round: a repository's name relative to DEST, whose path is `prefix`."""
    return repository.removeprefix(f"{prefix}/") if prefix else repository


def needs(targets: Iterable[Target]) -> dict[Digest, tuple[str, ...]]:
    """For each blob the repositories that need it, in order of first use."""
    return by_digest((blob.digest, target.repository) for target in targets for blob in target.blobs)


def by_digest(pairs: Iterable[tuple[Digest, str]]) -> dict[Digest, tuple[str, ...]]:
    """For each digest the repositories that are paired with it, each once, in the order in which they came."""
    found: dict[Digest, tuple[str, ...]] = {}
    # Most blobs have one repository, and share it with all of an image: its tuple is made once for all of them.
    several: dict[Digest, dict[str, None]] = {}
    alone: tuple[str, ...] = ("",)
    for digest, repository in pairs:
        if repository != alone[0]:
            alone = (repository,)
        if found.setdefault(digest, alone) != alone:
            several.setdefault(digest, dict.fromkeys(found[digest]))[repository] = None
    found.update((digest, tuple(repositories)) for digest, repositories in several.items())
    return found


def plan_blobs(
    inventory: Inventory, wanted: Mapping[Digest, tuple[str, ...]], held: Mapping[Digest, frozenset[str]]
) -> tuple[BlobMove, ...]:
    """One move for each blob of the bundle that a document needs, in the order of the tar."""
    return tuple(
        BlobMove(
            digest=entry.digest,
            size=entry.size,
            repositories=wanted[entry.digest],
            held=held.get(entry.digest, frozenset()),
        )
        for entry in (*inventory.blobs, *inventory.assumed)
        if entry.digest in wanted
    )


def _documents_of(item: Item, load: Callable[[Descriptor], Document]) -> Sequence[Document]:
    root = Descriptor(media_type=item.media_type, digest=item.digest, size=item.size)
    try:
        return list(walk(root, load))
    except InvalidValueError as error:
        raise BundleError(
            "AB-BUNDLE-DOCUMENT",
            f"{item.source} in the bundle cannot be carried: {error}",
            hint="the bundle holds something that a registry would refuse; ask whoever built it for a new one",
        ) from error


def _check_subjects(targets: Sequence[Target]) -> None:
    """What is attached belongs to something that travels to the same repository, and says so itself."""
    known = {(target.item.path, document.descriptor.digest) for target in targets for document in target.documents}
    for target in targets:
        item, subject = target.item, target.top.subject
        if item.subject is None:
            continue
        if (item.path, item.subject) not in known:
            wrong = f"belongs to {item.subject}, which is not in the bundle"
        elif not item.tag and (subject is None or subject.digest != item.subject):
            wrong = f"is listed as attached to {item.subject}, and says of itself that it is not"
        else:
            continue
        raise BundleError(
            "AB-BUNDLE-SUBJECT",
            f"the attachment {item.source} in the bundle {wrong}",
            hint="the bundle was put together wrongly although it is signed; ask whoever built it for a new one",
        )


def _check_listed(inventory: Inventory, target: Target) -> None:
    """Every blob that a document points to is listed in the inventory, with the same size."""
    for blob in target.blobs:
        entry = inventory.by_digest.get(blob.digest)
        if entry is None or entry.size != blob.size:
            raise BundleError(
                "AB-BUNDLE-INCOMPLETE",
                f"the bundle lacks {blob.digest} ({blob.size} bytes), a part of {target.item.source}",
                hint="the bundle is incomplete although it is signed; ask whoever built it for a new one",
            )


def _check_carried(assumed: frozenset[Digest], target: Target) -> None:
    """A delta leaves out layers and files only, so that what an image is can be read from it alone."""
    for document in target.documents:
        if document.config is not None and document.config.digest in assumed:
            raise BundleError(
                "AB-BUNDLE-INCOMPLETE",
                f"the bundle leaves out the config {document.config.digest} of {target.item.source}, and may not",
                hint="the bundle was put together wrongly although it is signed; ask whoever built it for a new one",
            )
