"""Decides whether a bundle may come in, in the order of design section 7, and reads all of it where that is asked.

1. The head of the archive, within its limits.
2. The signatures over the raw bytes of the inventory.
3. The inventory, read for the first time.
4. to 6. Policy, revocation, audience and freshness (`trust.decision`).
7. The members in front of the inventory, and the length of the file.
8. Every blob: here for `verify`, on the way to the registry for `push`.
9. The signatures of publishers, where the policy demands them: for a file before 8, for a stream after it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from airgap_bundle.boundary.judging.upstream import UpstreamCheck, passed_step
from airgap_bundle.bundle.reader import BundleReader, read_head, read_inventory
from airgap_bundle.bundle.release import release_of
from airgap_bundle.bundle.volumes.checking import check_shape
from airgap_bundle.core.text import count_text, size_text
from airgap_bundle.transfer.opening import nothing_beside
from airgap_bundle.transfer.paths import PathMap
from airgap_bundle.transfer.reading import read_all
from airgap_bundle.trust.decision import Decision, Outcome, Overrides, Step, decide
from airgap_bundle.trust.freshness import History, InventoryClaims
from airgap_bundle.trust.signatures import check_signatures

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable
    from concurrent.futures import Executor

    from airgap_bundle.boundary.judging.upstream_verdict import UpstreamVerdict
    from airgap_bundle.bundle.inventory import Inventory
    from airgap_bundle.bundle.media import Medium
    from airgap_bundle.bundle.reader import UnverifiedHead
    from airgap_bundle.bundle.signatures import SignatureFile
    from airgap_bundle.core.content import Digest
    from airgap_bundle.core.report import Reporter
    from airgap_bundle.trust.policy_model import Policy

    # What is remembered of a product: asked for when the signed inventory has said which one it is.
    Remember = Callable[[str], History]


@dataclass(frozen=True, kw_only=True, slots=True)
class Verified:
    """A bundle whose signatures, policy, freshness and head were checked; its blobs still have to be."""

    head: UnverifiedHead = field(repr=False)
    inventory: Inventory
    decision: Decision
    reader: BundleReader
    steps: tuple[Step, ...]
    upstream: UpstreamCheck = field(repr=False)
    verdicts: tuple[UpstreamVerdict, ...] = ()
    """The signatures of publishers that were demanded and hold; none before they were judged."""

    @property
    def bundle_id(self) -> Digest:
        """The name of the bundle."""
        return self.decision.bundle_id


def nothing_remembered(product: str) -> History:  # noqa: ARG001 - the same for every product
    """For a check without a destination: no sequence is held against the bundle."""
    return History(is_asked=False)


def never_accepted(bundle_id: Digest) -> bool:  # noqa: ARG001 - the same for every bundle
    """For a check without a ledger: no bundle was accepted before."""
    return False


def verify_head(
    medium: Medium,
    policy: Policy,
    now: dt.datetime,
    *,
    read_beside: Callable[[], tuple[SignatureFile, ...]] = nothing_beside,
    remember: Remember = nothing_remembered,
    knows: Callable[[Digest], bool] = never_accepted,
    path_map: PathMap | None = None,
    overrides: Overrides | None = None,
    steps: list[Step] | None = None,
) -> Verified:
    """Checks 1 to 7, and 9 for a file. `TrustError` or `BundleError` at the first that does not hold.

    `steps` gets each check that held, also where a later one does not.

    `read_beside` reads the signatures beside the bundle; `knows` says whether the ledger has a bundle,
    whose signatures a later revocation of their keys does not take away. The caller still has to check every blob that
    it uses, and the end of the archive; and of a stream, once it has passed, `judge_upstream`.
    """
    made: list[Step] = [] if steps is None else steps
    # 1.
    head = read_head(medium)
    made.append(_passed(1, "head", f"{size_text(head.head_bytes)}, within limits"))
    found = [*head.signatures, *read_beside()]
    # 2.
    accepted = (head.bundle_id,) if knows(head.bundle_id) else ()
    verdict = check_signatures(
        policy, head.inventory_raw, [(one.name, one.data) for one in found], now, accepted=accepted
    )
    # 3.
    inventory = read_inventory(head, medium.name)
    made.append(_passed(3, "inventory", f"bundle id {head.bundle_id}"))
    # 4. to 6.
    claims = InventoryClaims(
        name=inventory.name,
        version=inventory.version,
        bundle_id=head.bundle_id,
        sequence=inventory.sequence,
        created=inventory.created,
        expires=inventory.expires,
        audience=inventory.audience,
        repositories=written_repositories(inventory, path_map),
        release=release_of(inventory),
        is_whole=not inventory.assumed,
    )
    decision = decide(policy, verdict, claims, remember(inventory.name), now, overrides, observe=made.append)
    # 7.
    reader = BundleReader(medium, head, inventory)
    reader.check_head()
    check_shape(reader, head.bundle_id)
    made.append(_passed(7, "members", f"{count_text(len(inventory.members), 'member')} as the inventory names them"))
    # The signatures were checked before the inventory was read; what is said of them comes from the decision.
    made.sort(key=lambda step: step.number)
    # 9.
    upstream = UpstreamCheck(policy=policy, reader=reader, now=now, path_map=path_map or PathMap())
    if (idle := upstream.idle_step) is not None:
        made.append(idle)
    upstream.begin()
    verified = Verified(
        head=head, inventory=inventory, decision=decision, reader=reader, steps=tuple(made), upstream=upstream
    )
    return judge_upstream(verified, made) if medium.seekable else verified


def judge_upstream(verified: Verified, made: list[Step] | None = None) -> Verified:
    """Check 9, with the verdicts and its step, also in `made`; nothing where it was made or is not demanded.

    `TrustError` where it does not hold.
    """
    if not verified.upstream.is_demanded or verified.verdicts:
        return verified
    verdicts = verified.upstream.judge()
    step = passed_step(verdicts)
    if made is not None:
        made.append(step)
    return replace(verified, verdicts=verdicts, steps=(*verified.steps, step))


def _passed(number: int, title: str, detail: str) -> Step:
    return Step(number=number, title=title, outcome=Outcome.PASSED, detail=detail)


def written_repositories(inventory: Inventory, path_map: PathMap | None) -> tuple[str, ...]:
    """Every repository below DEST that an import writes to, but for the product's own files.

    `files/<product>` belongs to the product by its name, so no policy has to list it; a place that a map gives them
    belongs to whoever the policy says.
    """
    paths = {path_map.apply(item.path) if path_map else item.path for item in inventory.items}
    return tuple(sorted(path for path in paths if path != f"files/{inventory.name}"))


def read_blobs(verified: Verified, executor: Executor | None, workers: int, report: Reporter) -> Step:
    """Check 8 for a bundle that is not sent anywhere: read every blob and the end of the archive."""
    inventory = verified.inventory
    read_all(verified.reader, executor, workers, report)
    return Step(
        number=8,
        title="blobs",
        outcome=Outcome.PASSED,
        detail=f"{count_text(len(inventory.blobs), 'blob')}, {size_text(inventory.total_bytes)}, all read",
    )
