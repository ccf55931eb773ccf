"""Reads the keys and identities of a policy: embedded OpenPGP keys, public keys in PEM, keyless identities.

Signers have them, and so have demands for upstream signatures. One entry may be a list of them: while keys rotate
somebody has two.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from airgap_bundle.manifest import words, yamltext
from airgap_bundle.manifest.fields import ComplaintError, RejectedError, Value, converted
from airgap_bundle.trust import policy_words
from airgap_bundle.trust.packets import parse_public_key
from airgap_bundle.trust.policy_model import KeylessIdentity, OpenPgpKey

if TYPE_CHECKING:
    from collections.abc import Callable

    from airgap_bundle.core.content import Digest

T = TypeVar("T")


def openpgp(value: Value) -> OpenPgpKey:
    """A fingerprint and the key that has it."""
    fields = value.fields()
    fingerprint = fields.required("fingerprint", converted(policy_words.fingerprint))
    key = fields.required("publicKey", converted(lambda armored: parse_public_key(armored.encode())))
    fields.finish()
    if key.fingerprint != fingerprint:
        raise ComplaintError(
            f"the embedded key has the fingerprint {key.fingerprint}, not {fingerprint}",
            code="AB-POLICY-KEY",
            hint="find out which of the two is right, from the person and not from this file",
        )
    return OpenPgpKey(fingerprint=fingerprint, public_key=key)


def keyless(value: Value) -> KeylessIdentity:
    """An identity or a pattern for it, its issuer, and the trusted root that it is judged by."""
    fields = value.fields()
    if fields.choose("identity", "identityPattern") == "identity":
        identity, pattern = fields.required("identity", converted(policy_words.short_text)), ""
    else:
        identity, pattern = "", fields.required("identityPattern", converted(policy_words.anchored_pattern))
    issuer = fields.required("issuer", converted(policy_words.short_text))
    root = fields.required("trustedRoot", _trusted_root)
    fields.finish()
    return KeylessIdentity(
        identity=identity,
        identity_pattern=pattern,
        issuer=issuer,
        trusted_root_file=root[0],
        trusted_root_digest=root[1],
    )


def one_or_more(reader: Callable[[Value], T]) -> Callable[[Value], tuple[T, ...]]:
    """One entry, or a list of them."""

    def read(value: Value) -> tuple[T, ...]:
        if not isinstance(value.node, yamltext.SequenceNode):
            return (reader(value),)
        before = value.complaints.count
        items = value.items(reader)
        if value.complaints.count > before:
            raise RejectedError("complained of already")
        return items

    return read


def _trusted_root(value: Value) -> tuple[str, Digest]:
    fields = value.fields()
    file = fields.required("file", converted(words.safe_path))
    digest = fields.required("sha256", converted(words.file_digest))
    fields.finish()
    return file, digest
