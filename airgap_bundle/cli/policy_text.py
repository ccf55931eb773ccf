"""What `policy show`, `update` and `revoke` say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.core.text import count_text
from airgap_bundle.output.tables import pairs, table
from airgap_bundle.trust.policy_model import ROOT
from airgap_bundle.trust.policy_succession import unfillable_roles

if TYPE_CHECKING:
    import datetime as dt
    from pathlib import Path

    from airgap_bundle.boundary.policy_update import PolicyUpdated
    from airgap_bundle.output.terminal import Terminal
    from airgap_bundle.trust.policy_model import Hold, Policy, Signer, UpstreamDemand


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
                        "maxAgeDays": product.max_age.days if product.max_age else None,
                        "overrides": list(product.overrides),
                        "hold": _hold_record(product.hold),
                        "upstream": [{"match": demand.match, "by": _keys(demand)} for demand in product.upstream],
                    }
                    for product in policy.products.values()
                ],
                "tokenHosts": {host: list(others) for host, others in policy.token_hosts.items()},
                "revoked": {
                    "keys": [{"method": key.method.value, "key": key.name} for key in policy.revoked_keys],
                    "bundles": sorted(policy.revoked_bundles),
                },
                "unfillable": list(unfillable_roles(policy, now)),
                "ending": [{"what": one.what, "when": one.when.isoformat()} for one in ending],
            }
        )
        return
    revoked = f"{count_text(len(policy.revoked_keys), 'key')}, {count_text(len(policy.revoked_bundles), 'bundle')}"
    facts = [
        ("policy", f"{policy.file}, version {policy.version}"),
        ("audience", policy.audience or "none: bundles for an audience are refused"),
        ("revoked", revoked),
    ]
    terminal.show(pairs(facts, width=terminal.width))
    # In full, to be compared with receipts: 78 columns.
    terminal.show(f"digest {policy.digest}")
    terminal.show("")
    # One key a line, so that fingerprints are seen in full: they are there to be compared.
    signers = [
        (one.name if not number else "", str(one.until) if one.until and not number else "", key)
        for one in policy.signers.values()
        for number, key in enumerate(_keys(one))
    ]
    terminal.show(table(("SIGNER", "UNTIL", "KEY"), signers))
    roles = [(role.name, f"{role.threshold} of {', '.join(role.signers)}") for role in policy.roles.values()]
    terminal.show(table(("ROLE", "NEEDS"), roles, width=terminal.width))
    products = [
        (one.name, ", ".join(one.require), ", ".join(str(pattern) for pattern in one.repositories))
        for one in policy.products.values()
    ]
    terminal.show(table(("PRODUCT", "ROLES", "MAY WRITE TO"), products, width=terminal.width))
    for product in policy.products.values():
        if product.hold is not None:
            terminal.show(f"{product.name} is held until it is published{_hold_text(product.hold)}")
    # As with signers, one key a line.
    demands = [
        (product.name if not number else "", demand.match if not number else "", key)
        for product in policy.products.values()
        for demand in product.upstream
        for number, key in enumerate(_keys(demand))
    ]
    if demands:
        terminal.show(table(("PRODUCT", "DEMANDS FOR", "A PUBLISHER'S SIGNATURE BY"), demands))
    for one in ending:
        terminal.warn(f"{one.what} ends on {one.when:%Y-%m-%d}" if one.when > now else f"{one.what} has ended")
    _warn_of_roles(policy, now, terminal)


def show_update(done: PolicyUpdated, now: dt.datetime, terminal: Terminal) -> None:
    """Where the new policy counts from now on, who said so, and what is left to do."""
    new, succession = done.new, done.succession
    people = list(succession.signers) if succession else []
    if terminal.json:
        terminal.emit(
            {
                "version": 1,
                "policy": new.file,
                "policyVersion": new.version,
                "digest": new.digest,
                "replaces": succession.old.digest if succession else None,
                "signers": people,
                "updated": list(done.updated),
                "already": list(done.already),
                "elsewhere": {name: one.digest for name, one in done.elsewhere.items()},
            }
        )
        return
    for name in done.updated:
        terminal.show(f"{name} is bound to the policy of version {new.version} from now on")
    for name in done.already:
        terminal.show(f"{name} was bound to it already")
    facts = [("policy", f"{new.file}, version {new.version}"), ("digest", new.digest)]
    if succession:
        replaced = f"version {succession.old.version} ({succession.old.digest})"
        facts += [("replaces", replaced), ("signed by", f"{', '.join(people)} (role {ROOT} of the old one)")]
    terminal.show(pairs(facts))
    for name, one in done.elsewhere.items():
        terminal.warn(f"{name} is bound to another policy, of version {one.version} ({one.digest}), and stays so")
    terminal.say(f"Now put {new.file} in the place of the old policy, with the trusted roots that it names beside it:")
    terminal.say("until then imports to these destinations are refused")
    _warn_of_roles(new, now, terminal)


def show_revocation(old: Policy, new: Policy, output: Path, now: dt.datetime, terminal: Terminal) -> None:
    """What was written, and who has to sign it."""
    root = new.roles.get(ROOT)
    if terminal.json:
        terminal.emit(
            {
                "version": 1,
                "policy": str(output),
                "policyVersion": new.version,
                "digest": new.digest,
                "replaces": old.digest,
                "revokedKeys": [key.name for key in new.revoked_keys if key not in old.revoked_keys],
                "revokedBundles": sorted(new.revoked_bundles - old.revoked_bundles),
                "unfillable": list(unfillable_roles(new, now)),
            }
        )
        return
    added = count_text(len(new.revoked_keys) - len(old.revoked_keys), "key")
    bundles = count_text(len(new.revoked_bundles) - len(old.revoked_bundles), "bundle")
    terminal.show(
        f"Wrote {output}, version {new.version}: revokes {added} and {bundles} more than version {old.version}"
    )
    _warn_of_roles(new, now, terminal)
    if root is None:
        terminal.warn("the policy has no role root, so no policy can take its place")
        return
    needed = count_text(root.threshold, "signature")
    terminal.say(f"It counts after {needed} of {', '.join(old.roles[ROOT].signers)}, and an update:")
    terminal.say(f"gpg --detach-sign {output}")
    terminal.say(f"airgap-import policy update {output} --signature {output}.sig")


def _warn_of_roles(policy: Policy, now: dt.datetime, terminal: Terminal) -> None:
    for name in unfillable_roles(policy, now):
        terminal.warn(f"too few people with a key that counts are left to fill the role {name}")


def _hold_record(hold: Hold | None) -> dict[str, object] | None:
    if hold is None:
        return None
    return {"waitHours": int(hold.wait.total_seconds() // 3600) if hold.wait else 0, "approvals": list(hold.approvals)}


def _hold_text(hold: Hold) -> str:
    wait = f", at least {count_text(int(hold.wait.total_seconds() // 3600), 'hour')}" if hold.wait else ""
    return wait + (f"; {' and '.join(hold.approvals)} must approve" if hold.approvals else "")


def _keys(owner: Signer | UpstreamDemand) -> list[str]:
    return [
        *(f"openpgp {key.fingerprint}" for key in owner.openpgp),
        *(f"keyless {identity}" for identity in owner.keyless),
        *(f"key {key.fingerprint}" for key in owner.keys),
    ]
