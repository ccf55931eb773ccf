"""Checks upstream signatures when the lock is made, and keeps the verdicts as evidence.

For every image, chart and artifact that a `verify` rule is about, a signature over the digest asked for (of the whole
index, where platforms are left out) has to be there and has to hold. Several rules about one image have to be met each.
A verdict names the very manifest that holds the signature; the next lock proves that one first, so that a lock stays as
it is while upstream adds more.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from airgap_bundle.connected.upstream_evidence import find_candidates, read_content
from airgap_bundle.core.content import Digest
from airgap_bundle.core.errors import DocumentError, InvalidValueError, TrustError
from airgap_bundle.core.partial_index import is_part
from airgap_bundle.core.text import count_text
from airgap_bundle.trust.upstream_judging import judge

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airgap_bundle.connected.sources import Sources
    from airgap_bundle.connected.upstream_demands import Demand
    from airgap_bundle.core.oci import Document, Reference
    from airgap_bundle.manifest.locked import LockedItem
    from airgap_bundle.trust.upstream_evidence import Candidate
    from airgap_bundle.trust.upstream_judging import Vouched

_MAX_REASON = 300


@dataclass(frozen=True, kw_only=True, slots=True)
class Upstream:
    """The demands of one manifest, and where to look."""

    demands: tuple[Demand, ...]
    sources: Sources

    def concerns(self, reference: Reference) -> bool:
        """Whether a rule is about this image."""
        return any(demand.covers(reference) for demand in self.demands)

    def prove(self, item: LockedItem, reference: Reference) -> LockedItem:
        """The item with a verdict for each rule that is about it.

        1. Nothing is asked where no rule is about it.
        2. Where platforms are left out, what travels has to be a part of the index whose signature is looked for.
        3. Find what may be a signature; that which an earlier lock went by comes first.
        4. For each rule take the first signature that holds, is by the one asked for, and is about this digest.

        `TrustError` where a rule is not met: image, rule and reason. `RegistryError` where the registry cannot tell.
        `DocumentError` where an earlier lock, edited by somebody, names something that is no part of the index.
        """
        return self._proven(item, reference)

    def prove_again(self, item: LockedItem, reference: Reference) -> LockedItem:
        """The same by those signatures alone that the verdicts of the item name; nothing else is looked for."""
        return self._proven(item, reference, only_named=True)

    def _proven(self, item: LockedItem, reference: Reference, *, only_named: bool = False) -> LockedItem:
        # 1.
        demands = [demand for demand in self.demands if demand.covers(reference)]
        if not demands:
            return replace(item, verdicts=())
        # 2.
        if item.original is not None:
            index = self.sources.document(reference.host, reference.repository, item.original.digest)
            _check_part(item, index)
        # 3.
        signed = item.original.digest if item.original is not None else item.digest
        found = find_candidates(self.sources, reference, signed, _named(item), only_earlier=only_named)
        # 4.
        look = _Look(sources=self.sources, reference=reference, signed=signed, candidates=found, contents={})
        verdicts = [look.verdict(demand, item.source) for demand in demands]
        return replace(item, verdicts=tuple(sorted(verdicts, key=lambda verdict: sorted(verdict.items()))))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Look:
    """One image with all that may be a signature over it."""

    sources: Sources
    reference: Reference
    signed: Digest
    candidates: Sequence[Candidate]
    contents: dict[Digest, bytes] = field(repr=False)

    def verdict(self, demand: Demand, source: str) -> dict[str, str]:
        """The evidence that the demand is met."""
        reasons: list[str] = []
        for candidate in self.candidates:
            try:
                by = judge(candidate, self._read(candidate), demand.signatory, self.signed, self._read_signed)
            except (InvalidValueError, TrustError) as error:
                reasons.append(str(error).splitlines()[0][:_MAX_REASON])
                continue
            return _record(candidate, demand, by, self.signed)
        if not reasons:
            why = "nobody has signed it"
        elif len(reasons) == 1:
            why = reasons[0]
        else:
            why = f"none of its {count_text(len(reasons), 'signature')} does, the first because {reasons[0]}"
        raise TrustError(
            "AB-TRUST-UPSTREAM",
            f"{demand.entry.place}: {source} ({self.signed}) does not meet the rule for {demand.entry.match}, "
            f"a signature by {demand.who}: {why}",
            hint="do not deliver it before its publisher has explained this; if the rule is wrong, change it",
        )

    def _read(self, candidate: Candidate) -> bytes:
        content = self.contents.get(candidate.layer.digest)
        if content is None:
            content = self.contents[candidate.layer.digest] = read_content(self.sources, self.reference, candidate)
        return content

    def _read_signed(self) -> bytes:
        return self.sources.document(self.reference.host, self.reference.repository, self.signed).raw


def _check_part(item: LockedItem, index: Document) -> None:
    """A signature over an index vouches for its children, and for what is made of them by leaving others out."""
    if is_part(item.descriptor, {entry.digest for entry in item.platforms}, index):
        return
    raise DocumentError(
        "AB-LOCK-MISMATCH",
        f"{item.source}: what the lock names, {item.digest}, is no part of {index.descriptor.digest}",
        hint="the lock was edited or made by another version; make it again with airgap-manifest lock --update-all",
    )


def _named(item: LockedItem) -> list[Digest]:
    """The manifests that the verdicts of an earlier lock name; whatever else somebody wrote there is passed over."""
    digests: dict[Digest, None] = {}
    for verdict in item.verdicts:
        with suppress(InvalidValueError):
            digests[Digest(verdict.get("signature", ""))] = None
    return [digest for digest in digests if digest.algorithm == "sha256"]


def _record(candidate: Candidate, demand: Demand, by: Vouched, signed: Digest) -> dict[str, str]:
    """Who vouched for which digest, by which rule, and where that can be looked at again."""
    record = {
        "rule": demand.entry.match,
        "by": by.by,
        "how": candidate.how,
        "digest": signed,
        "signature": candidate.manifest,
        "payload": candidate.layer.digest,
    }
    identity = demand.signatory.identity
    if identity is not None:
        record |= {"issuer": identity.issuer, "trustedRoot": identity.trusted_root_digest}
    return record
