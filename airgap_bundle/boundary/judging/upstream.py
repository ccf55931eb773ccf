"""Demands again, inside and offline, that publishers have signed what a bundle brings: check 9 of design section 7.

Whose signature it has to be, and by which keys, says the policy (`products.<name>.upstream`). The verdicts in the
inventory are not asked: they are the word of whoever made the lock. What is judged are the signatures in the bundle, by
the same code that judged them outside (`trust.upstream_judging`).

A demand is about an item if its pattern describes the item's name outside or any name that leads to where it lies below
DEST (`upstream_names`), so that a bundle cannot get around it by names of its choice, nor by calling an image by
another kind. All demands that are about an item have to be met, each by one of the
keys and identities that it lists; neither a revoked one nor a signature over another digest counts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from airgap_bundle.boundary.judging.upstream_names import is_own_files, names_of
from airgap_bundle.core.errors import InvalidValueError, TrustError
from airgap_bundle.core.text import count_text, printable
from airgap_bundle.trust.decision import UPSTREAM, Outcome, Step

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator

    from airgap_bundle.boundary.judging.carried_provenance import ChartParts
    from airgap_bundle.boundary.judging.carried_signatures import CarriedSignatures
    from airgap_bundle.boundary.judging.upstream_verdict import UpstreamVerdict
    from airgap_bundle.bundle.inventory import Item
    from airgap_bundle.bundle.reader import BundleReader
    from airgap_bundle.core.content import Digest
    from airgap_bundle.transfer.paths import PathMap
    from airgap_bundle.trust.policy_model import OpenPgpKey, Policy, UpstreamDemand
    from airgap_bundle.trust.upstream_evidence import Candidate
    from airgap_bundle.trust.upstream_judging import Signatory, Vouched

# Of a rejected signature the reason is shown, not what some library has to say about it.
_MAX_REASON = 300
# Demands that are about nothing, as far as they are listed one by one.
_SHOWN_DEMANDS = 5


@dataclass(kw_only=True, slots=True)
class UpstreamCheck:
    """The demands of one policy on one bundle whose head has been verified.

    1. `begin`: what is demanded of which item, and where its signatures are. Of a stream it reads the image documents.
    2. Of a stream everything else has to pass now; from a file nothing has to.
    3. `judge`: every demand is met, or `TrustError` says which is not, and why.
    """

    policy: Policy
    reader: BundleReader
    now: dt.datetime
    path_map: PathMap
    _asked: list[tuple[Item, UpstreamDemand]] = field(default_factory=list)
    _idle: list[UpstreamDemand] = field(default_factory=list)
    _carried: CarriedSignatures = field(init=False)

    def __post_init__(self) -> None:
        """Look which demands are about something here."""
        inventory = self.reader.inventory
        entry = self.policy.product(inventory.name)
        demands = entry.upstream if entry is not None else ()
        for item in inventory.items:
            # What an item calls itself is the word of whoever built the bundle. What is attached has no tag of its own.
            if item.kind != "attached" and not is_own_files(item.kind, item.path, inventory.name):
                names = names_of(item.source, self.path_map.apply(item.path), self.path_map)
                self._asked += [(item, demand) for demand in demands if demand.covers(*names)]
        used = {demand.match for _, demand in self._asked}
        self._idle += [demand for demand in demands if demand.match not in used]
        if self._asked:
            from airgap_bundle.boundary.judging.carried_signatures import CarriedSignatures  # noqa: PLC0415 - few demand any

            self._carried = CarriedSignatures(self.reader)

    @property
    def is_demanded(self) -> bool:
        """Whether anything has to be checked."""
        return bool(self._asked)

    @property
    def idle_step(self) -> Step | None:
        """What is said of demands that are about nothing here: somebody may have misspelt one."""
        if not self._idle:
            return None
        shown = ", ".join(demand.match for demand in self._idle[:_SHOWN_DEMANDS])
        more = f" and {len(self._idle) - _SHOWN_DEMANDS} more" if len(self._idle) > _SHOWN_DEMANDS else ""
        detail = f"nothing in this bundle is what the policy demands signatures for: {shown}{more}"
        return Step(number=UPSTREAM, title="upstream", outcome=Outcome.NOTED, detail=detail)

    def begin(self) -> None:
        """Find the signatures; `TrustError` where there are more than can be looked through, or none over something."""
        if not self._asked:
            return
        self._carried.read_documents()
        self._carried.await_bytes([item for item, _ in self._asked])
        for item, demand in self._asked:
            if self._carried.is_bare(item):
                raise _unmet(item, demand, [])

    def judge(self) -> tuple[UpstreamVerdict, ...]:
        """The evidence that each demand is met."""
        return tuple(self._met(item, demand) for item, demand in self._asked)

    def _met(self, item: Item, demand: UpstreamDemand) -> UpstreamVerdict:
        candidates = self._carried.candidates(item)
        reasons: list[str] = []
        for attempt in (*self._attempts(item, demand, candidates), *self._provenances(item, demand)):
            try:
                return attempt()
            except (InvalidValueError, TrustError) as error:
                reasons.append(printable(str(error).splitlines()[0][:_MAX_REASON]))
        raise _unmet(item, demand, reasons, len(candidates))

    def _attempts(
        self, item: Item, demand: UpstreamDemand, candidates: tuple[Candidate, ...]
    ) -> Iterator[Callable[[], UpstreamVerdict]]:
        """Every signature with every digest that it may be over and everybody who may have made it."""
        if not candidates or not (demand.keys or demand.keyless):
            return
        signed, signatories = self._carried.signed(item), list(self._signatories(demand))
        for candidate in candidates:
            for digest in signed:
                for asked in signatories:
                    yield partial(self._judge, item, demand, candidate, asked, digest)

    def _provenances(self, item: Item, demand: UpstreamDemand) -> Iterator[Callable[[], UpstreamVerdict]]:
        parts = self._carried.chart_parts(item) if demand.openpgp else None
        if parts is not None:
            for key in demand.openpgp:
                yield partial(self._judge_provenance, item, demand, parts, key)

    def _signatories(self, demand: UpstreamDemand) -> Iterator[Signatory]:
        from airgap_bundle.trust import keys  # noqa: PLC0415 - few demand any
        from airgap_bundle.trust.upstream_judging import Signatory  # noqa: PLC0415 - few demand any

        for key in demand.keys:
            yield Signatory(key=keys.read_public_key(key.pem.encode()))
        for identity in demand.keyless:
            root = self.policy.trusted_roots.get(identity.trusted_root_digest)
            if root is None:  # pragma: no cover - a policy is loaded with its roots
                raise TrustError(
                    "AB-TRUST-NOT-CHECKED",
                    f"the trusted root {identity.trusted_root_file} of the policy was not loaded",
                    hint="put it beside the policy, under the name that the policy gives it",
                )
            yield Signatory(identity=identity, trusted_root=root)

    def _judge(
        self, item: Item, demand: UpstreamDemand, candidate: Candidate, asked: Signatory, digest: Digest
    ) -> UpstreamVerdict:
        from airgap_bundle.boundary.judging.upstream_verdict import UpstreamVerdict  # noqa: PLC0415 - few demand any
        from airgap_bundle.trust.upstream_judging import judge  # noqa: PLC0415 - few demand any

        content = self._carried.content(candidate)
        vouched = judge(candidate, content, asked, digest, lambda: self._carried.read_signed(item, digest))
        self._check_revocation(vouched, vouched.name)
        return UpstreamVerdict(
            source=item.source,
            match=demand.match,
            by=vouched.by,
            issuer=vouched.issuer,
            how=candidate.how,
            digest=digest,
            signature=candidate.manifest,
        )

    def _judge_provenance(
        self, item: Item, demand: UpstreamDemand, parts: ChartParts, key: OpenPgpKey
    ) -> UpstreamVerdict:
        from airgap_bundle.boundary.judging.carried_provenance import judge_provenance  # noqa: PLC0415 - few demand any
        from airgap_bundle.boundary.judging.upstream_verdict import UpstreamVerdict  # noqa: PLC0415 - few demand any

        vouched, signing_key = judge_provenance(parts, key, tag=item.tag, now=self.now, name=item.source)
        self._check_revocation(vouched, vouched.name, signing_key)
        return UpstreamVerdict(
            source=item.source,
            match=demand.match,
            by=vouched.by,
            issuer="",
            how="helm provenance",
            digest=item.digest,
            signature=parts.provenance.digest,
        )

    def _check_revocation(self, vouched: Vouched, *names: str) -> None:
        revoked = self.policy.revocation(vouched.method, *names)
        if revoked is None:
            return
        # A log or a timestamp proves when a keyless signature was made, so older ones can be told apart.
        if revoked.since is None or vouched.not_after is None or vouched.not_after >= revoked.since:
            raise InvalidValueError(f"the policy has revoked {vouched.by}")


def passed_step(verdicts: tuple[UpstreamVerdict, ...]) -> Step:
    """What is said of the check when it has held."""
    items = len({verdict.source for verdict in verdicts})
    met = count_text(len(verdicts), "demand")
    detail = f"{met} of the policy met by signatures in the bundle, for {count_text(items, 'item')}"
    return Step(number=UPSTREAM, title="upstream", outcome=Outcome.PASSED, detail=detail)


def _unmet(item: Item, demand: UpstreamDemand, reasons: list[str], count: int = 0) -> TrustError:
    return TrustError(
        "AB-TRUST-UPSTREAM-UNMET",
        f"{item.source} ({item.digest}) is not signed as the policy demands for {demand.match}, by {demand.who}: "
        + _why(item, reasons, count),
        hint="have it built with the signatures of its publisher; if the demand is wrong, change the policy",
    )


def _why(item: Item, reasons: list[str], count: int) -> str:
    if len(reasons) == 1:
        return reasons[0]
    if reasons:
        return f"none of {len(reasons)} attempts holds, the first because {reasons[0]}"
    if item.referrers:
        return "what was attached to it was left out by choice (referrers: none)"
    return "the bundle brings no signature over it" if not count else "its signatures are of another kind"
