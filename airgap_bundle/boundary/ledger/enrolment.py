"""Which policy each destination is bound to: set by its first import, and replaced only by a successor that was signed.

Part of the ledger. A destination that lies below another one in the same registry is bound by the same policy: through
the outer one, `--map` reaches every repository of the inner one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.boundary.ledger.values import EnrolledPolicy
from airgap_bundle.boundary.receipts.receipt import check_destination
from airgap_bundle.core.content import Digest
from airgap_bundle.core.errors import TrustError
from airgap_bundle.core.moments import moment_text, parse_moment

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from airgap_bundle.boundary.ledger.database import Database
    from airgap_bundle.boundary.receipts.receipt import Receipt
    from airgap_bundle.trust.policy_model import Policy


class Enrolment:
    """The bindings that a ledger holds."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, destination: str) -> EnrolledPolicy | None:
        """The policy that a destination is bound to, None before its first import."""
        return self.all().get(destination)

    def all(self) -> Mapping[str, EnrolledPolicy]:
        """Every destination that is bound, and to which policy."""
        rows = self._database.rows("SELECT destination, digest, version, since FROM policies ORDER BY destination")
        return {
            destination: EnrolledPolicy(digest=Digest(digest), version=version, since=parse_moment(since))
            for destination, digest, version, since in rows
        }

    def check(self, destination: str, policy: Policy, in_destination: Iterable[Receipt] = ()) -> None:
        """Refuse (`TrustError`) a policy that is not the one that counts for a destination.

        1. The destination itself, and every destination that lies in it or that it lies in, is bound to this policy or
           to none.
        2. Where nothing is bound yet, receipts that DEST keeps speak: their policy may be this one or an older one.
           Nobody has signed them, so that makes the check stricter only.
        """
        bound = {name: one for name, one in self.all().items() if _overlap(name, destination)}
        # 1.
        for name, one in bound.items():
            if one.digest != policy.digest:
                raise _bound_to_another(name, one, policy)
        # 2.
        if not bound:
            _check_receipts(destination, policy, in_destination)

    def enrol(self, destination: str, policy: Policy, *, at: datetime) -> None:
        """Bind a destination to the policy of its first import; the same again changes nothing. As `check` else."""
        with self._database.writing():
            self.check(destination, policy)
            if self.get(destination) is None:
                self._write(destination, policy.digest, policy.version, at)

    def replace(self, destinations: Iterable[str], old: Digest, new: Policy, *, at: datetime) -> None:
        """Bind destinations to the successor of `old`, all or none. The caller has checked that it is one.

        `TrustError` if one of them is bound to another policy by now.
        """
        with self._database.writing():
            current = self.all()
            for destination in destinations:
                one = current[destination]
                if one.digest != old:
                    raise _bound_to_another(destination, one, new)
                self._write(destination, new.digest, new.version, at)

    def _write(self, destination: str, digest: Digest, version: int, at: datetime) -> None:
        self._database.write(
            "INSERT OR REPLACE INTO policies (destination, digest, version, since) VALUES (?, ?, ?, ?)",
            *(check_destination(destination), digest, version, moment_text(at)),
        )


def _overlap(one: str, other: str) -> bool:
    return one == other or one.startswith(f"{other}/") or other.startswith(f"{one}/")


def _bound_to_another(destination: str, bound: EnrolledPolicy, given: Policy) -> TrustError:
    return TrustError(
        "AB-LEDGER-POLICY",
        f"the destination {destination} is bound to the policy of version {bound.version} ({bound.digest})"
        f" and was given another one (version {given.version}, {given.digest})",
        hint="give the policy that it is bound to; a newer one takes over by `airgap-import policy update`",
    )


def _check_receipts(destination: str, policy: Policy, in_destination: Iterable[Receipt]) -> None:
    for receipt in in_destination:
        version, digest = receipt.policy.version, receipt.policy.digest
        if version > policy.version or (version == policy.version and digest != policy.digest):
            raise TrustError(
                "AB-LEDGER-POLICY",
                f"the destination {destination} has receipts of imports under the policy of version {version}"
                f" ({digest}), and was given version {policy.version} ({policy.digest})",
                hint="give that policy, or its successor with a higher version",
            )
