"""The only door to `sigstore`: keyless signatures, verified offline against a pinned trusted root.

Certificate, log entry and time all come with the signature, and are checked against the root whose digest the policy
pins; nothing is refreshed and no connection is tried. Fulcio and Rekor are never spoken to from here.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.resources
import json
import re
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from airgap_bundle.core import strictjson
from airgap_bundle.core.errors import InvalidValueError, TrustError
from airgap_bundle.trust import keys

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from airgap_bundle.trust.policy_model import KeylessIdentity

# A Sigstore bundle with certificate, log entry and timestamp is about 10 kB.
MAX_BUNDLE_BYTES = 64 * 1024
# The public instance's root has 7 KB after years; a root with many logs may have a hundred times that.
MAX_ROOT_BYTES = 1024 * 1024
# Where sigstore keeps what belongs to the public instance.
_PUBLIC_STORE = "https%3A%2F%2Ftuf-repo-cdn.sigstore.dev"
_SUBJECT_ALTERNATIVE_NAME = "2.5.29.17"
# Where Fulcio writes the OIDC issuer, as sigstore reads it.
_ISSUER = "1.3.6.1.4.1.57264.1.1"
# What sigstore and the parsers below it raise on input of a wrong shape, beside its own `Error`.
_SHAPE_ERRORS = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, AssertionError)


@dataclass(frozen=True, kw_only=True, slots=True)
class VerifiedKeyless:
    """A signature that holds. `not_after`: it was made before this moment, proven by a log or a timestamp."""

    identity: str
    issuer: str
    not_after: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class PromisedSignature:
    """A signature as cosign keeps it beside an image: the log's signed promise, and no proof of inclusion.

    `certificate` is DER. `body`, `integrated_time`, `log_index` and `log_id` are what the promise is signed over.
    """

    certificate: bytes
    signature: bytes
    promise: bytes
    body: bytes
    integrated_time: int
    log_index: int
    log_id: bytes


def file_name(issuer: str, identity: str) -> str:
    """What the signature of an identity is called in a bundle."""
    digest = hashlib.sha256(f"{issuer}\n{identity}".encode()).hexdigest()
    return f"keyless-{digest[:16]}.sigstore.json"


def read_signer(bundle: bytes, data: bytes, *, name: str) -> tuple[str, str]:
    """Identity and issuer that the certificate in a Sigstore bundle names, unverified: nobody vouches for it here.

    `InvalidValueError` where it is no such bundle, `TrustError` where its signature is not one over `data` by that
    certificate.
    """
    from sigstore.models import Bundle  # noqa: PLC0415 - 300 ms, and few commands need it

    try:
        strictjson.parse_object(bundle, max_bytes=MAX_BUNDLE_BYTES, floats=True)
        parsed = Bundle.from_json(bundle)
        certificate = parsed.signing_certificate
        identity = _alternative_names(certificate)[0]
        issuer = [e.value.value for e in certificate.extensions if e.oid.dotted_string == _ISSUER][0].decode()  # noqa: RUF015 - what is missing is an IndexError
    except _refusals() as error:
        raise InvalidValueError(f"no Sigstore bundle with a certificate: {error}") from error
    try:
        keys.check_signature(data, parsed.signature, certificate.public_key())
    except _refusals() as error:
        raise TrustError("AB-TRUST-BAD-SIGNATURE", f"{name} is not a signature over these bytes: {error}") from error
    return identity, issuer


def check_trusted_root(raw: bytes) -> None:
    """Refuse (`InvalidValueError`) what cannot be used as a trusted root."""
    if len(raw) > MAX_ROOT_BYTES:
        raise InvalidValueError(f"a trusted root of more than {MAX_ROOT_BYTES} bytes")
    strictjson.parse_object(raw, max_bytes=MAX_ROOT_BYTES)
    _verifier(raw)


def verify(data: bytes, bundle: bytes, who: KeylessIdentity, trusted_root: bytes, *, name: str) -> VerifiedKeyless:
    """Check a Sigstore bundle over `data` by the identity that the policy names. `TrustError` where it does not hold.

    1. The bundle is strict JSON of bounded size, with a certificate, and sigstore can read it.
    2. The identity in its certificate is the one asked for, or matches the whole of the pattern.
    3. sigstore verifies: certificate chain, its SCT, a proven time inside its validity, inclusion in the log, the log
       entry's content, signature over the bytes, and again identity and issuer, exactly.

    What the caller must still do: check that `trusted_root` has the digest that the policy pins.
    """

    def check(parsed: Any, policy: Any) -> None:
        _verifier(trusted_root).verify_artifact(data, parsed, policy)

    return _judged(bundle, who, check, name=name)


def verify_statement(
    bundle: bytes, who: KeylessIdentity, trusted_root: bytes, *, name: str
) -> tuple[VerifiedKeyless, str, bytes]:
    """`verify` for a bundle that has its content inside (a DSSE envelope): also that content's type, and its bytes.

    What the caller must still do, besides what `verify` says: look whether type and content are about the right thing.
    """
    content: list[tuple[str, bytes]] = []

    def check(parsed: Any, policy: Any) -> None:
        content.append(_verifier(trusted_root).verify_dsse(parsed, policy))

    verified = _judged(bundle, who, check, name=name)
    return (verified, *content[0])


def verify_promise(
    data: bytes, signed: PromisedSignature, who: KeylessIdentity, trusted_root: bytes, *, name: str
) -> VerifiedKeyless:
    """`verify` for a signature whose log entry is promised, by a key of the log in the root, and not proven.

    That is all there is beside most images. sigstore asks for a proof where we ask for the promise; everything else is
    checked as in `verify`, and the promise always.
    """
    from sigstore.models import TransparencyLogEntry  # noqa: PLC0415 - 300 ms, and few manifests need it

    class Promised(TransparencyLogEntry):
        def _verify(self, keyring: Any) -> None:
            self._verify_set(keyring)

    def check(parsed: Any, policy: Any) -> None:
        parsed._log_entry = Promised(parsed.log_entry._inner)  # noqa: SLF001 - sigstore has no other way in
        _verifier(trusted_root).verify_artifact(data, parsed, policy)

    try:
        bundle = _promised_bundle(signed)
    except _SHAPE_ERRORS as error:
        raise TrustError("AB-TRUST-BAD-SIGNATURE", f"{name} is no keyless signature: {error}") from error
    return _judged(bundle, who, check, name=name)


def public_root() -> bytes:
    """The trusted root of the public Sigstore instance, as it came with the installed `sigstore`; never refreshed.

    `InvalidValueError` where the library has none.
    """
    try:
        store = importlib.resources.files("sigstore._store")
        return (store / _PUBLIC_STORE / "trusted_root.json").read_bytes()
    except (ImportError, OSError) as error:
        raise InvalidValueError("the installed sigstore library brings no trusted root") from error


def _judged(bundle: bytes, who: KeylessIdentity, check: Callable[[Any, Any], None], *, name: str) -> VerifiedKeyless:
    """Steps 1 to 3 of `verify`; `check` is the third, with the bundle and the policy."""
    from sigstore.models import Bundle  # noqa: PLC0415 - 300 ms, and few policies need it
    from sigstore.verify.policy import Identity  # noqa: PLC0415 - 300 ms

    try:
        # 1.
        strictjson.parse_object(bundle, max_bytes=MAX_BUNDLE_BYTES, floats=True)
        parsed = Bundle.from_json(bundle)
        # 2.
        identity = _identity(parsed.signing_certificate, who)
        # 3.
        check(parsed, Identity(identity=identity, issuer=who.issuer))
        not_after: datetime = parsed.signing_certificate.not_valid_after_utc
    except _refusals() as error:
        raise TrustError(
            "AB-TRUST-BAD-SIGNATURE",
            f"{name} is not a keyless signature by {who}: {error}",
            hint="compare identity and issuer with the policy, and the trusted root with the signing service",
        ) from error
    return VerifiedKeyless(identity=identity, issuer=who.issuer, not_after=not_after)


def _promised_bundle(signed: PromisedSignature) -> bytes:
    """The same as a Sigstore bundle, with a proof that is none; whoever reads it otherwise will refuse it."""
    entry = strictjson.parse_object(signed.body, max_bytes=MAX_BUNDLE_BYTES, floats=True)
    return json.dumps({
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {
            "certificate": {"rawBytes": _base64(signed.certificate)},
            "tlogEntries": [{
                "logIndex": str(signed.log_index),
                "logId": {"keyId": _base64(signed.log_id)},
                "kindVersion": {"kind": entry["kind"], "version": entry["apiVersion"]},
                "integratedTime": str(signed.integrated_time),
                "inclusionPromise": {"signedEntryTimestamp": _base64(signed.promise)},
                "inclusionProof": {
                    "logIndex": "0",
                    "rootHash": _base64(bytes(32)),
                    "treeSize": "1",
                    "hashes": [],
                    "checkpoint": {"envelope": "none"},
                },
                "canonicalizedBody": _base64(signed.body),
            }],
        },
        "messageSignature": {"signature": _base64(signed.signature)},
    }).encode()  # fmt: skip


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _refusals() -> tuple[type[Exception], ...]:
    """Everything that stands for "this is not a valid signature", never for a fault of this machine."""
    from sigstore import errors  # noqa: PLC0415 - 300 ms, and few policies need it

    return (errors.Error, *_SHAPE_ERRORS, *keys.parser_errors())


def _identity(certificate: Any, who: KeylessIdentity) -> str:
    """The identity to ask for: the policy's, or the one of the certificate that its pattern describes in full."""
    if who.identity:
        return who.identity
    names = _alternative_names(certificate)
    # `$` would let a line feed through at the end; fullmatch does not.
    if len(names) != 1 or re.fullmatch(who.identity_pattern, names[0]) is None:
        raise InvalidValueError("the identity in its certificate is another one")
    return names[0]


def _alternative_names(certificate: Any) -> list[str]:
    return [
        name.value
        for extension in certificate.extensions
        if extension.oid.dotted_string == _SUBJECT_ALTERNATIVE_NAME
        for name in extension.value
        if isinstance(name.value, str)
    ]


@lru_cache(maxsize=8)
def _verifier(trusted_root: bytes) -> Any:
    """A verifier for a root; made without any connection."""
    from sigstore.models import TrustedRoot  # noqa: PLC0415 - 300 ms
    from sigstore.verify import Verifier  # noqa: PLC0415 - 300 ms

    try:
        # sigstore reads a root from a file only.
        with tempfile.NamedTemporaryFile(prefix="airgap-root-") as file:
            file.write(trusted_root)
            file.flush()
            return Verifier(trusted_root=TrustedRoot.from_file(file.name))
    except _refusals() as error:
        raise InvalidValueError(f"not a trusted root: {error}") from error
