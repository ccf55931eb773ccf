"""What the destination holds already. Many small questions, asked in parallel before anything is sent."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING

from airgap_bundle.boundary.sending.refusals import is_refusal, refusal
from airgap_bundle.core.errors import RegistryError
from airgap_bundle.transfer.plan import PushPlan, TagMove, by_digest, needs, plan_blobs
from airgap_bundle.transfer.scheduler import Cancellation, run_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Executor

    from airgap_bundle.bundle.inventory import Inventory
    from airgap_bundle.core.content import Descriptor, Digest
    from airgap_bundle.registry.abilities import Registry
    from airgap_bundle.transfer.plan import BlobMove, Target

# What a registry is told that has something else under the name of a blob.
_OTHER_CONTENT = frozenset({"AB-REGISTRY-CONTENT", "AB-STORE-SIZE"})


@dataclass(kw_only=True, slots=True)
class Inquirer:
    """Asks a registry from several threads, and collects what it answers."""

    registry: Registry
    executor: Executor
    workers: int
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def _ask(self, questions: Iterator[Callable[[], None]]) -> None:
        jobs = (_without_buffer(question) for question in questions)
        run_all(
            jobs,
            executor=self.executor,
            workers=self.workers,
            cancellation=Cancellation(),
            abort=self.registry.close,
        )

    def held_among(
        self, wanted: Iterable[tuple[str, Digest, int]], *, tolerant: bool = False
    ) -> dict[Digest, frozenset[str]]:
        """Of blobs given by repository, digest and size: for each digest the repositories that have it.

        `RegistryError` names all repositories that do not let themselves be asked; where it is only a hope that they
        have something (`tolerant`) they count as without it.
        """
        held = self._where(wanted, is_there=True, tolerant=tolerant)
        # Most blobs are held by the same few repositories: one set for all of them, as a set takes 200 bytes.
        shared = cache(frozenset[str])
        return {digest: shared(names) for digest, names in by_digest(held).items()}

    def absent_among(self, wanted: Iterable[tuple[str, Digest, int]]) -> list[tuple[Digest, str]]:
        """The same the other way round: each digest with a repository that does not have it, sorted."""
        return sorted(self._where(wanted, is_there=False, tolerant=False))

    def _where(
        self, wanted: Iterable[tuple[str, Digest, int]], *, is_there: bool, tolerant: bool
    ) -> list[tuple[Digest, str]]:
        """Those for which the answer is `is_there`, in the order of the answers."""
        # Adding to a list needs no lock. At one, many threads would wait longer for each other than for the registry.
        answered: list[tuple[Digest, str]] = []
        refused: dict[str, RegistryError] = {}
        repositories: set[str] = set()

        def question(repository: str, digest: Digest, size: int) -> Callable[[], None]:
            repositories.add(repository)

            def ask() -> None:
                if repository in refused:
                    return
                try:
                    found = self.registry.has_blob(repository, digest, size)
                except RegistryError as error:
                    if not (tolerant and error.code in _OTHER_CONTENT):
                        if not is_refusal(error):
                            raise
                        refused[repository] = error
                    found = False
                if found is is_there:
                    answered.append((digest, repository))

            return ask

        self._ask(question(repository, digest, size) for repository, digest, size in wanted)
        if refused and not tolerant:
            raise refusal(self.registry.name, refused, len(repositories))
        return answered

    def prepare(
        self,
        blobs: Iterable[tuple[str, Digest]],
        total_bytes: int,
    ) -> dict[str, RegistryError]:
        """Ask whether these blobs may be pushed to these repositories; those that refuse, and in which words."""
        refused: dict[str, RegistryError] = {}

        def question(repository: str, digest: Digest) -> Callable[[], None]:
            def ask() -> None:
                try:
                    self.registry.prepare_push(repository, digest, total_bytes=total_bytes)
                except RegistryError as error:
                    if not is_refusal(error):
                        raise
                    with self._lock:
                        refused[repository] = error

            return ask

        self._ask(question(repository, digest) for repository, digest in blobs)
        return refused

    def cancel(self, blobs: Iterable[tuple[str, Digest]]) -> None:
        """Let go of what was prepared and will not be pushed."""

        def question(repository: str, digest: Digest) -> Callable[[], None]:
            return lambda: self.registry.cancel_push(repository, digest)

        self._ask(question(repository, digest) for repository, digest in blobs)

    def manifests(self, names: set[tuple[str, Digest | str]]) -> dict[tuple[str, Digest | str], Descriptor]:
        """What stands under each repository and digest or tag; names of nothing are left out."""
        found: dict[tuple[str, Digest | str], Descriptor] = {}

        def question(repository: str, reference: Digest | str) -> Callable[[], None]:
            def ask() -> None:
                descriptor = self.registry.head_manifest(repository, reference)
                if descriptor is not None:
                    found[repository, reference] = descriptor

            return ask

        self._ask(question(repository, reference) for repository, reference in sorted(names))
        return found


def plan_push(inventory: Inventory, targets: tuple[Target, ...], *, destination: str, inquirer: Inquirer) -> PushPlan:
    """Ask what is there, and say what will be done.

    A signature tag that names something else at the destination is a conflict (`RegistryError`): it is somebody's
    evidence, and never overwritten. Whether what a delta leaves out is there is for
    `boundary.sending.base` to find out.
    """
    wanted = needs(targets)
    held = inquirer.held_among(
        (name, entry.digest, entry.size)
        for entry in inventory.by_digest.values()
        for name in wanted.get(entry.digest, ())
    )
    blobs = plan_blobs(inventory, wanted, held)
    return plan_names(targets, blobs, destination=destination, inquirer=inquirer)


def plan_names(
    targets: tuple[Target, ...], blobs: tuple[BlobMove, ...], *, destination: str, inquirer: Inquirer
) -> PushPlan:
    """The plan for these blobs, with what the tags name now; `RegistryError` for a conflict as in `plan_push`."""
    main = tuple(target for target in targets if target.item.kind != "attached")
    attached = tuple(target for target in targets if target.item.kind == "attached")
    tagged = [target for target in targets if target.item.tag]
    current = inquirer.manifests({(target.repository, target.item.tag) for target in tagged})
    for target in attached:
        previous = current.get((target.repository, target.item.tag)) if target.item.tag else None
        if previous is not None and previous.digest != target.item.digest:
            raise conflict(destination, target, previous)
    return PushPlan(
        destination=destination,
        targets=main,
        attached=attached,
        blobs=blobs,
        tags=tuple(
            TagMove(
                repository=target.repository,
                tag=target.item.tag,
                digest=target.item.digest,
                previous=current.get((target.repository, target.item.tag)),
            )
            for target in main
            if target.item.tag
        ),
    )


def check_presence(plan: PushPlan, inquirer: Inquirer) -> None:
    """Ask once more for everything, now that it is in; `RegistryError` names what the destination lost.

    A registry may have collected a blob between the upload and now; no tag moves onto an image with a hole.
    """
    absent = inquirer.absent_among((name, move.digest, move.size) for move in plan.blobs for name in move.repositories)
    if absent:
        gone, repository = absent[0]
        raise lost(plan.destination, repository, gone)
    wanted: set[tuple[str, Digest | str]] = {
        (target.repository, document.descriptor.digest) for target in plan.targets for document in target.documents
    }
    found = inquirer.manifests(wanted)
    for repository, digest in sorted(wanted):
        if (repository, digest) not in found:
            raise lost(plan.destination, repository, digest)


def refresh_tags(plan: PushPlan, inquirer: Inquirer) -> PushPlan:
    """The plan with what the tags name now: somebody may have moved one while the blobs were sent."""
    current = inquirer.manifests({(move.repository, move.tag) for move in plan.tags})
    tags = tuple(replace(move, previous=current.get((move.repository, move.tag))) for move in plan.tags)
    return replace(plan, tags=tags)


def conflict(destination: str, target: Target, present: Descriptor) -> RegistryError:
    """The site has something else under the tag of a signature."""
    return RegistryError(
        "AB-REGISTRY-CONFLICT",
        f"{destination} already has another {target.repository}:{target.item.tag} ({present.digest}) "
        f"than the one in the bundle ({target.item.digest})",
        hint="signatures of the site are never overwritten; merge or remove that tag by hand first",
    )


def lost(destination: str, repository: str, digest: Digest | str) -> RegistryError:
    """Something that was there is not there any more."""
    return RegistryError(
        "AB-REGISTRY-LOST",
        f"{destination} no longer has {digest} in {repository} although it was there a moment ago",
        hint="is its garbage collection running? Run the same command again; what is there is not sent twice",
    )


def _without_buffer(question: Callable[[], None]) -> Callable[[memoryview], None]:
    def job(_buffer: memoryview) -> None:
        question()

    return job
