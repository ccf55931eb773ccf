"""May this policy take the place of that one? Design section 7: a higher version, signed by the old root role.

Pure. Also what a successor would lose: roles that nobody can fill any more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airgap_bundle.core.errors import TrustError
from airgap_bundle.core.text import count_text
from airgap_bundle.trust.policy_model import ROOT, Method, Policy, Signer
from airgap_bundle.trust.roles import fill_roles
from airgap_bundle.trust.signatures import SignatureVerdict, check_signatures

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Succession:
    """A policy that may take over; `signers` are the people of the old root role who say so."""

    old: Policy
    new: Policy
    signers: tuple[str, ...]
    verdict: SignatureVerdict


def check_succession(old: Policy, new: Policy, signatures: Iterable[tuple[str, bytes]], now: datetime) -> Succession:
    """Decide whether `new` may replace `old`; `TrustError` at the first check that does not hold.

    1. Its version is higher.
    2. The old policy has a role `root`: without one it was never meant to be changed this way.
    3. The signatures are over the exact bytes of the new one, by people of the old one whose keys count there.
    4. They are as many different people as the old root role needs.

    What the new policy says of roles and keys has no voice here.
    """
    # 1.
    if new.version <= old.version:
        raise TrustError(
            "AB-POLICY-VERSION",
            f"the policy {new.file} has version {new.version}, which is not higher than {old.version},"
            " the one that counts",
            hint="raise `version`, then have it signed again: an older policy may trust what was revoked since",
        )
    # 2.
    root = old.roles.get(ROOT)
    if root is None:
        raise TrustError(
            "AB-POLICY-NO-ROOT",
            f"the policy of version {old.version} has no role `root`, so nobody may replace it",
            hint="a destination of that policy can only be taken up anew, with an empty ledger",
        )
    # 3.
    offered = list(signatures)
    if not offered:
        raise TrustError(
            "AB-POLICY-UNSIGNED",
            f"the policy {new.file} has no signature",
            hint=f"have {count_text(root.threshold, 'person')} of {', '.join(root.signers)} sign it:"
            f" gpg --detach-sign {new.file}, then --signature FILE",
        )
    verdict = check_signatures(old, new.raw, offered, now)
    # 4.
    people = fill_roles([root], verdict.signers)[ROOT]
    if len(people) < root.threshold:
        raise TrustError(
            "AB-TRUST-THRESHOLD",
            f"the role root of the policy that counts needs {count_text(root.threshold, 'signature')} of different"
            f" people and has {len(people)}; {new.file} is signed by {', '.join(verdict.signers)}",
            hint=f"ask for a signature by one of: {', '.join(root.signers)}",
        )
    return Succession(old=old, new=new, signers=people, verdict=verdict)


def unfillable_roles(policy: Policy, now: datetime) -> tuple[str, ...]:
    """The roles that have fewer people with a key that still counts than their threshold. Expired keys count here."""
    able = {name for name, signer in policy.signers.items() if signer.counts_at(now) and _has_key(policy, signer)}
    return tuple(role.name for role in policy.roles.values() if len(able.intersection(role.signers)) < role.threshold)


def _has_key(policy: Policy, signer: Signer) -> bool:
    """Whether one of their keys is not revoked. An identity revoked from some day on signs no longer either."""
    return (
        any(policy.revocation(Method.OPENPGP, key.fingerprint) is None for key in signer.openpgp)
        or any(policy.revocation(Method.KEY, key.fingerprint) is None for key in signer.keys)
        or any(policy.revocation(Method.KEYLESS, f"{who.issuer}\n{who.identity}") is None for who in signer.keyless)
    )
