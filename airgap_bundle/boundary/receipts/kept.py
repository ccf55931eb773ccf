"""The receipts that DEST keeps: put there after each import, and read before the next one.

They let another machine, or this one without its ledger, know what was imported. They are not signed by anybody whom
the policy names, so they can only make a check stricter, never looser.
"""

from __future__ import annotations

import io
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

from airgap_bundle.boundary.receipts.documents import (
    EMPTY_CONFIG,
    MAX_RECEIPT_BYTES,
    parse_receipt,
    receipt_artifact,
    receipt_repository,
)
from airgap_bundle.boundary.sending.refusals import is_refusal
from airgap_bundle.core.content import BytesSource, copy_verified, new_buffer
from airgap_bundle.core.errors import InvalidValueError, RegistryError
from airgap_bundle.transfer.plan import join_repository

if TYPE_CHECKING:
    from airgap_bundle.boundary.receipts.receipt import Receipt
    from airgap_bundle.core.content import Descriptor
    from airgap_bundle.registry.abilities import Registry

# The highest sequence decides; a few more are read in case the highest are of revoked bundles.
_READ_AT_MOST = 20
# The lists of these say where to look for what a delta leaves out; each can be as long as that of a bundle.
_WITH_CONTENT = 2


def read_receipts(
    registry: Registry, prefix: str, product: str, *, at_most: int = _READ_AT_MOST
) -> tuple[Receipt, ...]:
    """The receipts of a product with the highest sequences. What is no receipt there is passed over.

    Only the first ones keep their list of blobs, so that reading many takes little memory.
    """
    repository = join_repository(prefix, receipt_repository(product))
    try:
        listed = registry.list_tags(repository)
    except RegistryError as error:
        if is_refusal(error):
            error.hint += f"; receipts are kept in {repository}: it has to exist, or DEST needs the path of a project"
        raise
    tags = [tag for tag in listed if _sequence(product, tag) >= 0]
    newest = sorted(tags, key=lambda tag: _sequence(product, tag), reverse=True)[:at_most]
    found: list[Receipt] = []
    for tag in newest:
        receipt = _read(registry, repository, tag)
        if receipt is not None:
            found.append(receipt if len(found) < _WITH_CONTENT else replace(receipt, content=()))
    return tuple(found)


def keep_receipt(registry: Registry, prefix: str, product: str, receipt_id: str, raw: bytes) -> bool:
    """Put a receipt into DEST under its id; the same one again changes nothing.

    `False` where an earlier one of the same import stays, as the registry does not let tags move. It says the same of
    what counts in a registry: which bundle came, and with which sequence.
    """
    repository = join_repository(prefix, receipt_repository(product))
    config, layer, manifest = receipt_artifact(raw)
    present = registry.head_manifest(repository, receipt_id)
    if present is not None and present.digest == manifest.descriptor.digest:
        return True
    push_small(registry, repository, config, EMPTY_CONFIG)
    push_small(registry, repository, layer, raw)
    try:
        registry.put_manifest(repository, receipt_id, manifest)
    except RegistryError as error:
        if present is None or error.code != "AB-REGISTRY-IMMUTABLE-TAG":
            raise
        return False
    return True


def push_small(registry: Registry, repository: str, blob: Descriptor, data: bytes) -> None:
    """Put a blob whose bytes are at hand, unless it is there."""
    if not registry.has_blob(repository, blob.digest, blob.size):
        buffer = new_buffer(max(1, min(len(data), 1024 * 1024)))
        registry.push_blob(repository, blob.digest, blob.size, lambda: nullcontext(BytesSource(data)), buffer=buffer)


def _read(registry: Registry, repository: str, tag: str) -> Receipt | None:
    document = registry.get_manifest(repository, tag)
    if document is None or len(document.layers) != 1 or document.layers[0].size > MAX_RECEIPT_BYTES:
        return None
    layer = document.layers[0]
    sink = io.BytesIO()
    try:
        with registry.open_blob(repository, layer.digest, layer.size) as source:
            copy_verified(source, sink, digest=layer.digest, size=layer.size, buffer=new_buffer(1024 * 1024))
        return parse_receipt(sink.getvalue())
    except InvalidValueError:
        return None
    except RegistryError:
        # A receipt whose content was collected says nothing any more; what is left still counts.
        if not registry.has_blob(repository, layer.digest, layer.size):
            return None
        raise


def _sequence(product: str, tag: str) -> int:
    """The sequence in a receipt's id; -1 for another tag."""
    rest = tag.removeprefix(f"{product}-")
    number = rest.partition("-")[0]
    return int(number) if rest != tag and number.isascii() and number.isdigit() else -1
