"""Helm's provenance files: which package one speaks of, and whether a key that is trusted signed it.

A `.prov` is a cleartext signature (RFC 9580 section 7) over Chart.yaml, a line `...`, and the digest of the package.
Programs have disagreed about where such text begins and ends. So its frame is taken apart here, strictly, and what is
verified is exactly the text that is read: as a detached signature over text.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airgap_bundle.core.errors import DocumentError, InvalidValueError, TrustError
from airgap_bundle.manifest.looseyaml import entry, text_of
from airgap_bundle.manifest.yamltext import MappingNode, complaint_of, parse_foreign
from airgap_bundle.trust import openpgp
from airgap_bundle.trust.packets import split_keyring

if TYPE_CHECKING:
    import datetime as dt

    from airgap_bundle.core.content import Digest
    from airgap_bundle.trust.openpgp import VerifiedOpenPgp
    from airgap_bundle.trust.packets import PublicKey

# Package and provenance file in the OCI artifact that Helm makes of a chart.
CHART_LAYER = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
PROVENANCE_LAYER = "application/vnd.cncf.helm.chart.provenance.v1.prov"
# A copy of Chart.yaml and a signature.
MAX_PROVENANCE_BYTES = 1024 * 1024
_MAX_NODES = 20_000
_BEGIN = "-----BEGIN PGP SIGNED MESSAGE-----"
_SIGNATURE = "-----BEGIN PGP SIGNATURE-----"
_END = "-----END PGP SIGNATURE-----"
_HASH = re.compile(r"Hash: [A-Z0-9, -]{1,80}")
_ARMOR_HEADER = re.compile(r"[A-Za-z]{1,40}: .{0,400}")
_CHECKSUM = re.compile(r"=[A-Za-z0-9+/]{4}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Provenance:
    """A provenance file, taken apart. `signed` is what the signature is over; nobody has checked it yet."""

    signed: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    unverified_files: dict[str, str]


def parse_provenance(raw: bytes, name: str) -> Provenance:
    """Read a `.prov`; `InvalidValueError` for anything that is not exactly one cleartext signature."""
    if len(raw) > MAX_PROVENANCE_BYTES:
        raise InvalidValueError(f"{len(raw)} bytes, more than {MAX_PROVENANCE_BYTES}")
    try:
        lines = [line.rstrip(" \t\r") for line in raw.decode("utf-8").split("\n")]
    except UnicodeDecodeError as error:
        raise InvalidValueError("not UTF-8") from error
    while lines and not lines[-1]:
        lines.pop()
    if not lines or lines[0] != _BEGIN or lines[-1] != _END or lines.count(_SIGNATURE) != 1:
        raise InvalidValueError("not exactly one cleartext signature")
    start = next((n for n, line in enumerate(lines) if not line), 0)
    middle = lines.index(_SIGNATURE)
    if not 0 < start < middle or any(_HASH.fullmatch(line) is None for line in lines[1:start]):
        raise InvalidValueError("a head that is not that of a cleartext signature")
    text = [_unescaped(line) for line in lines[start + 1 : middle]]
    signature = _dearmored(lines[middle + 1 : -1])
    return Provenance(
        # Lines end in CR LF for the signature, and the last line's end is not part of it.
        signed="\r\n".join(text).encode(),
        signature=signature,
        unverified_files=_files("\n".join(text), name),
    )


def check_package(provenance: Provenance, file_name: str, digest: Digest) -> None:
    """That it speaks of this package, under the name that Helm will look for; `InvalidValueError` otherwise."""
    said = provenance.unverified_files.get(file_name)
    if said is None:
        names = ", ".join(name[:80] for name in list(provenance.unverified_files)[:3]) or "no file"
        raise InvalidValueError(f"it speaks of {names}, and the package is {file_name}")
    if said != digest:
        raise InvalidValueError(f"it says {said[:80]} of {file_name}, which has {digest}")


def check_signature(provenance: Provenance, keyring: bytes, *, now: dt.datetime, name: str) -> str:
    """The fingerprint of the key of `keyring` that signed it.

    `DocumentError` where the keyring is none; `TrustError` where none of its keys made the signature.
    """
    try:
        keys = split_keyring(keyring)
    except InvalidValueError as error:
        raise DocumentError(
            "AB-CHART-KEYRING",
            f"the keyring for {name} cannot be used: {error}",
            hint="make it with gpg --export KEY > keyring.gpg",
        ) from error
    refusal: TrustError | None = None
    for data in keys:
        key = openpgp.read_public_key(data)
        try:
            verified = check_by(provenance, key, now=now, name=name)
        except TrustError as error:
            # That it was made by another key is what all the others will say.
            refusal = error if refusal is None or error.code != "AB-TRUST-UNKNOWN-SIGNER" else refusal
        else:
            return verified.fingerprint
    if refusal is None:
        raise DocumentError("AB-CHART-KEYRING", f"the keyring for {name} holds no key", hint="export one into it")
    raise refusal


def check_by(provenance: Provenance, key: PublicKey, *, now: dt.datetime, name: str) -> VerifiedOpenPgp:
    """Who of this one key signed it; `TrustError` where it did not. What it speaks of is `check_package`'s."""
    return openpgp.verify(
        provenance.signed,
        provenance.signature,
        key,
        key.fingerprint,
        now=now,
        name=f"the provenance of {name}",
        over_text=True,
    )


def _unescaped(line: str) -> str:
    if not line.startswith("-"):
        return line
    if not line.startswith("- "):
        raise InvalidValueError("a line that begins with a dash and is not escaped")
    return line[2:]


def _dearmored(lines: list[str]) -> bytes:
    while lines and _ARMOR_HEADER.fullmatch(lines[0]):
        lines = lines[1:]
    if not lines or lines[0]:
        raise InvalidValueError("a signature without the empty line in front of it")
    body = lines[1:]
    if body and _CHECKSUM.fullmatch(body[-1]):
        body = body[:-1]
    try:
        return base64.b64decode("".join(body), validate=True)
    except binascii.Error as error:
        raise InvalidValueError("a signature that is not base64") from error


def _files(text: str, name: str) -> dict[str, str]:
    """What it says of files: the part behind the line `...`."""
    _, separator, sums = text.partition("\n...\n")
    if not separator or "\n...\n" in sums:
        raise InvalidValueError("not Chart.yaml and a list of files")
    try:
        node = parse_foreign(sums.encode(), name, max_bytes=MAX_PROVENANCE_BYTES, max_nodes=_MAX_NODES)
    except DocumentError as error:
        raise InvalidValueError(complaint_of(error)) from error
    files = entry(node, "files")
    if not isinstance(files, MappingNode):
        raise InvalidValueError("no list of files")
    return {file: text_of(value) for file, value in files.entries.items()}
