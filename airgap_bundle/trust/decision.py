"""May this bundle come in, now? The decision over signatures, policy and freshness, with its evidence.

The order of checks, numbered as in every verdict (design section 7). The numbers that are ours stand in bold:

1. The head of the archive is within limits.
2. **Signatures over the raw bytes of the inventory**: `signatures.check_signatures`.
3. The inventory is read, and is one (`_type`).
4. **The policy**: the product is known, its roles are filled by different people, its repositories are its own.
5. **Revocation**: keys (while checking 2), and this bundle.
6. **Audience and freshness**: for us, not from the future, not expired, not older than what is here.
7. The members in front of the inventory match it.
8. Blobs, while they stream by.
9. Upstream: the signatures of publishers that the policy demands (`boundary.judging.upstream`), from bytes in the
   bundle. For a file before 8, so that nothing is sent in vain; for a stream when it has passed; before anything is
   attached.
10. The destination holds all of it; then image manifests, what is attached to them, and tags.

Pure: no file, no clock, no network. `TrustError` at the first check that does not hold.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from airgap_bundle.core.errors import TrustError
from airgap_bundle.core.text import count_text
from airgap_bundle.trust import freshness
from airgap_bundle.trust.freshness import History, InventoryClaims, Stale
from airgap_bundle.trust.overrides import Overrides, OverrideUsed, check_needless, lift
from airgap_bundle.trust.policy_model import Method, Policy, Product
from airgap_bundle.trust.roles import fill_roles
from airgap_bundle.trust.signatures import CountedSignature, SignatureVerdict, UncountedSignature, check_signatures

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from airgap_bundle.core.content import Digest

# How many repositories a refusal names before it only counts.
_SHOWN_REPOSITORIES = 3
SIGNATURES, POLICY, REVOCATION, FRESHNESS, UPSTREAM = 2, 4, 5, 6, 9


class Outcome(Enum):
    """How a check ended."""

    PASSED = "passed"
    OVERRIDDEN = "overridden"
    NOTED = "noted"


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One check that was made: its number in the order above, what it asked, and what was seen."""

    number: int
    title: str
    outcome: Outcome
    detail: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """The bundle may come in. `roles` says which people filled each role that the product asks for.

    `not_checked` are sentences for the verdict, on what this decision does not say.
    """

    product: str
    bundle_id: Digest
    policy_version: int
    policy_digest: Digest
    entry: str
    roles: dict[str, tuple[str, ...]]
    signatures: tuple[CountedSignature, ...]
    uncounted: tuple[UncountedSignature, ...]
    steps: tuple[Step, ...]
    overrides: tuple[OverrideUsed, ...] = ()
    not_checked: tuple[str, ...] = ()

    def roles_of(self, signer: str) -> tuple[str, ...]:
        """The roles that a person was counted for: one, or none if others were enough."""
        return tuple(role for role, people in self.roles.items() if signer in people)


@dataclass(kw_only=True, slots=True)
class _Evidence:
    """Steps and overrides as they come; `observe` is told of each step at once."""

    observe: Callable[[Step], None]
    steps: list[Step] = field(default_factory=list)
    overrides: list[OverrideUsed] = field(default_factory=list)

    def add(self, number: int, title: str, detail: str, outcome: Outcome = Outcome.PASSED) -> None:
        step = Step(number=number, title=title, outcome=outcome, detail=detail)
        self.steps.append(step)
        self.observe(step)


def _ignore(step: Step) -> None:
    """For whoever looks at the decision only."""


def decide(
    policy: Policy,
    verdict: SignatureVerdict,
    claims: InventoryClaims,
    history: History,
    now: datetime,
    overrides: Overrides | None = None,
    *,
    observe: Callable[[Step], None] = _ignore,
) -> Decision:
    """Checks 4, 5 and 6 for an inventory whose signatures are `verdict` and whose content says `claims`.

    `observe` gets each step when it was made, so that a refusal can show how far it went.
    The caller must have checked that both are about the same bytes; that is checked here again. `TrustError` names the
    first check that does not hold; what it must still do is in the module's list from 7 on.
    """
    if verdict.bundle_id != claims.bundle_id:
        raise TrustError(
            "AB-TRUST-BAD-SIGNATURE", "the signatures are over another inventory than the one that was read"
        )
    asked = overrides or Overrides()
    evidence = _Evidence(observe=observe)
    _report_signatures(verdict, evidence)
    # 4.
    product = _check_product(policy, claims, evidence)
    roles = _check_roles(policy, product, verdict, evidence)
    _check_repositories(policy, claims, evidence)
    # 5.
    _check_revoked(policy, claims, verdict, evidence)
    # 6.
    evidence.add(FRESHNESS, "audience", freshness.check_audience(policy.audience, claims))
    freshness.check_adoption(history)
    evidence.add(FRESHNESS, "clock", freshness.check_clock(claims, history, now))
    expiry = freshness.find_expiry(claims, product.max_age, now)
    _settle(expiry, _expiry_detail(claims, product), "expiry", policy, product, verdict, asked, evidence)
    rollback = freshness.find_rollback(claims, history)
    _settle(rollback, _sequence_detail(claims, history), "sequence", policy, product, verdict, asked, evidence)
    check_needless(asked, claims.bundle_id)
    return Decision(
        product=claims.name,
        bundle_id=claims.bundle_id,
        policy_version=policy.version,
        policy_digest=policy.digest,
        entry=product.name,
        roles=roles,
        signatures=verdict.counted,
        uncounted=verdict.uncounted,
        steps=tuple(evidence.steps),
        overrides=tuple(evidence.overrides),
        not_checked=_not_checked(verdict),
    )


def _report_signatures(verdict: SignatureVerdict, evidence: _Evidence) -> None:
    for signature in verdict.counted:
        word = "before" if signature.time_is_proven else "on"
        when = f" {word} {signature.signed:%Y-%m-%d %H:%M} UTC" if signature.signed else ""
        detail = f"{signature.signer} signed{when} with {signature.method.value} key {signature.key}"
        evidence.add(SIGNATURES, "signature", detail)
    for rejected in verdict.uncounted:
        evidence.add(SIGNATURES, "signature", f"does not count: {rejected.reason}", Outcome.NOTED)


def _check_product(policy: Policy, claims: InventoryClaims, evidence: _Evidence) -> Product:
    product = policy.product(claims.name)
    if product is None:
        known = f"known there: {', '.join(policy.products) or 'none'}"
        message = f"the policy has no entry for the product {claims.name}"
        raise freshness.unless_for_others(policy.audience, claims, "AB-TRUST-PRODUCT", message, known)
    evidence.add(POLICY, "product", f"{claims.name} is judged by the entry {product.name!r}")
    return product


def _check_roles(
    policy: Policy, product: Product, verdict: SignatureVerdict, evidence: _Evidence
) -> dict[str, tuple[str, ...]]:
    wanted = [policy.roles[name] for name in product.require]
    assignment = fill_roles(wanted, verdict.signers)
    missing = [role for role in wanted if len(assignment[role.name]) < role.threshold]
    if missing:
        role = missing[0]
        reasons = "; ".join(item.reason for item in verdict.uncounted)
        raise TrustError(
            "AB-TRUST-THRESHOLD",
            f"the role {role.name} needs {count_text(role.threshold, 'signature')} of different people and has"
            f" {len(assignment[role.name])}; the bundle is signed by {', '.join(verdict.signers)}, each counted once",
            hint=f"ask for a signature by one of: {', '.join(role.signers)}" + (f" ({reasons})" if reasons else ""),
        )
    for role in wanted:
        people = ", ".join(assignment[role.name])
        evidence.add(POLICY, f"role {role.name}", f"{people}; needed: {role.threshold} of {', '.join(role.signers)}")
    return assignment


def _check_repositories(policy: Policy, claims: InventoryClaims, evidence: _Evidence) -> None:
    refused = [(path, reason) for path in claims.repositories if (reason := policy.refusal_to_write(claims.name, path))]
    if refused:
        shown = ", ".join(path for path, _ in refused[:_SHOWN_REPOSITORIES])
        rest = f" and {len(refused) - _SHOWN_REPOSITORIES} more" if len(refused) > _SHOWN_REPOSITORIES else ""
        message = f"{claims.name} may not write to {shown}{rest}: {refused[0][1]}"
        raise freshness.unless_for_others(
            policy.audience,
            claims,
            "AB-TRUST-REPOSITORY",
            message,
            "if it should, add a pattern to `repositories` of the product in the policy",
        )
    evidence.add(
        POLICY, "repositories", f"{count_text(len(claims.repositories), 'repository', 'repositories')} allowed"
    )


def _check_revoked(policy: Policy, claims: InventoryClaims, verdict: SignatureVerdict, evidence: _Evidence) -> None:
    if claims.bundle_id in policy.revoked_bundles:
        raise TrustError(
            "AB-TRUST-REVOKED-BUNDLE",
            f"the policy has revoked this very bundle, {claims.bundle_id}",
            hint="ask for the bundle that replaces it",
        )
    keys = count_text(len(policy.revoked_keys), "key")
    bundles = count_text(len(policy.revoked_bundles), "bundle")
    left_out = sum(1 for item in verdict.uncounted if item.code == "AB-TRUST-REVOKED-KEY")
    detail = f"the policy revokes {keys} and {bundles}; not this bundle"
    evidence.add(REVOCATION, "revocation", detail + (f", but {left_out} of its signatures" if left_out else ""))


def _settle(
    stale: Stale | None,
    detail: str,
    title: str,
    policy: Policy,
    product: Product,
    verdict: SignatureVerdict,
    asked: Overrides,
    evidence: _Evidence,
) -> None:
    """Pass, or refuse, or let an override of those who signed this bundle lift the refusal."""
    if stale is None:
        evidence.add(FRESHNESS, title, detail)
        return
    used = lift(stale, policy, product, verdict.signers, verdict.bundle_id, asked)
    evidence.overrides.append(used)
    said = f"{stale.message}; lifted by --{stale.option.value} under the role {used.role} ({', '.join(used.signers)})"
    evidence.add(FRESHNESS, title, said, Outcome.OVERRIDDEN)


def _expiry_detail(claims: InventoryClaims, product: Product) -> str:
    expires = f"expires on {claims.expires:%Y-%m-%d}" if claims.expires else "never expires by itself"
    longest = f"; the policy gives it {product.max_age.days} days" if product.max_age else ""
    return expires + longest


def _sequence_detail(claims: InventoryClaims, history: History) -> str:
    if not history.is_asked:
        return f"sequence {claims.sequence}; no destination was asked for the one it has"
    if history.sequence is None:
        return f"sequence {claims.sequence}, the first of {claims.name} here"
    if claims.bundle_id in history.bundle_ids:
        return f"sequence {claims.sequence}, the bundle that is current here"
    if history.is_completed_by(claims):
        return f"sequence {claims.sequence}, all of the release of which a delta is current here"
    return f"sequence {claims.sequence}, newer than {history.sequence}"


def _not_checked(verdict: SignatureVerdict) -> tuple[str, ...]:
    """What a security officer might believe to be covered, and is not."""
    said = ["whether a key was revoked or a policy replaced after the policy on this machine was written"]
    if any(not signature.time_is_proven for signature in verdict.counted):
        said.append("when the bundle was signed: the times of OpenPGP and plain keys are the signer's word")
    said.append("whether newer bundles exist that were never brought here")
    return tuple(said)


__all__ = [
    "FRESHNESS",
    "POLICY",
    "REVOCATION",
    "SIGNATURES",
    "UPSTREAM",
    "CountedSignature",
    "Decision",
    "History",
    "InventoryClaims",
    "Method",
    "Outcome",
    "OverrideUsed",
    "Overrides",
    "SignatureVerdict",
    "Step",
    "UncountedSignature",
    "check_signatures",
    "decide",
]
