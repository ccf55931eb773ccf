"""Which people of the policy have signed these bytes. Design section 7, check 2: before the bytes are read at all.

Names of signature files only say where to look; what counts is which pinned key a signature verifies with. A signature
that does not count is no reason to refuse the others: it is reported with its own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airgap_bundle.core.content import Digest
from airgap_bundle.core.errors import TrustError
from airgap_bundle.core.text import printable
from airgap_bundle.trust import openpgp
from airgap_bundle.trust.packets import MAX_SIGNATURE_BYTES
from airgap_bundle.trust.policy_model import KeylessIdentity, Method, OpenPgpKey, Policy, Signer

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import datetime

# More people than any policy seen asks for; each signature costs a process to check.
MAX_SIGNATURES = 16

# Patterns for identities that one signature is tried with; each costs a few milliseconds.
_MAX_KEYLESS_ATTEMPTS = 16

_OPENPGP_NAME = re.compile(r"openpgp-([0-9a-f]{40}|[0-9a-f]{64})\.sig")
_KEYLESS_NAME = re.compile(r"keyless-[0-9a-f]{16}\.sigstore\.json")
_KEY_NAME = re.compile(r"key-([0-9a-f]{16})\.sigstore\.json")


@dataclass(frozen=True, kw_only=True, slots=True)
class CountedSignature:
    """A signature that counts: file name, the signer's name in the policy, method, and what identifies the key.

    `signed` is when it was made, by the signer's word; with `time_is_proven` it is the moment before which it was made,
    proven by a log or a timestamp.
    """

    name: str
    signer: str
    method: Method
    key: str
    signing_key: str = ""
    signed: datetime | None = None
    time_is_proven: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class UncountedSignature:
    """A signature that does not count, and why: the code and sentence that stand for it."""

    name: str
    code: str
    reason: str
    hint: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class SignatureVerdict:
    """What is known of the bytes with this digest before they are read. `counted` is never empty."""

    bundle_id: Digest
    counted: tuple[CountedSignature, ...]
    uncounted: tuple[UncountedSignature, ...] = ()

    @property
    def signers(self) -> tuple[str, ...]:
        """The people, each once."""
        return tuple(dict.fromkeys(signature.signer for signature in self.counted))


def check_signatures(
    policy: Policy,
    inventory_raw: bytes,
    signatures: Iterable[tuple[str, bytes]],
    now: datetime,
    *,
    accepted: Collection[Digest] = (),
) -> SignatureVerdict:
    """Verify every signature over `inventory_raw`, which is hostile until this returns.

    1. At most 16 signatures of at most 64 KiB; one name never stands for two of them.
    2. The file name leads to a pinned key of the policy; else it is nobody's.
    3. The signer still counts (`until`), and neither key nor subkey is revoked by the policy. A revoked key counts
       only for a bundle that the ledger accepted before (`accepted`, bundle ids).
    4. The signature verifies with that key.

    `TrustError` where nothing is left, with the reason of the first that came close. What the caller must still do:
    `decide`, because one valid signature is not yet what the product asks for.
    """
    # 1.
    members = _distinct(signatures)
    bundle_id = Digest.of(inventory_raw)
    counted: list[CountedSignature] = []
    uncounted: list[UncountedSignature] = []
    for name, data in members.items():
        try:
            counted.append(_check(policy, inventory_raw, name, data, now, is_accepted=bundle_id in accepted))
        except TrustError as error:
            uncounted.append(UncountedSignature(name=name, code=error.code, reason=error.message, hint=error.hint))
    if not counted:
        raise _nothing_counts(tuple(uncounted), policy)
    return SignatureVerdict(bundle_id=bundle_id, counted=tuple(counted), uncounted=tuple(uncounted))


def _distinct(signatures: Iterable[tuple[str, bytes]]) -> dict[str, bytes]:
    """The signatures by name. The same file in the bundle and beside it is one."""
    members: dict[str, bytes] = {}
    for name, data in signatures:
        if len(data) > MAX_SIGNATURE_BYTES:
            raise TrustError(
                "AB-TRUST-SIGNATURE-LIMITS",
                f"the signature {printable(name[:100])} has {len(data)} bytes, more than {MAX_SIGNATURE_BYTES}",
            )
        if members.setdefault(name, data) != data:
            raise TrustError(
                "AB-TRUST-SIGNATURE-LIMITS",
                f"two different signatures are called {printable(name[:100])}",
                hint="the bundle has one inside and one beside it; take away the one beside it if that is not yours",
            )
        if len(members) > MAX_SIGNATURES:
            raise TrustError("AB-TRUST-SIGNATURE-LIMITS", f"the bundle has more than {MAX_SIGNATURES} signatures")
    return members


def _check(
    policy: Policy, data: bytes, name: str, signature: bytes, now: datetime, *, is_accepted: bool
) -> CountedSignature:
    """One signature, by the method that its name says."""
    if match := _OPENPGP_NAME.fullmatch(name):
        return _check_openpgp(policy, data, name, signature, now, match[1], is_accepted=is_accepted)
    if match := _KEY_NAME.fullmatch(name):
        return _check_key(policy, data, name, signature, now, match[1], is_accepted=is_accepted)
    if _KEYLESS_NAME.fullmatch(name):
        return _check_keyless(policy, data, name, signature, now, is_accepted=is_accepted)
    raise TrustError("AB-TRUST-BAD-SIGNATURE", f"{printable(name[:100])} is not the name of a signature")


def _check_openpgp(
    policy: Policy, data: bytes, name: str, signature: bytes, now: datetime, fingerprint: str, *, is_accepted: bool
) -> CountedSignature:
    # 2.
    found = _find_openpgp(policy, fingerprint)
    if found is None:
        raise TrustError(
            "AB-TRUST-UNKNOWN-SIGNER",
            f"{name} is by the OpenPGP key {fingerprint}, which the policy does not know",
            hint="if that key should be trusted, add it to the policy, after comparing the fingerprint with its owner",
        )
    signer, key = found
    # 3.
    _check_until(signer, name, now)
    _check_revocation(policy, signer, name, Method.OPENPGP, (fingerprint,), is_accepted=is_accepted)
    # 4.
    verified = openpgp.verify(data, signature, key.public_key, fingerprint, now=now, name=name)
    _check_revocation(policy, signer, name, Method.OPENPGP, (verified.signing_fingerprint,), is_accepted=is_accepted)
    return CountedSignature(
        name=name,
        signer=signer.name,
        method=Method.OPENPGP,
        key=fingerprint,
        signing_key=verified.signing_fingerprint,
        signed=verified.created,
    )


def _find_openpgp(policy: Policy, fingerprint: str) -> tuple[Signer, OpenPgpKey] | None:
    for signer in policy.signers.values():
        for key in signer.openpgp:
            if key.fingerprint == fingerprint:
                return signer, key
    return None


def _check_key(
    policy: Policy, data: bytes, name: str, signature: bytes, now: datetime, prefix: str, *, is_accepted: bool
) -> CountedSignature:
    from airgap_bundle.trust import keys  # noqa: PLC0415 - most signatures are by OpenPGP

    # 2. Several keys with the same 16 digits are nobody's accident, but each of them is pinned in full.
    found = [(s, key) for s in policy.signers.values() for key in s.keys if key.fingerprint.startswith(prefix)]
    if not found:
        raise TrustError(
            "AB-TRUST-UNKNOWN-SIGNER",
            f"{name} is by a plain key that the policy does not know",
            hint="if that key should be trusted, add it to the policy as `publicKey` of a signer",
        )
    signer, key = found[0]
    # 3.
    _check_until(signer, name, now)
    _check_revocation(policy, signer, name, Method.KEY, (key.fingerprint,), is_accepted=is_accepted)
    # 4.
    keys.verify(data, signature, keys.read_public_key(key.pem.encode()), name=name)
    return CountedSignature(name=name, signer=signer.name, method=Method.KEY, key=key.fingerprint)


def _check_keyless(
    policy: Policy, data: bytes, name: str, signature: bytes, now: datetime, *, is_accepted: bool
) -> CountedSignature:
    from airgap_bundle.trust import keyless  # noqa: PLC0415 - most signatures are by OpenPGP

    # 2. A pattern has no name of its own, so each is tried; the name is compared afterwards.
    found = [
        (signer, who)
        for signer in policy.signers.values()
        for who in signer.keyless
        if who.identity_pattern or keyless.file_name(who.issuer, who.identity) == name
    ]
    refusal = TrustError(
        "AB-TRUST-UNKNOWN-SIGNER",
        f"{name} is by an identity that the policy does not know",
        hint="if it should be trusted, add identity and issuer to the policy as `keyless` of a signer",
    )
    for signer, who in found[:_MAX_KEYLESS_ATTEMPTS]:
        try:
            return _check_identity(policy, data, name, signature, now, signer, who, is_accepted=is_accepted)
        except TrustError as error:
            refusal = error
    raise refusal


def _check_identity(
    policy: Policy,
    data: bytes,
    name: str,
    signature: bytes,
    now: datetime,
    signer: Signer,
    who: KeylessIdentity,
    *,
    is_accepted: bool,
) -> CountedSignature:
    from airgap_bundle.trust import keyless  # noqa: PLC0415 - most signatures are by OpenPGP

    root = policy.trusted_roots.get(who.trusted_root_digest)
    if root is None:
        raise TrustError(
            "AB-TRUST-NOT-CHECKED",
            f"{name} cannot be checked: the trusted root {who.trusted_root_file} of {signer.name} was not loaded",
            hint="put the trusted root beside the policy, under the name that the policy gives it",
        )
    # 3.
    _check_until(signer, name, now)
    # 4.
    verified = keyless.verify(data, signature, who, root, name=name)
    if keyless.file_name(verified.issuer, verified.identity) != name:
        raise TrustError("AB-TRUST-BAD-SIGNATURE", f"{name} is by {verified.identity}, which its name is not made from")
    identity = f"{verified.issuer}\n{verified.identity}"
    revoked = policy.revocation(Method.KEYLESS, identity)
    # The time is proven by a log or a timestamp, so older signatures of a revoked identity can be told apart.
    is_older = revoked is not None and revoked.since is not None and verified.not_after < revoked.since
    _check_revocation(policy, signer, name, Method.KEYLESS, (identity,), is_accepted=is_accepted or is_older)
    return CountedSignature(
        name=name,
        signer=signer.name,
        method=Method.KEYLESS,
        key=f"{verified.identity} ({verified.issuer})",
        signed=verified.not_after,
        time_is_proven=True,
    )


def _check_until(signer: Signer, name: str, now: datetime) -> None:
    if not signer.counts_at(now):
        raise TrustError(
            "AB-TRUST-SIGNER-ENDED",
            f"{name} is by {signer.name}, who counts only until {signer.until} by the policy",
            hint="ask for a signature by somebody who still counts, or for a new policy",
        )


def _check_revocation(
    policy: Policy, signer: Signer, name: str, method: Method, keys: tuple[str, ...], *, is_accepted: bool
) -> None:
    if not is_accepted and policy.revocation(method, *keys) is not None:
        raise TrustError(
            "AB-TRUST-REVOKED-KEY",
            f"{name} is by a key of {signer.name} that the policy has revoked",
            hint="whenever it was made: the time of a signature is its maker's word; ask for one by another key",
        )


def _nothing_counts(uncounted: tuple[UncountedSignature, ...], policy: Policy) -> TrustError:
    if not uncounted:
        return TrustError(
            "AB-TRUST-UNSIGNED",
            "the bundle has no signature",
            hint="ask whoever made it to run `airgap-export sign`; it may also lie beside it, in NAME.signatures/",
        )
    if not policy.signers:
        return TrustError(
            "AB-TRUST-UNKNOWN-SIGNER",
            "the policy names no signer, so no signature counts",
            hint="add the people and machines whose signature you trust",
        )
    # A signature by somebody we know that failed says more than one by a stranger.
    first = next((item for item in uncounted if item.code != "AB-TRUST-UNKNOWN-SIGNER"), uncounted[0])
    others = f"; {len(uncounted) - 1} more do not count either" if len(uncounted) > 1 else ""
    return TrustError(first.code, f"no signature counts: {first.reason}{others}", hint=first.hint)
