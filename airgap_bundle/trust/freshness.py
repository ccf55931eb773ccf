"""Is this bundle for us, and is it the one we should have now? Audience, time and sequence. Design section 7, check 6.

Pure: claims of the inventory, what the ledger remembers, and a clock go in. An old bundle is perfectly signed; only
memory and a clock tell it from the right one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import TYPE_CHECKING

from airgap_bundle.core.errors import TrustError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from airgap_bundle.core.content import Digest

# Clocks of two machines that never meet may differ by this much.
CLOCK_TOLERANCE = timedelta(days=1)
# As many digits of a bundle id as in the id of its receipt, which `status` shows.
_SHOWN_DIGITS = 12


@dataclass(frozen=True, kw_only=True, slots=True)
class InventoryClaims:
    """What a signed inventory says of itself, as far as trust depends on it.

    `repositories`: every repository that the import would write to, relative to DEST, after any map. `release` names
    what the bundle is to bring, whatever of it comes along; `is_whole` is False for a delta.
    """

    name: str
    version: str
    bundle_id: Digest
    sequence: int
    created: datetime
    expires: datetime | None = None
    audience: tuple[str, ...] = ()
    repositories: tuple[str, ...] = ()
    release: Digest | None = None
    is_whole: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Accepted:
    """One bundle of a product that was imported before: from the ledger, or from a receipt kept in DEST.

    `release` is None where nobody wrote it down. `is_delta` loosens a check, so it is True on the ledger's word only.
    """

    bundle_id: Digest
    sequence: int
    created: datetime
    release: Digest | None = None
    is_delta: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class History:
    """The high-water mark of one product at one destination.

    `sequence` is the highest that counts, `bundle_ids` what was accepted with it, `release` what all of these were to
    bring (None where that is not known of each, or not the same), `has_delta` whether one was a delta;
    `newest_created` the latest time by a signer's clock that any product was accepted with. `known` has every bundle
    accepted before. `is_adopted` is False where the ledger is empty and DEST has receipts: then somebody lost the
    ledger, or took another one. `is_asked` is False for a check without a destination, which remembers nothing.
    """

    sequence: int | None = None
    bundle_ids: frozenset[Digest] = frozenset()
    newest_created: datetime | None = None
    known: frozenset[Digest] = frozenset()
    is_adopted: bool = True
    is_asked: bool = True
    release: Digest | None = None
    has_delta: bool = False

    def is_completed_by(self, claims: InventoryClaims) -> bool:
        """Whether the bundle is all of the very release of which a delta is here: the same content, nothing else."""
        return self.has_delta and claims.is_whole and self.is_release_of(claims)

    def is_release_of(self, claims: InventoryClaims) -> bool:
        """Whether all that was accepted with the highest sequence is the release of which the bundle is."""
        return claims.sequence == self.sequence and claims.release is not None and claims.release == self.release


def high_water_mark(
    entries: Iterable[Accepted],
    revoked: Collection[Digest],
    *,
    newest_created: datetime | None = None,
    is_adopted: bool = True,
) -> History:
    """The history that these entries make. A revoked bundle no longer counts, so its successor may be older."""
    kept = [entry for entry in entries if entry.bundle_id not in revoked]
    sequence = max((entry.sequence for entry in kept), default=None)
    times = [entry.created for entry in kept] + ([newest_created] if newest_created is not None else [])
    last = [entry for entry in kept if entry.sequence == sequence]
    releases = {entry.release for entry in last}
    return History(
        sequence=sequence,
        bundle_ids=frozenset(entry.bundle_id for entry in last),
        release=releases.pop() if len(releases) == 1 else None,
        has_delta=any(entry.is_delta for entry in last),
        newest_created=max(times, default=None),
        known=frozenset(entry.bundle_id for entry in kept),
        is_adopted=is_adopted,
    )


class Lifted(Enum):
    """Which option would lift a refusal."""

    OLDER = "allow-older"
    EXPIRED = "allow-expired"


@dataclass(frozen=True, kw_only=True, slots=True)
class Stale:
    """A refusal that an override may lift."""

    option: Lifted
    code: str
    message: str
    advice: str = "ask for a newer bundle"

    def error(self) -> TrustError:
        """The refusal."""
        return TrustError(
            self.code,
            self.message,
            hint=f"{self.advice}; the policy may also allow --{self.option.value} BUNDLE_ID with --reason",
        )


def check_audience(audience: str, claims: InventoryClaims) -> str:
    """What to report. `TrustError` if the bundle is meant for others, or for somebody and the policy says not who."""
    if not claims.audience:
        return "the bundle is for everybody"
    if (stranger := find_stranger(audience, claims)) is not None:
        raise stranger
    return f"the bundle is for {audience}"


def find_stranger(audience: str, claims: InventoryClaims) -> TrustError | None:
    """The refusal of a bundle that is meant for others; None where it is for everybody or for us.

    Asked by earlier checks too: what is not for us must not be met with advice on how to let it in.
    """
    if not claims.audience or audience in claims.audience:
        return None
    names = ", ".join(claims.audience)
    if not audience:
        return TrustError(
            "AB-TRUST-AUDIENCE",
            f"the bundle is meant for {names}, and the policy does not say who is here",
            hint="ask for a bundle made for this boundary; only if it is one of those, set `audience` in the policy",
        )
    return TrustError(
        "AB-TRUST-AUDIENCE",
        f"the bundle is meant for {names}, and here is {audience}",
        hint="ask for a bundle that is made for this boundary",
    )


def unless_for_others(audience: str, claims: InventoryClaims, code: str, message: str, hint: str) -> TrustError:
    """A refusal of check 4, whose hint says what the policy may lack; of a bundle for others it lacks nothing."""
    stranger = find_stranger(audience, claims)
    if stranger is None:
        return TrustError(code, message, hint=hint)
    return TrustError(code, f"{message}; besides, {stranger.message}", hint=stranger.hint)


def check_clock(claims: InventoryClaims, history: History, now: datetime) -> str:
    """What to report. `TrustError` if the bundle is from the future, or the clock has gone back behind the ledger."""
    if history.newest_created is not None and now < history.newest_created - CLOCK_TOLERANCE:
        raise TrustError(
            "AB-TRUST-CLOCK",
            f"the clock of this machine says {_day(now)}, but a bundle made on {_day(history.newest_created)} was"
            " already imported",
            hint="set the clock; with a wrong one nothing can be said about expiry",
        )
    if claims.created > now + CLOCK_TOLERANCE:
        raise TrustError(
            "AB-TRUST-FUTURE",
            f"the bundle says it was made on {_day(claims.created)}, a day or more ahead of {_day(now)} here",
            hint="check the clock of this machine, then that of whoever made the bundle",
        )
    return f"made on {_day(claims.created)}, clock says {_day(now)}"


def find_expiry(claims: InventoryClaims, max_age: timedelta | None, now: datetime) -> Stale | None:
    """Why the bundle is too old by its own word or the policy's; None if it is not."""
    if claims.expires is not None and claims.expires <= now:
        return Stale(
            option=Lifted.EXPIRED,
            code="AB-TRUST-EXPIRED",
            message=f"the bundle expired on {_day(claims.expires)}",
        )
    if max_age is not None and claims.created + max_age < now:
        return Stale(
            option=Lifted.EXPIRED,
            code="AB-TRUST-TOO-OLD",
            message=f"the bundle was made on {_day(claims.created)}, longer ago than the {max_age.days} days of maxAge"
            f" that the policy gives {claims.name}",
        )
    return None


def find_rollback(claims: InventoryClaims, history: History) -> Stale | None:
    """Why the bundle is not the next one; None if it is, or if it is the current one again.

    A full bundle after a delta of the same release is the current one as well: every image in it is named by the same
    digest under the same name, so there is no other content that could come in with it.
    """
    if history.sequence is None or claims.sequence > history.sequence:
        return None
    if claims.sequence == history.sequence:
        if claims.bundle_id in history.bundle_ids or history.is_completed_by(claims):
            return None
        return _find_twin(claims, history)
    return Stale(
        option=Lifted.OLDER,
        code="AB-TRUST-OLDER",
        message=f"the bundle has the sequence {claims.sequence}, older than {history.sequence}, the last of"
        f" {claims.name} that was imported",
    )


def _find_twin(claims: InventoryClaims, history: History) -> Stale:
    """Another bundle with the sequence of the last: the refusal says whether it is known to bring the same."""
    others = ", ".join(sorted(f"{other.encoded[:_SHOWN_DIGITS]}..." for other in history.bundle_ids))
    message = f"another bundle of {claims.name} with the same sequence {claims.sequence} was imported before ({others})"
    if history.is_release_of(claims):
        return Stale(
            option=Lifted.OLDER,
            code="AB-TRUST-EQUAL-SEQUENCE",
            message=f"{message}, of the very same release: there is nothing new in this one",
            advice="push the bundle that was imported once more if something of it is missing, or ask for a newer one",
        )
    return Stale(
        option=Lifted.OLDER,
        code="AB-TRUST-EQUAL-SEQUENCE",
        message=message + ("" if history.release else ", and nothing here says that both bring the same"),
        advice="ask for a bundle of a newer lock",
    )


def check_adoption(history: History) -> None:
    """`TrustError` if the ledger knows nothing while the destination holds receipts of ours."""
    if not history.is_adopted:
        raise TrustError(
            "AB-TRUST-NOT-ADOPTED",
            "the ledger is empty, but the destination has receipts of earlier imports",
            hint="use the state directory that made them (--state), or adopt the destination with a reason",
        )


def _day(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
