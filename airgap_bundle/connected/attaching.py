"""Signatures by keys that are kept elsewhere: the inventory's bytes go out to be signed, the signature comes back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.bundle.signatures import SignatureFile
from airgap_bundle.bundle.writer import cannot_write
from airgap_bundle.connected.adding import add_to_bundle, read_inventory_bytes
from airgap_bundle.core.content import Digest
from airgap_bundle.core.errors import DocumentError, HostError, InvalidValueError, TrustError, UsageError
from airgap_bundle.core.text import printable
from airgap_bundle.core.whole_files import write_new
from airgap_bundle.trust import keys, openpgp
from airgap_bundle.trust.files import read_file
from airgap_bundle.trust.packets import MAX_KEY_BYTES, MAX_SIGNATURE_BYTES
from airgap_bundle.trust.policy_model import Method
from airgap_bundle.trust.received import KnownKeys, ReceivedSignature, receive

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence
    from pathlib import Path


def write_inventory(bundle: Path, output: Path) -> Digest:
    """Write the bytes that are to be signed into a new file; the bundle id, which is their SHA-256."""
    return write_new_file(output, read_inventory_bytes(bundle))


def write_new_file(output: Path, raw: bytes) -> Digest:
    """Write a file that must not exist yet; the SHA-256 of what is in it."""
    try:
        write_new(output, raw)
    except FileExistsError as error:
        raise UsageError("AB-USAGE-OUTPUT-EXISTS", f"{output} exists already", hint="choose another name") from error
    except OSError as error:
        raise cannot_write(output, error) from error
    return Digest.of(raw)


def attach(
    bundle: Path, files: Sequence[Path], key_files: Sequence[Path], now: dt.datetime
) -> tuple[tuple[str, Path | None], ...]:
    """Attach signatures that were made elsewhere; for each its key and where it went, None if it was there already.

    Every one is checked before the first is attached: in full where its public key is among `key_files`, else as far as
    it shows that it is over this inventory. `DocumentError` or `TrustError` for what is not. The policy inside decides.
    """
    inventory_raw = read_inventory_bytes(bundle)
    known = _read_keys(key_files)
    made = []
    for file in files:
        raw = read_file(file, "signature", max_bytes=2 * MAX_SIGNATURE_BYTES)
        received = receive(raw, inventory_raw, str(file), known)
        _verify(received, inventory_raw, known, now)
        made.append(received)
    return tuple(
        (one.unverified_who, add_to_bundle(bundle, SignatureFile(name=one.name, data=one.data))) for one in made
    )


def _verify(received: ReceivedSignature, data: bytes, known: KnownKeys, now: dt.datetime) -> None:
    """In full with the keys that were named; a keyless one was verified with the certificate that came with it."""
    name = received.name
    if received.method is Method.OPENPGP and known.openpgp:
        for key in known.openpgp:
            if key.fingerprint == received.unverified_who:
                openpgp.verify(data, received.data, key, key.fingerprint, now=now, name=name)
                return
        raise _by_another_key(received)
    if received.method is Method.KEY and known.plain:
        for plain in known.plain:
            if plain.fingerprint == received.unverified_who:
                keys.verify(data, received.data, plain, name=name)
                return
        raise _by_another_key(received)


def _by_another_key(received: ReceivedSignature) -> TrustError:
    return TrustError(
        "AB-TRUST-UNKNOWN-SIGNER",
        f"the signature says to be by {received.unverified_who}, which is not a key that --key names",
        hint="name the public key that it was made with, or leave --key out",
    )


def _read_keys(files: Sequence[Path]) -> KnownKeys:
    """Public keys, OpenPGP or PEM."""
    pgp, plain = [], []
    for file in files:
        raw = read_file(file, "key", max_bytes=2 * MAX_KEY_BYTES)
        if b"-----BEGIN PUBLIC KEY-----" in raw:
            try:
                plain.append(keys.read_public_key(raw))
            except InvalidValueError as error:
                raise DocumentError(
                    "AB-KEY-PUBLIC", f"{printable(str(file))} is not a public key: {error}", hint="one block in PEM"
                ) from error
        else:
            pgp.append(openpgp.read_public_key(raw))
    return KnownKeys(openpgp=tuple(pgp), plain=tuple(plain), primary_of=_primary_of)


def _primary_of(fingerprint: str) -> str:
    """By the keyring of whoever runs this; without GnuPG there is none."""
    try:
        return openpgp.find_primary(fingerprint)
    except HostError:
        return ""
