"""What `gpgv` said on its status channel, judged. Pure: text in, one verified signature or a refusal out.

Exit status 0 and VALIDSIG both occur for revoked and expired keys, and a good signature beside a bad one still prints
GOODSIG. So the rule is not "is there a good line" but "is this exactly what one good signature prints".
GnuPG doc/DETAILS, "Format of the --status-fd output".
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from airgap_bundle.core.errors import TrustError

_PREFIX = "[GNUPG:] "
# Each must be there exactly once; together they are one signature that is good in every respect.
_REQUIRED = ("NEWSIG", "GOODSIG", "VALIDSIG")
# May be there too, and change nothing. KEYEXPIRED: also printed for an expired subkey that did not sign; where it is
# the key that signed, EXPKEYSIG takes the place of GOODSIG.
_HARMLESS = frozenset({
    "KEY_CONSIDERED", "SIG_ID", "KEYEXPIRED", "NOTATION_NAME", "NOTATION_FLAGS", "NOTATION_DATA", "POLICY_URL",
    "VERIFICATION_COMPLIANCE_MODE",
})  # fmt: skip
# In this order: the first that was said is the reason given.
_REFUSALS = (
    ("REVKEYSIG", "AB-TRUST-REVOKED-KEY", "was made by a key that its owner has revoked"),
    ("KEYREVOKED", "AB-TRUST-REVOKED-KEY", "was made by a key that its owner has revoked"),
    ("EXPKEYSIG", "AB-TRUST-EXPIRED-KEY", "was made by a key that has expired"),
    ("EXPSIG", "AB-TRUST-EXPIRED-SIGNATURE", "has expired"),
    ("SIGEXPIRED", "AB-TRUST-EXPIRED-SIGNATURE", "has expired"),
    ("BADSIG", "AB-TRUST-BAD-SIGNATURE", "is not over these bytes: it belongs to something else, or one was changed"),
    ("NO_PUBKEY", "AB-TRUST-UNKNOWN-SIGNER", "was made by another key"),
)
_VALIDSIG_FIELDS = 10
# SHA-256, SHA-384, SHA-512, SHA3-256, SHA3-512: RFC 9580 section 9.5.
_HASHES = frozenset({8, 9, 10, 12, 14})
# MD5, SHA-1, RIPEMD-160, SHA-224.
_WEAK_HASHES = frozenset({"1", "2", "3", "11"})
_ERRSIG_REASON = 6
# GPG_ERR_BAD_PUBKEY.
_BAD_PUBLIC_KEY = "6"


@dataclass(frozen=True, kw_only=True, slots=True)
class GoodSignature:
    """One good signature: the primary key, the key that made it, and when its maker says it was made."""

    fingerprint: str
    signing_fingerprint: str
    created: datetime


def judge(status: str, exit_status: int, name: str, *, over_text: bool = False) -> GoodSignature:
    """The one good signature that `status` reports; `TrustError` naming `name` where there is anything else.

    1. A known refusal gives its own reason.
    2. `gpgv` itself must be content (exit status 0).
    3. NEWSIG, GOODSIG and VALIDSIG once each, and no word that is not known to be harmless.
    4. The hash is SHA-256 or better, the signature over binary data; with `over_text` over text.
    """
    words = [line[len(_PREFIX) :].split(" ") for line in status.split("\n") if line.startswith(_PREFIX)]
    kinds = [word[0] for word in words]
    # 1.
    for kind, code, reason in _REFUSALS:
        if kind in kinds:
            raise TrustError(code, f"{name} {reason}")
    # 2. A SHA-1 signature ends here: --weak-digest makes gpgv refuse it, with ERRSIG.
    if exit_status != 0:
        if "NODATA" not in kinds and kinds.count("ERRSIG") == 1:
            _explain_errsig(next(word for word in words if word[0] == "ERRSIG"), name)
        raise TrustError("AB-TRUST-BAD-SIGNATURE", f"{name} is not a signature that gpgv accepts")
    # 3.
    strange = sorted(set(kinds) - set(_REQUIRED) - _HARMLESS)
    if strange or any(kinds.count(kind) != 1 for kind in _REQUIRED):
        detail = ", ".join(strange) or "not exactly one good signature"
        raise TrustError("AB-TRUST-BAD-SIGNATURE", f"{name} is doubtful: gpgv reports {detail}")
    valid = next(word for word in words if word[0] == "VALIDSIG")
    if len(valid) != _VALIDSIG_FIELDS + 1:
        raise TrustError("AB-TRUST-BAD-SIGNATURE", f"{name} is doubtful: gpgv reports it in an unknown form")
    # 4.
    _, signing, _, created, _, _, _, _, hash_number, signature_class, primary = valid
    if not hash_number.isascii() or not hash_number.isdigit() or int(hash_number) not in _HASHES:
        raise TrustError("AB-TRUST-WEAK-SIGNATURE", f"{name} uses a hash weaker than SHA-256 (number {hash_number})")
    if signature_class != ("01" if over_text else "00"):
        what = "is over exact bytes, not over text" if over_text else "is over text, not over the exact bytes"
        raise TrustError("AB-TRUST-BAD-SIGNATURE", f"{name} {what}")
    return GoodSignature(fingerprint=primary.lower(), signing_fingerprint=signing.lower(), created=_time(created, name))


def _explain_errsig(errsig: list[str], name: str) -> None:
    """ERRSIG <keyid> <pkalgo> <hashalgo> <class> <time> <rc> <fpr>: a better reason than none, where it gives one."""
    hash_number, reason = (errsig[3], errsig[6]) if len(errsig) > _ERRSIG_REASON else ("", "")
    if hash_number in _WEAK_HASHES:
        raise TrustError("AB-TRUST-WEAK-SIGNATURE", f"{name} uses a hash weaker than SHA-256 (number {hash_number})")
    if reason == _BAD_PUBLIC_KEY:
        raise TrustError(
            "AB-TRUST-WEAK-SIGNATURE",
            f"{name} was made by a key that does not hold by itself: its self-signature is missing, or uses SHA-1",
            hint="its owner renews it with `gpg --cert-digest-algo SHA512 --quick-set-expire FINGERPRINT 2y`; then put"
            " the new export into the policy",
        )


def _time(text: str, name: str) -> datetime:
    """Seconds since 1970, or ISO 8601 as gpg writes times after 2038 on some machines."""
    try:
        if text.isascii() and text.isdigit():
            return datetime.fromtimestamp(int(text), UTC)
        return datetime.strptime(text, "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise TrustError("AB-TRUST-BAD-SIGNATURE", f"{name} carries a time that is none") from error
