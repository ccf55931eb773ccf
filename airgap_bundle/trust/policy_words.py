"""The small texts of a policy, each checked in full: names, fingerprints, dates, patterns for identities.

Every function takes text from the file and gives it back as the value that is kept, or raises `InvalidValueError`.
"""

from __future__ import annotations

import re
from datetime import date, timedelta

from airgap_bundle.core.content import Digest
from airgap_bundle.core.errors import InvalidValueError
from airgap_bundle.manifest import words
from airgap_bundle.manifest.fields import ComplaintError, Value, integer
from airgap_bundle.trust.policy_model import ANY_PRODUCT, PlainKey

_FINGERPRINT = re.compile(r"[0-9a-fA-F]{40}|[0-9a-fA-F]{64}")
_SHA256_HEX = re.compile(r"[0-9a-f]{64}")
# Names of signers and roles are printed and kept in receipts.
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._@+-]{0,62}[A-Za-z0-9])?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
# Identities are addresses of workflows; the longest seen has 300 characters.
_MAX_TEXT = 2048


def policy_version(value: Value) -> int:
    """The number of a policy: 1 or more."""
    number = integer(value)
    if number < 1:
        raise InvalidValueError("versions start at 1")
    return number


def role_name(name: str) -> str:
    """The name of a signer or a role."""
    if _NAME.fullmatch(name) is None:
        raise ComplaintError(
            f"not a name: {name[:80]!r}", hint="letters and digits with . _ @ + - between them, at most 64"
        )
    return name


def product_name(name: str) -> str:
    """A product's name, or `*`."""
    return name if name == ANY_PRODUCT else words.product_name(name)


def fingerprint(digits: str) -> str:
    """A full OpenPGP fingerprint, in lower case."""
    if _FINGERPRINT.fullmatch(digits) is None:
        raise ComplaintError(
            f"not a full fingerprint: {digits[:80]!r}",
            hint="40 or 64 hexadecimal digits without spaces; short key ids can be forged",
        )
    return digits.lower()


def key_digest(digits: str) -> str:
    """The SHA-256 of a public key's SPKI."""
    if _SHA256_HEX.fullmatch(digits) is None:
        raise ComplaintError(
            f"not the SHA-256 of a public key: {digits[:80]!r}", hint="64 hexadecimal digits, lower case"
        )
    return digits


def plain_key(pem: str) -> PlainKey:
    """A public key in PEM, of a kind that we verify with."""
    from airgap_bundle.trust import keys  # noqa: PLC0415 - cryptography takes 50 ms, and few policies need it

    key = keys.read_public_key(pem.encode())
    return PlainKey(pem=pem, fingerprint=key.fingerprint)


def bundle_id(digest: str) -> Digest:
    """`sha256:` and 64 digits."""
    value = Digest(digest)
    if value.algorithm != "sha256":
        raise InvalidValueError(f"a bundle id is a SHA-256: {digest[:80]!r}")
    return value


def day(written: str) -> date:
    """`YYYY-MM-DD`."""
    try:
        if _DATE.fullmatch(written) is None:
            raise InvalidValueError(f"not a date: {written[:80]!r}")
        return date.fromisoformat(written)
    except ValueError as error:
        raise ComplaintError(f"not a date: {written[:80]!r}", hint="such as 2027-06-30") from error


def duration(written: str) -> timedelta:
    """`180d`, `12h` or `4w`, as in a manifest."""
    return timedelta(seconds=words.duration(written))


def short_text(written: str) -> str:
    """An identity or issuer."""
    if len(written) > _MAX_TEXT:
        raise InvalidValueError(f"longer than {_MAX_TEXT} characters")
    return written


def anchored_pattern(pattern: str) -> str:
    """A regular expression for the whole identity; the anchors are asked for so that nobody takes it for a part."""
    if not pattern.startswith("^") or not pattern.endswith("$") or len(pattern) > _MAX_TEXT:
        raise ComplaintError("a pattern for identities starts with ^ and ends with $", hint="escape dots: \\.")
    try:
        re.compile(pattern)
    except re.error as error:
        raise InvalidValueError(f"not a regular expression: {error}") from error
    return pattern
