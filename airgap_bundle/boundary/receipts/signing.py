"""Receipts signed with the site's own OpenPGP key: evidence that can leave the machine, for auditors and for outside.

The signature is detached and over the bytes of the receipt: `receipts/<id>.json.sig` beside the receipt, so that
`gpg --verify` finds it, and in DEST an artifact that refers to the receipt's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.boundary.receipts.documents import (
    EMPTY_CONFIG,
    descriptor_value,
    dump_receipt,
    receipt_artifact,
    receipt_repository,
)
from airgap_bundle.boundary.receipts.kept import push_small
from airgap_bundle.boundary.state import unusable
from airgap_bundle.core import strictjson
from airgap_bundle.core.content import Descriptor, Digest
from airgap_bundle.core.errors import UsageError
from airgap_bundle.core.oci import OCI_MANIFEST, TITLE, parse_document
from airgap_bundle.core.whole_files import write_whole
from airgap_bundle.transfer.plan import join_repository
from airgap_bundle.trust import openpgp

if TYPE_CHECKING:
    from pathlib import Path

    from airgap_bundle.boundary.receipts.receipt import Receipt
    from airgap_bundle.boundary.state import StateDirectory
    from airgap_bundle.core.oci import Document
    from airgap_bundle.registry.abilities import Registry

SIGNATURE_TYPE = "application/vnd.airgap-bundle.receipt-signature.v1"
_OPENPGP = "application/pgp-signature"
_PREFIX = "gpg:"


def find_receipt_key(text: str | None) -> str:
    """The fingerprint of the key that `gpg:KEY` names, "" for None. `UsageError` before any work where it cannot sign.

    Receipts are signed with OpenPGP alone: an inside has GnuPG, and no network for anything else.
    """
    if text is None:
        return ""
    if not text.startswith(_PREFIX):
        raise UsageError(
            "AB-USAGE-SIGN-RECEIPT",
            f"not a way to sign a receipt: {text!r}",
            hint="write gpg: and the key's fingerprint",
        )
    return openpgp.find_signing_key(text.removeprefix(_PREFIX)).fingerprint


def sign_receipt(state: StateDirectory, registry: Registry, prefix: str, receipt: Receipt, key: str) -> Path:
    """Sign a receipt that the ledger has, with the key of this fingerprint; the signature's file.

    Where DEST keeps the receipt of an earlier run instead, the signature refers to one that is not there.
    """
    raw = dump_receipt(receipt)
    signature = openpgp.sign(raw, key).data
    path = state.receipts_path / f"{receipt.id}.json.sig"
    _write(path, signature)
    _attach(registry, join_repository(prefix, receipt_repository(receipt.product)), raw, signature, path.name)
    return path


def _write(path: Path, signature: bytes) -> None:
    try:
        write_whole(path, signature)
    except OSError as error:
        raise unusable(path, "be written", error) from error


def _attach(registry: Registry, repository: str, raw: bytes, signature: bytes, title: str) -> None:
    config, _, subject = receipt_artifact(raw)
    layer = Descriptor(media_type=_OPENPGP, digest=Digest.of(signature), size=len(signature))
    push_small(registry, repository, config, EMPTY_CONFIG)
    push_small(registry, repository, layer, signature)
    document = _artifact(config, layer, subject.descriptor, title)
    registry.put_manifest(repository, document.descriptor.digest, document)


def _artifact(config: Descriptor, layer: Descriptor, subject: Descriptor, title: str) -> Document:
    raw = strictjson.canonical(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": SIGNATURE_TYPE,
            "config": descriptor_value(config),
            "layers": [{**descriptor_value(layer), "annotations": {TITLE: title}}],
            "subject": descriptor_value(subject),
        }
    )
    return parse_document(raw, OCI_MANIFEST)
