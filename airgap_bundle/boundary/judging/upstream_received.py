"""Whether what a receipt says of publishers' signatures is what a policy demands: where the bundle is not read again.

A bundle that was held, or accepted by another registry inside, was judged by the policy of that time and place. Where
today's policy, or that of the other registry, demands more, the receipt has to name the evidence that was found then
(`upstream`); a signature that nobody judged is none. Decides without I/O.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from airgap_bundle.boundary.judging.upstream_names import is_own_files, names_of
from airgap_bundle.boundary.receipts.receipt import Outcome
from airgap_bundle.core.errors import TrustError
from airgap_bundle.transfer.paths import PathMap, PathRule
from airgap_bundle.trust.policy_model import Method

if TYPE_CHECKING:
    from airgap_bundle.boundary.judging.upstream_verdict import UpstreamVerdict
    from airgap_bundle.boundary.receipts.receipt import Receipt, ReceiptItem
    from airgap_bundle.trust.policy_model import Policy, Product, UpstreamDemand


def check_received(policy: Policy, entry: Product, receipt: Receipt) -> None:
    """Return if each demand of `entry` that is about an item of the receipt was met; else `TrustError`."""
    path_map = PathMap(rules=tuple(PathRule(source=rule.pattern, target=rule.target) for rule in receipt.map))
    for item in receipt.items if entry.upstream else ():
        came_as = path_map.leading_to(item.path)
        if item.outcome is Outcome.SKIPPED or any(is_own_files(item.kind, path, receipt.product) for path in came_as):
            continue
        names = names_of(item.source, item.path, path_map)
        verdicts = _about(item, receipt)
        for demand in entry.upstream:
            if demand.covers(*names) and not any(_meets(verdict, demand, policy) for verdict in verdicts):
                raise _unknown(item, demand, receipt)


def _about(item: ReceiptItem, receipt: Receipt) -> tuple[UpstreamVerdict, ...]:
    """The verdicts on this very item: over its digest, or over the index that it is a part of.

    The latter only where the name stands for nothing else: a receipt does not say of which index something is a part.
    """
    is_alone = all(other.digest == item.digest for other in receipt.items if other.source == item.source)
    return tuple(
        verdict
        for verdict in receipt.upstream
        if verdict.source == item.source and (is_alone or verdict.digest == item.digest)
    )


def _meets(verdict: UpstreamVerdict, demand: UpstreamDemand, policy: Policy) -> bool:
    """Whether it is by one of those whom the demand names, and whom the policy has not revoked."""
    for key in demand.keys:
        if verdict.by == f"key sha256:{key.fingerprint}":
            return policy.revocation(Method.KEY, key.fingerprint) is None
    for pinned in demand.openpgp:
        if verdict.by == f"openpgp {pinned.fingerprint}":
            names = (key.fingerprint for key in pinned.public_key.keys)
            # Which of its keys has signed, a receipt does not say.
            return policy.revocation(Method.OPENPGP, pinned.fingerprint, *names) is None
    for who in demand.keyless:
        fits = re.fullmatch(who.identity_pattern, verdict.by) if who.identity_pattern else who.identity == verdict.by
        if fits and who.issuer == verdict.issuer:
            # Nor when; so a day from which on it is revoked does not help.
            return policy.revocation(Method.KEYLESS, f"{verdict.issuer}\n{verdict.by}") is None
    return False


def _unknown(item: ReceiptItem, demand: UpstreamDemand, receipt: Receipt) -> TrustError:
    return TrustError(
        "AB-TRUST-UPSTREAM-UNMET",
        f"{item.source} ({item.digest}) is not known to be signed as the policy demands for {demand.match}, by"
        f" {demand.who}: {receipt.id} names no such signature",
        hint="push the bundle itself again under this policy: its signatures are judged then, and stand in the receipt",
    )
