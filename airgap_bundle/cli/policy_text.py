"""What `policy show` says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.core.text import count_text
from airgap_bundle.output.tables import pairs, table

if TYPE_CHECKING:
    import datetime as dt

    from airgap_bundle.output.terminal import Terminal
    from airgap_bundle.trust.policy_model import Policy, Signer


def show_policy(policy: Policy, now: dt.datetime, terminal: Terminal) -> None:
    """Who may bring what where; what ends within 60 days is a warning."""
    ending = policy.ending_soon(now)
    if terminal.json:
        terminal.emit(
            {
                "version": 1,
                "policy": policy.file,
                "policyVersion": policy.version,
                "digest": policy.digest,
                "audience": policy.audience or None,
                "signers": [
                    {"signer": signer.name, "keys": _keys(signer), "until": str(signer.until) if signer.until else None}
                    for signer in policy.signers.values()
                ],
                "roles": [
                    {"role": role.name, "signers": list(role.signers), "threshold": role.threshold}
                    for role in policy.roles.values()
                ],
                "products": [
                    {
                        "product": product.name,
                        "require": list(product.require),
                        "repositories": [str(pattern) for pattern in product.repositories],
                        "overrides": list(product.overrides),
                    }
                    for product in policy.products.values()
                ],
                "ending": [{"what": one.what, "when": one.when.isoformat()} for one in ending],
            }
        )
        return
    revoked = f"{count_text(len(policy.revoked_keys), 'key')}, {count_text(len(policy.revoked_bundles), 'bundle')}"
    facts = [
        ("policy", f"{policy.file}, version {policy.version}"),
        ("digest", policy.digest),
        ("audience", policy.audience or "none: bundles for an audience are refused"),
        ("revoked", revoked),
    ]
    terminal.show(pairs(facts, width=terminal.width))
    terminal.show("")
    signers = [
        (one.name, ", ".join(_keys(one)), str(one.until) if one.until else "") for one in policy.signers.values()
    ]
    terminal.show(table(("SIGNER", "KEYS", "UNTIL"), signers, width=terminal.width))
    roles = [(role.name, f"{role.threshold} of {', '.join(role.signers)}") for role in policy.roles.values()]
    terminal.show(table(("ROLE", "NEEDS"), roles, width=terminal.width))
    products = [
        (one.name, ", ".join(one.require), ", ".join(str(pattern) for pattern in one.repositories))
        for one in policy.products.values()
    ]
    terminal.show(table(("PRODUCT", "ROLES", "MAY WRITE TO"), products, width=terminal.width))
    for one in ending:
        terminal.warn(f"{one.what} ends on {one.when:%Y-%m-%d}" if one.when > now else f"{one.what} has ended")


def _keys(signer: Signer) -> list[str]:
    return [
        *(f"openpgp {key.fingerprint}" for key in signer.openpgp),
        *(f"keyless {identity}" for identity in signer.keyless),
        *(f"key {key.fingerprint}" for key in signer.keys),
    ]
