"""Whether one signature is by the one whom somebody asks for. Pure: bytes in, the signer out.

Three forms are known. cosign's payload beside the image, with the signature in annotations; a Sigstore bundle with a
statement inside (DSSE, in-toto), which is what cosign 3 writes; a Sigstore bundle over the bytes of the image manifest.
For each the signature is checked first, over the exact bytes, and only then is read what they say. The connected side
judges so when a lock is made, and the boundary side again, by keys of its own policy and without any network.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airgap_bundle.core import strictjson
from airgap_bundle.core.errors import InvalidValueError, TrustError
from airgap_bundle.trust import key_bundle, keyless, keys
from airgap_bundle.trust.policy_model import Method
from airgap_bundle.trust.upstream_evidence import MAX_SIGNATURE_BYTES, SIGN_PREDICATE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from airgap_bundle.core.content import Digest
    from airgap_bundle.trust.keys import PlainPublicKey
    from airgap_bundle.trust.policy_model import KeylessIdentity
    from airgap_bundle.trust.upstream_evidence import Candidate

SIGNATURE_NOTE = "dev.cosignproject.cosign/signature"
CERTIFICATE_NOTE = "dev.sigstore.cosign/certificate"
LOG_NOTE = "dev.sigstore.cosign/bundle"
PAYLOAD_TYPE = "cosign container image signature"
IN_TOTO_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPES = frozenset({"https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1"})
# cosign hashed with SHA-256 whatever the key; since version 3 the hash goes with the key's curve.
_HASHES = ("sha256", "sha384", "sha512")
# An envelope may have several signatures, of which one has to be the one asked for.
_MAX_ENVELOPE_SIGNATURES = 8
# The longest that a manifest can ask for; what is longer could not be kept in an inventory.
_MAX_IDENTITY = 512


@dataclass(frozen=True, kw_only=True, slots=True)
class Signatory:
    """Whose signature is asked for: the holder of a `key`, or a keyless `identity`, judged by its `trusted_root`."""

    key: PlainPublicKey | None = None
    identity: KeylessIdentity | None = None
    trusted_root: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Vouched:
    """Who signed: `by` is for people; `method` and `name` are what a policy would revoke them by.

    `not_after`: a log or a timestamp proves that the signature is older than this; None where nothing does.
    """

    by: str
    method: Method
    name: str
    issuer: str = ""
    not_after: datetime | None = None


def judge(
    candidate: Candidate, content: bytes, asked: Signatory, signed: Digest, read_signed: Callable[[], bytes]
) -> Vouched:
    """Who signed the image `signed`, if it is whom we asked for; else `TrustError` or `InvalidValueError`.

    `content` has the digest that the candidate's layer names; `read_signed` gives the bytes of the image manifest,
    which have the digest `signed`.
    """
    name = f"the signature in {candidate.manifest}"
    if not candidate.is_bundle:
        return _judge_payload(candidate.unverified_notes, content, asked, signed, name)
    bundle = strictjson.parse_object(content, max_bytes=MAX_SIGNATURE_BYTES, floats=True)
    if "dsseEnvelope" in bundle:
        return _judge_statement(bundle, content, asked, signed, name)
    if asked.key is not None:
        keys.verify(read_signed(), content, asked.key, name=name)
        return _by_key(asked.key)
    return _by_identity(keyless.verify(read_signed(), content, _who(asked), asked.trusted_root, name=name))


def _judge_payload(notes: Mapping[str, str], payload: bytes, asked: Signatory, signed: Digest, name: str) -> Vouched:
    """Specification of cosign, "Signature": the annotation holds a signature over the payload, base64."""
    signature = _decoded(notes, SIGNATURE_NOTE)
    if asked.key is not None:
        _verify_by_key(payload, [signature], asked.key, name)
        by = _by_key(asked.key)
    else:
        promised = _promised(notes, signature)
        by = _by_identity(keyless.verify_promise(payload, promised, _who(asked), asked.trusted_root, name=name))
    critical = _object(strictjson.parse_object(payload, max_bytes=MAX_SIGNATURE_BYTES, floats=True), "critical")
    if critical.get("type") != PAYLOAD_TYPE:
        raise InvalidValueError("what was signed is not about an image")
    if _object(critical, "image").get("docker-manifest-digest") != signed:
        raise InvalidValueError("it is a signature of another image")
    return by


def _judge_statement(bundle: dict[str, Any], raw: bytes, asked: Signatory, signed: Digest, name: str) -> Vouched:
    if asked.key is not None:
        kind, payload = _open_envelope(_object(bundle, "dsseEnvelope"), asked.key, name)
        by = _by_key(asked.key)
    else:
        verified, kind, payload = keyless.verify_statement(raw, _who(asked), asked.trusted_root, name=name)
        by = _by_identity(verified)
    if kind != IN_TOTO_TYPE:
        raise InvalidValueError("its envelope holds no in-toto statement")
    statement = strictjson.parse_object(payload, max_bytes=MAX_SIGNATURE_BYTES, floats=True)
    if statement.get("_type") not in STATEMENT_TYPES or statement.get("predicateType") != SIGN_PREDICATE:
        raise InvalidValueError("it is a statement of another kind, and no signature")
    subjects = statement.get("subject")
    if not isinstance(subjects, list) or not any(_is_about(subject, signed) for subject in subjects):
        raise InvalidValueError("it is a signature of another image")
    return by


def _open_envelope(envelope: dict[str, Any], key: PlainPublicKey, name: str) -> tuple[str, bytes]:
    """The type and content of a DSSE envelope that `key` signed (DSSE 1.0, "Protocol")."""
    kind, signatures = envelope.get("payloadType"), envelope.get("signatures")
    if not isinstance(kind, str) or not isinstance(signatures, list):
        raise InvalidValueError("its envelope lacks a type or signatures")
    if not 0 < len(signatures) <= _MAX_ENVELOPE_SIGNATURES:
        raise InvalidValueError(f"its envelope has no signature, or more than {_MAX_ENVELOPE_SIGNATURES}")
    payload = _decoded(envelope, "payload")
    head = f"DSSEv1 {len(kind.encode())} {kind} {len(payload)} "
    made = [_decoded(entry, "sig") for entry in signatures if isinstance(entry, dict)]
    _verify_by_key(head.encode() + payload, made, key, name)
    return kind, payload


def _verify_by_key(data: bytes, signatures: list[bytes], key: PlainPublicKey, name: str) -> None:
    """One of the signatures has to be by `key` over `data`, hashed in any of the ways that cosign does it."""
    for signature in signatures:
        for hash_name in _HASHES:
            as_bundle = key_bundle.dump(
                spki_digest=bytes.fromhex(key.fingerprint),
                hash_name=hash_name,
                digest=hashlib.new(hash_name, data).digest(),
                signature=signature,
            )
            try:
                keys.verify(data, as_bundle, key, name=name)
            except TrustError:
                continue
            return
    raise TrustError("AB-TRUST-BAD-SIGNATURE", f"{name} does not verify with the key {key.fingerprint}")


def _promised(notes: Mapping[str, str], signature: bytes) -> keyless.PromisedSignature:
    """What cosign's annotations say of a keyless signature: certificate, and the log's promise."""
    if CERTIFICATE_NOTE not in notes or LOG_NOTE not in notes:
        raise InvalidValueError("it comes without a certificate or without a log entry, so it is not keyless")
    log = strictjson.parse_object(notes[LOG_NOTE].encode(), max_bytes=MAX_SIGNATURE_BYTES)
    entry = _object(log, "Payload")
    time, index, log_id = entry.get("integratedTime"), entry.get("logIndex"), entry.get("logID")
    if type(time) is not int or type(index) is not int or not isinstance(log_id, str):
        raise InvalidValueError("its log entry lacks time, index or log")
    try:
        log_key = bytes.fromhex(log_id)
    except ValueError as error:
        raise InvalidValueError("its log entry names no log") from error
    return keyless.PromisedSignature(
        certificate=_from_pem(notes[CERTIFICATE_NOTE]),
        signature=signature,
        promise=_decoded(log, "SignedEntryTimestamp"),
        body=_decoded(entry, "body"),
        integrated_time=time,
        log_index=index,
        log_id=log_key,
    )


def _from_pem(text: str) -> bytes:
    """DER of the one certificate in a PEM block."""
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    body = text.strip()
    if not body.startswith(begin) or not body.endswith(end) or body.count("-----") != 4:  # noqa: PLR2004 - two lines
        raise InvalidValueError("its certificate is not one PEM block")
    return _from_base64("".join(body[len(begin) : -len(end)].split()), "certificate")


def _is_about(subject: object, signed: Digest) -> bool:
    digests = subject.get("digest") if isinstance(subject, dict) else None
    return isinstance(digests, dict) and digests.get(signed.algorithm) == signed.encoded


def _who(asked: Signatory) -> KeylessIdentity:
    if asked.identity is None:  # pragma: no cover - somebody is asked for by a key or an identity
        raise AssertionError("nobody is asked for")
    return asked.identity


def _by_key(key: PlainPublicKey) -> Vouched:
    return Vouched(by=f"key sha256:{key.fingerprint}", method=Method.KEY, name=key.fingerprint)


def _by_identity(verified: keyless.VerifiedKeyless) -> Vouched:
    """The identity, if it is fit to be shown and kept."""
    text = verified.identity
    if len(text) > _MAX_IDENTITY or not text.isascii() or not text.isprintable():
        raise InvalidValueError("the identity in its certificate is too long, or has characters that do not show")
    return Vouched(
        by=text,
        method=Method.KEYLESS,
        name=f"{verified.issuer}\n{text}",
        issuer=verified.issuer,
        not_after=verified.not_after,
    )


def _object(value: Mapping[str, Any], key: str) -> dict[str, Any]:
    found = value.get(key)
    if not isinstance(found, dict):
        raise InvalidValueError(f"it has no object {key}")
    return found


def _decoded(value: Mapping[str, Any], key: str) -> bytes:
    found = value.get(key)
    if not isinstance(found, str):
        raise InvalidValueError(f"it lacks {key}")
    return _from_base64(found, key)


def _from_base64(text: str, what: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidValueError(f"{what} is not base64") from error
