"""What ends: signers and their keys by the policy, bundles in effect by their age, and logins."""

from __future__ import annotations

from datetime import UTC, datetime, time
from typing import TYPE_CHECKING

from airgap_bundle.core.inside_report import Ending, Ends

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from airgap_bundle.core.inside_report import Import, Login, Place
    from airgap_bundle.trust.policy_model import Policy


def endings(policy: Policy | None, places: Iterable[Place], logins: Iterable[Login]) -> tuple[Ending, ...]:
    """Everything that has an end, in the order of time. What was revoked has ended in another way and is not here."""
    found = [*_bundles(policy, places)]
    if policy is not None:
        found += _signers(policy)
    found += [Ending(what=Ends.LOGIN, name=one.name, at=one.until) for one in logins if one.state != "revoked"]
    return tuple(sorted(found, key=lambda one: (one.at, one.what.value, one.name, one.destination)))


def _signers(policy: Policy) -> Iterator[Ending]:
    for signer in policy.signers.values():
        if signer.until is not None:
            # The day itself still counts, in UTC.
            last = datetime.combine(signer.until, time(23, 59, 59), UTC)
            yield Ending(what=Ends.SIGNER, name=signer.name, at=last)
        for key in signer.openpgp:
            # What the key says of itself: whoever holds it can say otherwise tomorrow.
            if (at := key.public_key.unverified_expires) is not None:
                yield Ending(what=Ends.KEY, name=f"{signer.name}, {key.fingerprint}", at=at)


def _bundles(policy: Policy | None, places: Iterable[Place]) -> Iterator[Ending]:
    for place in places:
        current = place.current
        if current is None:
            continue
        name = f"{current.product} {current.release}"
        if current.expires is not None:
            yield Ending(what=Ends.BUNDLE, name=name, at=current.expires, destination=place.destination)
        if (at := _too_old(policy, current)) is not None:
            yield Ending(what=Ends.AGE, name=name, at=at, destination=place.destination)


def _too_old(policy: Policy | None, current: Import) -> datetime | None:
    """From when on the policy would refuse this bundle for its age; None where it does not ask, or never would."""
    product = policy.product(current.product) if policy is not None else None
    if product is None or product.max_age is None:
        return None
    try:
        return current.created + product.max_age
    except OverflowError:
        return None
