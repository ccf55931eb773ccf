"""What a person may set aside, and on whose word: overrides. Design section 7.

An override names one bundle and a reason. It counts where the product's entry has `overrides` and people of one of
those roles stand for the bundle by a signature: then it is one of them, and not the person at the command, who vouches.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airgap_bundle.core.errors import TrustError, UsageError
from airgap_bundle.trust.freshness import Lifted

if TYPE_CHECKING:
    from collections.abc import Collection

    from airgap_bundle.core.content import Digest
    from airgap_bundle.trust.freshness import Stale
    from airgap_bundle.trust.policy_model import Policy, Product


@dataclass(frozen=True, kw_only=True, slots=True)
class Overrides:
    """What the person at the command asked to set aside, by bundle id, and why. Options only, never the environment."""

    allow_older: Digest | None = None
    allow_expired: Digest | None = None
    reason: str = ""

    def __post_init__(self) -> None:
        """An override without a reason is none."""
        asked = self.allow_older is not None or self.allow_expired is not None
        if asked and not self.reason.strip():
            raise UsageError(
                "AB-TRUST-OVERRIDE-REASON",
                "--allow-older and --allow-expired need a --reason, which is kept in receipt and audit",
            )

    def get(self, option: Lifted) -> Digest | None:
        """The bundle that an option names."""
        return self.allow_older if option is Lifted.OLDER else self.allow_expired


@dataclass(frozen=True, kw_only=True, slots=True)
class OverrideUsed:
    """A refusal that was lifted: by which option, what it lifted, which role allowed it through whom, and why."""

    option: Lifted
    code: str
    role: str
    signers: tuple[str, ...]
    reason: str


def lift(
    stale: Stale, policy: Policy, product: Product, people: Collection[str], bundle_id: Digest, asked: Overrides
) -> OverrideUsed:
    """The override that lifts `stale`. `people` have signed for the bundle. `TrustError` where nothing lifts it."""
    if asked.get(stale.option) != bundle_id:
        raise stale.error()
    for name in product.overrides:
        role = policy.roles[name]
        found = tuple(person for person in people if person in role.signers)
        if len(found) >= role.threshold:
            return OverrideUsed(option=stale.option, code=stale.code, role=name, signers=found, reason=asked.reason)
    if not product.overrides:
        reason = f"the policy's product {product.name!r} allows no overrides"
    else:
        reason = f"nobody of the role {' or '.join(product.overrides)} has signed this bundle"
    raise TrustError(
        "AB-TRUST-OVERRIDE",
        f"{stale.message}, and --{stale.option.value} does not help: {reason}",
        hint="ask for a newer bundle, or for a signature by somebody of that role",
    )


def check_needless(asked: Overrides, bundle_id: Digest) -> None:
    """An override for another bundle is a mistake of whoever typed it; say so rather than ignore it."""
    for option in Lifted:
        wanted = asked.get(option)
        if wanted is not None and wanted != bundle_id:
            raise TrustError(
                "AB-TRUST-OVERRIDE",
                f"--{option.value} names {wanted}, but this bundle is {bundle_id}",
                hint="give the id of the bundle at hand, or leave the option out",
            )
