"""Adds signatures to bundles that are written, in one file or in volumes."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from airgap_bundle.bundle.media import FileMedium
from airgap_bundle.bundle.reader import read_head
from airgap_bundle.bundle.signing import add_signature
from airgap_bundle.bundle.volumes.opening import find_places
from airgap_bundle.bundle.volumes.signing import add_to_volumes, read_inventory_of
from airgap_bundle.bundle.volumes.sources import MediaSupply

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from airgap_bundle.bundle.signatures import SignatureFile
    from airgap_bundle.connected.signing import Signer


def sign_existing(bundle: Path, signers: Sequence[Signer]) -> tuple[tuple[str, Path | None], ...]:
    """Sign a bundle that is written; for each signer where the signature went, None where it was there already."""
    inventory_raw = read_inventory_bytes(bundle)
    made = [(signer, signer.sign(inventory_raw)) for signer in signers]
    return tuple((signer.who, add_to_bundle(bundle, signature)) for signer, signature in made)


def add_to_bundle(bundle: Path, signature: SignatureFile) -> Path | None:
    """Add a signature to a bundle, or beside its volumes; where it went, None where the same key had signed before."""
    places = find_places(str(bundle), MediaSupply())
    return add_signature(bundle, signature) if places is None else add_to_volumes(places, signature)


def read_inventory_bytes(bundle: Path) -> bytes:
    """What is signed, of a file or of volumes."""
    places = find_places(str(bundle), MediaSupply())
    if places is not None:
        return read_inventory_of(places)
    with closing(FileMedium(bundle)) as medium:
        return read_head(medium).inventory_raw
