"""Attaches signatures, attestations and SBOMs to what they speak of. What the site has attached itself stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.boundary.presence import conflict

if TYPE_CHECKING:
    from airgap_bundle.registry.abilities import Registry
    from airgap_bundle.transfer.plan import PushPlan, Target


def attach_all(plan: PushPlan, registry: Registry) -> None:
    """Put what is attached, under its tag or by its digest, unless it is there and can be found.

    `RegistryError` where the site has something else under the tag, even if it appeared a moment ago.
    """
    for target in plan.attached:
        if not _is_attached(plan, target, registry):
            for document in target.documents[:-1]:
                registry.put_manifest(target.repository, document.descriptor.digest, document)
            registry.put_manifest(target.repository, target.item.tag or target.top.descriptor.digest, target.top)


def _is_attached(plan: PushPlan, target: Target, registry: Registry) -> bool:
    digest = target.top.descriptor.digest
    present = registry.head_manifest(target.repository, target.item.tag or digest)
    if present is None:
        return False
    if present.digest != digest:
        raise conflict(plan.destination, target, present)
    # A run that was killed may have put it without attaching it, where a registry leaves that to its clients.
    subject = target.top.subject
    return subject is None or any(
        each.digest == digest for each in registry.list_referrers(target.repository, subject.digest)
    )
