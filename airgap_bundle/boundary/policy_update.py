"""`policy update`: a new policy takes the place of the one that destinations are bound to.

The ledger is what changes. The file is put where it belongs by whoever may write there: as long as the old one lies
there, imports are refused, and with them anybody who brings the old one back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airgap_bundle.boundary.audit.trail import Audit
from airgap_bundle.boundary.ledger.ledger import Ledger
from airgap_bundle.boundary.state import StateDirectory
from airgap_bundle.core.errors import AirgapError, UsageError
from airgap_bundle.core.text import printable
from airgap_bundle.trust import keys
from airgap_bundle.trust.files import read_file
from airgap_bundle.trust.packets import MAX_SIGNATURE_BYTES
from airgap_bundle.trust.policy_files import load_policy
from airgap_bundle.trust.policy_succession import Succession, check_succession
from airgap_bundle.trust.received import KnownKeys, ReceivedSignature, receive

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from airgap_bundle.boundary.ledger.values import EnrolledPolicy
    from airgap_bundle.trust.policy_model import Policy

# As many as a bundle may have; a directory with more is another one.
_MAX_SIGNATURES = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class UpdateRequest:
    """What the person asked for: the new policy, signatures over it besides those in `NEW.signatures/`, and where.

    Without `destinations` it is every one that is bound to the old policy.
    """

    new: Path
    signatures: tuple[Path, ...] = ()
    destinations: tuple[str, ...] = ()
    state: Path | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class PolicyUpdated:
    """What was done. `succession` is None where every destination had the new policy already."""

    new: Policy
    succession: Succession | None
    updated: tuple[str, ...]
    already: tuple[str, ...]
    elsewhere: Mapping[str, EnrolledPolicy]


def update_policy(request: UpdateRequest, old: Policy, now: dt.datetime) -> PolicyUpdated:
    """Bind destinations to a successor of the policy that they are bound to.

    1. The new policy is one. Who may write its file does not matter, the signatures do.
    2. Destinations that are bound to the old one are what it is about; those that have the new one are done.
    3. The old root role has signed it, and its version is higher.
    4. Audit, ledger, audit.

    `TrustError` where it is refused, which the audit trail keeps; `UsageError` where nothing is bound to the old one.
    """
    # 1.
    new = load_policy(request.new, is_proven=True)
    state = StateDirectory.open(request.state)
    audit = Audit(path=state.audit_path)
    with Ledger.open(state) as ledger:
        # 2.
        bound = ledger.policies.all()
        wanted = {name: one for name, one in bound.items() if name in (request.destinations or bound)}
        _check_named(request.destinations, bound)
        already = tuple(name for name, one in wanted.items() if one.digest == new.digest)
        due = tuple(name for name, one in wanted.items() if one.digest == old.digest)
        elsewhere = {name: one for name, one in wanted.items() if one.digest not in {new.digest, old.digest}}
        if (request.destinations and elsewhere) or not (due or already):
            raise _nothing_is_bound(old, elsewhere)
        succession = None
        if due:
            # 3.
            facts = {"old": old.digest, "new": new.digest, "version": str(new.version)}
            try:
                succession = check_succession(old, new, [(s.name, s.data) for s in _signatures(request, new, old)], now)
            except AirgapError as error:
                audit.append("refused", at=now, details={**facts, "code": error.code, "reason": error.message})
                raise
            # 4.
            facts["signers"] = ", ".join(succession.signers)
            for name in due:
                audit.append("policy-update-begun", at=now, destination=name, details=facts)
            ledger.policies.replace(due, old.digest, new, at=now)
            for name in due:
                audit.append("policy-updated", at=now, destination=name, details=facts)
    return PolicyUpdated(new=new, succession=succession, updated=due, already=already, elsewhere=elsewhere)


def _signatures(request: UpdateRequest, new: Policy, old: Policy) -> list[ReceivedSignature]:
    """The signatures over the new policy that were named, and those in the directory beside it."""
    files = list(request.signatures)
    directory = request.new.with_name(f"{request.new.name}.signatures")
    if directory.is_dir():
        files += sorted(path for path in directory.iterdir() if not path.name.startswith("."))
    if len(files) > _MAX_SIGNATURES:
        raise UsageError("AB-USAGE-FILE", f"{printable(str(directory))} holds more than {_MAX_SIGNATURES} files")
    known = KnownKeys(
        openpgp=tuple(key.public_key for signer in old.signers.values() for key in signer.openpgp),
        plain=tuple(keys.read_public_key(key.pem.encode()) for signer in old.signers.values() for key in signer.keys),
    )
    return [
        receive(read_file(file, "signature", max_bytes=2 * MAX_SIGNATURE_BYTES), new.raw, str(file), known)
        for file in files
    ]


def _check_named(destinations: Sequence[str], bound: Mapping[str, EnrolledPolicy]) -> None:
    for name in destinations:
        if name not in bound:
            raise UsageError(
                "AB-POLICY-NOT-ENROLLED",
                f"the destination {name} is bound to no policy yet",
                hint=f"the first import binds it; bound are: {', '.join(bound) or 'none'}",
            )


def _nothing_is_bound(old: Policy, elsewhere: Mapping[str, EnrolledPolicy]) -> UsageError:
    others = "; ".join(f"{name} to version {one.version} ({one.digest})" for name, one in elsewhere.items())
    return UsageError(
        "AB-POLICY-NOT-ENROLLED",
        f"no destination asked for is bound to the old policy {old.file} of version {old.version} ({old.digest})"
        + (f", but {others}" if others else ""),
        hint="name the policy that counts there with --old, and the state directory with --state",
    )
