"""What the ledger answers with: frozen values, none of which says more than what was recorded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from airgap_bundle.core.content import Digest


@dataclass(frozen=True, kw_only=True, slots=True)
class EnrolledPolicy:
    """The policy that a destination is bound to, and since when."""

    digest: Digest
    version: int
    since: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class TagOwner:
    """A product that put a tag: to which digest, and by which receipt."""

    product: str
    digest: Digest
    receipt_id: str


@dataclass(frozen=True, kw_only=True, slots=True)
class TagMove:
    """A tag that is about to move; `previous` is None where it is new."""

    path: str
    tag: str
    previous: Digest | None
    digest: Digest


@dataclass(frozen=True, kw_only=True, slots=True)
class Begun:
    """An operation that began and neither finished nor was abandoned: running now, or killed.

    `kind` is push, publish, promote or rollback; `receipt_id` what it makes, moves the tags of, or goes back to.
    """

    number: int
    receipt_id: str
    product: str
    destination: str
    bundle_id: Digest
    sequence: int
    started: datetime
    kind: str = "push"
