"""Receipts and bundles' names for tests, each part changeable."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from airgap_bundle.boundary.receipts.receipt import (
    Attached,
    AuditHead,
    MapRule,
    Outcome,
    Override,
    PolicyUsed,
    Receipt,
    ReceiptItem,
    SignedBy,
    Totals,
)
from airgap_bundle.core.content import Digest
from airgap_bundle.core.oci import OCI_INDEX, OCI_MANIFEST

NOON = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
DESTINATION = "registry.internal:5000/mirror"


def digest(text: str) -> Digest:
    """The digest of a text."""
    return Digest.of(text.encode())


def item(name: str = "redis", content: str = "new", **changes: Any) -> ReceiptItem:
    """An image `docker.io/library/<name>:7` with one signature."""
    values: dict[str, Any] = {
        "kind": "image",
        "source": f"docker.io/library/{name}:7",
        "path": f"docker.io/library/{name}",
        "tag": "7",
        "digest": digest(content),
        "media_type": OCI_INDEX,
        "size": 1234,
        "previous": digest("old"),
        "anchor": f"airgap-{digest(content).encoded[:12]}-{digest(name).encoded[:8]}",
        "outcome": Outcome.PUSHED,
        "attached": (
            Attached(
                subject=digest(content),
                digest=digest("signature"),
                media_type=OCI_MANIFEST,
                artifact_type="application/vnd.dev.sigstore.bundle.v0.3+json",
                tag="",
                outcome=Outcome.MOUNTED,
            ),
        ),
    }
    return ReceiptItem(**values | changes)


def receipt(sequence: int = 1, **changes: Any) -> Receipt:
    """The receipt of bundle number `sequence` of the product `acme`."""
    values: dict[str, Any] = {
        "bundle_id": digest(f"bundle {sequence}"),
        "product": "acme",
        "version": f"1.{sequence}",
        "sequence": sequence,
        "created": NOON + timedelta(minutes=sequence),
        "destination": DESTINATION,
        "policy": PolicyUsed(version=3, digest=digest("policy")),
        "signers": (SignedBy(signer="alice", method="openpgp", key="ab" * 20, roles=("release", "review")),),
        "started": NOON + timedelta(hours=1),
        "finished": NOON + timedelta(hours=1, seconds=90, microseconds=5),
        "tool": "airgap-bundle 0.1.0",
        "items": (item(content=f"image {sequence}"),),
        "audit": AuditHead(records=sequence, digest=digest(f"line {sequence}")),
        "audience": ("site-a",),
        "map": (MapRule(pattern="docker.io/**", target="infra/**"),),
        "overrides": (Override(option="allow-older", value=digest("bundle 1"), reason="the vendor's advice: größer"),),
        "totals": Totals(blobs_pushed=3, blobs_mounted=2, blobs_present=1, bytes_sent=10**12),
        "previous": "",
    }
    return Receipt(**values | changes)
