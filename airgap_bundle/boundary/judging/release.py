"""May what is held get its tags, now? The policy's word on holding: a waiting time, approvals, and what has changed.

Decides without I/O. The approvals were verified before (`trust.signatures`), over the bytes of the held receipt.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from airgap_bundle.boundary.judging.upstream_received import check_received
from airgap_bundle.boundary.receipts.receipt import Override, SignedBy
from airgap_bundle.core.errors import TrustError
from airgap_bundle.core.text import count_text, duration_text
from airgap_bundle.trust import freshness
from airgap_bundle.trust.freshness import InventoryClaims, Lifted
from airgap_bundle.trust.overrides import Overrides, check_needless, lift
from airgap_bundle.trust.policy_model import Method
from airgap_bundle.trust.roles import fill_roles

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from airgap_bundle.boundary.receipts.receipt import Receipt
    from airgap_bundle.trust.freshness import History
    from airgap_bundle.trust.policy_model import Hold, Policy, Product, Signer
    from airgap_bundle.trust.signatures import CountedSignature


def check_may_be_tagged(policy: Policy, product: str, *, hold: bool, was_published: bool) -> None:
    """`TrustError` where the policy wants a product held and it is about to be tagged at once.

    What was published before may be pushed again to mend what is missing.
    """
    entry = policy.product(product)
    if entry is not None and entry.hold is not None and not hold and not was_published:
        raise TrustError(
            "AB-TRUST-HOLD",
            f"the policy wants {product} to be held before its tags move",
            hint="push it with --hold, let it be scanned, then airgap-import publish",
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Released:
    """Held images may get their tags: who approved, and what was set aside for it."""

    approvals: tuple[SignedBy, ...]
    overrides: tuple[Override, ...] = ()


def check_release(
    policy: Policy,
    receipt: Receipt,
    approvals: Sequence[CountedSignature],
    now: datetime,
    overrides: Overrides | None = None,
) -> Released:
    """The approvals, with the roles that they fill. `TrustError` at the first check that does not hold.

    1. The policy still knows the product and lets it write where the images lie, and has not revoked the bundle; what
       it demands of publishers is what the receipt says was found.
    2. The bundle has not expired meanwhile, and is not older than the policy allows.
    3. They were held as long as the policy wants.
    4. The roles that must approve are filled by different people.
    """
    # 1.
    entry = check_still_allowed(policy, receipt)
    check_received(policy, entry, receipt)
    # 2.
    people = (*_signers_of(policy, receipt.signers, receipt), *(one.signer for one in approvals))
    asked = _as_imported(receipt) if overrides is None or overrides.allow_expired is None else overrides
    lifted = _lift_expiry(policy, entry, receipt, people, now, asked, "push a newer bundle and publish that")
    if entry.hold is None:
        return Released(approvals=_signed(approvals, {}), overrides=lifted)
    # 3.
    _check_wait(entry.hold, receipt, now)
    # 4.
    roles = [policy.roles[name] for name in entry.hold.approvals]
    people = tuple(dict.fromkeys(one.signer for one in approvals))
    filled = fill_roles(roles, people)
    for role in roles:
        if len(filled[role.name]) < role.threshold:
            raise TrustError(
                "AB-TRUST-APPROVAL",
                f"{receipt.id} needs the approval of {count_text(role.threshold, 'person')} of the role {role.name}"
                f" and has that of {', '.join(filled[role.name]) or 'nobody'}",
                hint=f"let {', '.join(role.signers)} sign receipts/{receipt.id}.json of the state directory:"
                " gpg --detach-sign FILE; then publish with --approval FILE.sig",
            )
    return Released(approvals=_signed(approvals, filled), overrides=lifted)


def check_promotion(
    policy: Policy, receipt: Receipt, history: History, now: datetime, overrides: Overrides | None = None
) -> tuple[Override, ...]:
    """May what was accepted elsewhere come to the destination of this policy? What was set aside; `TrustError` if not.

    1. What `check_still_allowed` asks, and that publishers have signed as this policy demands.
    2. The signatures that the receipt names fill the roles that this policy asks for: found by their keys, as another
       policy may call people otherwise.
    3. Where it wants a hold, the receipt has been published after one, with the approvals of this policy's roles.
    4. Audience and freshness, as for a bundle. What was set aside for the first registry is not for this one.
    """
    # 1.
    entry = check_still_allowed(policy, receipt)
    check_received(policy, entry, receipt)
    # 2.
    _check_roles(policy, entry.require, receipt.signers, receipt)
    # 3.
    if entry.hold is not None:
        if receipt.publication is None:
            raise TrustError(
                "AB-TRUST-HOLD",
                f"the policy wants {receipt.product} to be held before its tags move, and {receipt.id} was not",
                hint="push it to the first registry with --hold and publish it there, then promote it",
            )
        _check_roles(policy, entry.hold.approvals, receipt.publication.approvals, receipt)
    # 4.
    claims = _claims(receipt)
    freshness.check_audience(policy.audience, claims)
    freshness.check_adoption(history)
    freshness.check_clock(claims, history, now)
    people = _signers_of(policy, receipt.signers, receipt)
    lifted = _lift_expiry(policy, entry, receipt, people, now, overrides or Overrides(), "promote a newer receipt")
    if (stale := freshness.find_rollback(claims, history)) is not None:
        raise TrustError(stale.code, stale.message, hint="promote a newer receipt")
    return lifted


def _claims(receipt: Receipt) -> InventoryClaims:
    return InventoryClaims(
        name=receipt.product,
        version=receipt.version,
        bundle_id=receipt.bundle_id,
        sequence=receipt.sequence,
        created=receipt.created,
        expires=receipt.expires,
        audience=receipt.audience,
        release=receipt.release,
        is_whole=not receipt.delta,
    )


def _as_imported(receipt: Receipt) -> Overrides:
    """What was set aside when the images came in: it was for this bundle, and for this registry."""
    for one in receipt.overrides:
        if one.option == Lifted.EXPIRED.value and one.value == receipt.bundle_id:
            return Overrides(allow_expired=receipt.bundle_id, reason=one.reason)
    return Overrides()


def _lift_expiry(
    policy: Policy,
    entry: Product,
    receipt: Receipt,
    people: Sequence[str],
    now: datetime,
    asked: Overrides,
    advice: str,
) -> tuple[Override, ...]:
    """What lets a bundle through that may not be imported any more; nothing where it still may.

    `people` have signed the bundle, or approve of what it brought.
    """
    check_needless(asked, receipt.bundle_id)
    stale = freshness.find_expiry(_claims(receipt), entry.max_age, now)
    if stale is None:
        return ()
    used = lift(replace(stale, advice=advice), policy, entry, tuple(dict.fromkeys(people)), receipt.bundle_id, asked)
    return (Override(option=used.option.value, value=str(receipt.bundle_id), reason=used.reason),)


def _check_roles(policy: Policy, names: Sequence[str], signed: Sequence[SignedBy], receipt: Receipt) -> None:
    people = _signers_of(policy, signed, receipt)
    roles = [policy.roles[name] for name in names]
    filled = fill_roles(roles, people)
    for role in roles:
        if len(filled[role.name]) < role.threshold:
            raise TrustError(
                "AB-TRUST-THRESHOLD",
                f"the role {role.name} needs {count_text(role.threshold, 'signature')} of different people, and"
                f" {receipt.id} has {len(filled[role.name])} that this policy knows",
                hint="push the bundle itself, signed by them too; a receipt cannot be signed again",
            )


def _signers_of(policy: Policy, signed: Sequence[SignedBy], receipt: Receipt) -> tuple[str, ...]:
    """The people of this policy whose keys a receipt names, each once."""
    return tuple(
        dict.fromkeys(
            signer.name
            for one in signed
            for signer in policy.signers.values()
            if _has_key(signer, one) and signer.counts_at(receipt.started)
        )
    )


def _has_key(signer: Signer, one: SignedBy) -> bool:
    """Whether a key or identity that a receipt names is that person's."""
    if one.method == Method.OPENPGP.value:
        return one.key in {key.fingerprint for key in signer.openpgp}
    if one.method == Method.KEY.value:
        return one.key in {key.fingerprint for key in signer.keys}
    for who in signer.keyless:
        identity = one.key.removesuffix(f" ({who.issuer})")
        if identity != one.key and (
            re.fullmatch(who.identity_pattern, identity) if who.identity_pattern else identity == who.identity
        ):
            return True
    return False


def check_still_allowed(policy: Policy, receipt: Receipt) -> Product:
    """The policy's entry for the product of a receipt; `TrustError` where today's policy would not let it in."""
    if receipt.bundle_id in policy.revoked_bundles:
        raise TrustError(
            "AB-TRUST-REVOKED-BUNDLE",
            f"the policy has revoked the bundle of {receipt.id} since it was imported",
            hint="ask for the bundle that replaces it",
        )
    entry = policy.product(receipt.product)
    if entry is None:
        raise TrustError(
            "AB-TRUST-PRODUCT",
            f"the policy has no entry for the product {receipt.product}",
            hint=f"known there: {', '.join(policy.products) or 'none'}",
        )
    for item in receipt.items:
        if reason := policy.refusal_to_write(receipt.product, item.path):
            raise freshness.unless_for_others(
                policy.audience,
                _claims(receipt),
                "AB-TRUST-REPOSITORY",
                f"{receipt.product} may not write to {item.path}: {reason}",
                "if it should, add a pattern to `repositories` of the product in the policy",
            )
    return entry


def _check_wait(hold: Hold, receipt: Receipt, now: datetime) -> None:
    if now < receipt.finished:
        raise TrustError(
            "AB-TRUST-CLOCK",
            f"the clock of this machine says {now:%Y-%m-%d %H:%M} UTC, but {receipt.id} was imported at"
            f" {receipt.finished:%Y-%m-%d %H:%M} UTC",
            hint="set the clock; with a wrong one nothing can be said about waiting times",
        )
    if hold.wait is not None and now < receipt.finished + hold.wait:
        left = (receipt.finished + hold.wait - now).total_seconds()
        raise TrustError(
            "AB-TRUST-WAIT",
            f"the policy wants {receipt.product} held for {duration_text(hold.wait.total_seconds())}, and"
            f" {duration_text(left)} of that are left",
            hint=f"publish it after {receipt.finished + hold.wait:%Y-%m-%d %H:%M} UTC",
        )


def _signed(approvals: Sequence[CountedSignature], filled: dict[str, tuple[str, ...]]) -> tuple[SignedBy, ...]:
    return tuple(
        SignedBy(
            signer=one.signer,
            method=one.method.value,
            key=one.key,
            roles=tuple(role for role, people in filled.items() if one.signer in people),
        )
        for one in approvals
    )
