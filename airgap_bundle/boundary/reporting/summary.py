"""A receipt in short."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.boundary.receipt import Outcome
from airgap_bundle.core.inside_report import Import, Signature, Standing

if TYPE_CHECKING:
    from airgap_bundle.boundary.receipt import Receipt


def as_import(receipt: Receipt, standing: Standing) -> Import:
    """A receipt without its items."""
    return Import(
        receipt=receipt.id,
        product=receipt.product,
        release=receipt.version,
        destination=receipt.destination,
        bundle=receipt.bundle_id,
        sequence=receipt.sequence,
        created=receipt.created,
        finished=receipt.finished,
        standing=standing,
        signatures=tuple(
            Signature(signer=one.signer, method=one.method, key=one.key, roles=one.roles) for one in receipt.signers
        ),
        items=sum(1 for item in receipt.items if item.outcome is not Outcome.SKIPPED),
        bytes=sum(sum(one.blobs.values()) for one in receipt.content),
        bytes_sent=receipt.totals.bytes_sent,
        policy_version=receipt.policy.version,
        expires=receipt.expires,
        published=receipt.publication.at if receipt.publication else None,
        approvals=tuple(one.signer for one in receipt.publication.approvals) if receipt.publication else (),
        promoted_from=receipt.promotion.destination if receipt.promotion else "",
        overrides=tuple((one.option, one.reason) for one in receipt.overrides),
    )
