"""What the inside trusts, as values: people and their keys, roles, products, revocations. Design section 7.

Reading the file is `policy`'s business, finding it `policy_files`', applying it `decision`'s. An empty policy is valid
and refuses everything.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeVar

from airgap_bundle.core.content import Digest
from airgap_bundle.core.errors import InvalidValueError
from airgap_bundle.manifest.patterns import matches

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from airgap_bundle.trust.packets import PublicKey
    from airgap_bundle.trust.patterns import RepositoryPattern

# Long enough to get a new key to every boundary, with the next delivery.
ENDING_SOON = timedelta(days=60)
# May change the policy; every other name of a role is free.
ROOT = "root"
# Stands for every product that has no entry of its own.
ANY_PRODUCT = "*"
# Old and new key, or the workflows of some branches; each is tried with each signature that an image has.
MAX_SIGNATORIES = 16
# Where DEST keeps our receipts; no bundle writes there, whatever its product may do.
RECEIPTS_REPOSITORY = "airgap-receipts"
# Where the files of a product go, each product's below its own name.
FILES_REPOSITORY = "files"

V = TypeVar("V")


def _empty() -> Mapping[str, V]:
    return MappingProxyType({})


class Method(Enum):
    """How a signature is made."""

    OPENPGP = "openpgp"
    KEYLESS = "keyless"
    KEY = "key"


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenPgpKey:
    """A pinned OpenPGP key; the fingerprint has been compared with the embedded key."""

    fingerprint: str
    public_key: PublicKey


@dataclass(frozen=True, kw_only=True, slots=True)
class KeylessIdentity:
    """Who may sign without a key of their own: identity and issuer, exact, and the trusted root by file and digest.

    Instead of `identity` there may be `identity_pattern`, a regular expression over the whole identity.
    """

    issuer: str
    identity: str = ""
    identity_pattern: str = ""
    trusted_root_file: str
    trusted_root_digest: Digest

    def __str__(self) -> str:
        """For messages."""
        return f"{self.identity or self.identity_pattern} ({self.issuer})"


@dataclass(frozen=True, kw_only=True, slots=True)
class PlainKey:
    """A public key in PEM; `fingerprint` is the SHA-256 of its SubjectPublicKeyInfo, 64 digits, lower case."""

    pem: str
    fingerprint: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Signer:
    """A person or a machine. Several keys are still one person. After the day `until` nothing of theirs counts."""

    name: str
    openpgp: tuple[OpenPgpKey, ...] = ()
    keyless: tuple[KeylessIdentity, ...] = ()
    keys: tuple[PlainKey, ...] = ()
    until: date | None = None

    def __post_init__(self) -> None:
        """A signer without a key can never sign: a mistake."""
        if not self.openpgp and not self.keyless and not self.keys:
            raise InvalidValueError("a signer needs one of 'openpgp', 'keyless' or 'publicKey'")

    def counts_at(self, now: datetime) -> bool:
        """Whether `until` has not passed; the day itself, in UTC, still counts."""
        return self.until is None or now.astimezone(UTC).date() <= self.until


@dataclass(frozen=True, kw_only=True, slots=True)
class Role:
    """A number of different people out of some."""

    name: str
    signers: tuple[str, ...]
    threshold: int

    def __post_init__(self) -> None:
        """Refuse a threshold that everybody or nobody meets, and one person listed twice."""
        if len(set(self.signers)) != len(self.signers):
            raise InvalidValueError("a signer is listed twice; one person counts once")
        if not 1 <= self.threshold <= len(self.signers):
            raise InvalidValueError(
                f"threshold {self.threshold} does not lie between 1 and {len(self.signers)} signers"
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class Hold:
    """What has to happen before tags name what was imported.

    `wait` is the least time since the import; `approvals` are roles that have to sign the receipt.
    """

    wait: timedelta | None = None
    approvals: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class UpstreamDemand:
    """Whose signature has to be over what comes from upstream: `match` is a pattern over the names of images in full.

    A signature by one of those named is enough. `openpgp` keys are for the provenance files of Helm charts, the others
    for what cosign makes.
    """

    match: str
    keyless: tuple[KeylessIdentity, ...] = ()
    keys: tuple[PlainKey, ...] = ()
    openpgp: tuple[OpenPgpKey, ...] = ()

    def __post_init__(self) -> None:
        """A demand for a signature by nobody can never be met; every one that is named costs time for each image."""
        count = len(self.keyless) + len(self.keys) + len(self.openpgp)
        if not count:
            raise InvalidValueError("a demand for signatures needs one of 'keyless', 'publicKey' or 'openpgp'")
        if count > MAX_SIGNATORIES:
            raise InvalidValueError(f"{count} keys and identities, more than {MAX_SIGNATORIES}, for one pattern")

    def covers(self, *names: str) -> bool:
        """Whether it is about something with one of these names (without tag and digest)."""
        return any(matches(self.match, name) for name in names)

    @property
    def who(self) -> str:
        """Whose signature is asked for, in words."""
        named = [str(identity) for identity in self.keyless]
        named += [f"the key sha256:{key.fingerprint}" for key in self.keys]
        named += [f"the OpenPGP key {key.fingerprint}" for key in self.openpgp]
        return " or ".join(named)


@dataclass(frozen=True, kw_only=True, slots=True)
class Product:
    """What a bundle of this name needs, and where it may write.

    `overrides`: roles that may lift freshness. With `hold` nothing is tagged before it is published. Each demand of
    `upstream` that is about something in the bundle has to be met.
    """

    name: str
    require: tuple[str, ...]
    repositories: tuple[RepositoryPattern, ...]
    max_age: timedelta | None = None
    overrides: tuple[str, ...] = ()
    hold: Hold | None = None
    upstream: tuple[UpstreamDemand, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a product that needs nothing, or may write nowhere."""
        if not self.require:
            raise InvalidValueError("'require' names no role, so no signature would be asked for")
        if not self.repositories:
            raise InvalidValueError("'repositories' is empty; [\"**\"] is every one")
        if len({demand.match for demand in self.upstream}) != len(self.upstream):
            raise InvalidValueError("'upstream' has one pattern twice; list the keys below one of them")
        for names in (self.require, self.overrides, self.hold.approvals if self.hold else ()):
            if len(set(names)) != len(names):
                raise InvalidValueError("a role is listed twice")

    def matches(self, repository: str) -> bool:
        """Whether one of its patterns fits."""
        return any(pattern.matches(repository) for pattern in self.repositories)


@dataclass(frozen=True, kw_only=True, slots=True)
class RevokedKey:
    """A key or identity that counts no longer.

    `name` is an OpenPGP fingerprint (primary or subkey), the SHA-256 of a plain key, or `issuer LF identity`. Keyless
    signatures that a log or a timestamp proves to be older than `since` still count.
    """

    method: Method
    name: str
    since: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Ending:
    """Something in the policy that ends soon, or has ended."""

    what: str
    when: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """The whole policy and the bytes it was read from. `digest` of those bytes is its name in receipts and ledger.

    `trusted_roots`: the files that keyless signers and demands pin, by digest. Only a policy that was loaded from a
    file has them; without them keyless signatures cannot be checked, and do not count.
    """

    version: int
    audience: str = ""
    signers: Mapping[str, Signer] = field(default_factory=_empty)
    roles: Mapping[str, Role] = field(default_factory=_empty)
    products: Mapping[str, Product] = field(default_factory=_empty)
    token_hosts: Mapping[str, tuple[str, ...]] = field(default_factory=_empty)
    revoked_keys: tuple[RevokedKey, ...] = ()
    revoked_bundles: frozenset[Digest] = frozenset()
    raw: bytes = field(default=b"", repr=False)
    file: str = ""
    trusted_roots: Mapping[Digest, bytes] = field(default_factory=lambda: MappingProxyType({}), repr=False)

    @property
    def digest(self) -> Digest:
        """SHA-256 of the file."""
        return Digest.of(self.raw)

    @property
    def identities(self) -> Iterator[KeylessIdentity]:
        """Everybody who signs without a key: the signers of bundles, and those whom demands for upstream name."""
        for signer in self.signers.values():
            yield from signer.keyless
        for product in self.products.values():
            for demand in product.upstream:
                yield from demand.keyless

    def product(self, name: str) -> Product | None:
        """The entry for a product: its own, which replaces `*` altogether, or `*`."""
        return self.products.get(name) or self.products.get(ANY_PRODUCT)

    def refusal_to_write(self, product: str, repository: str) -> str:
        """Why this product must not write to this repository (relative to DEST); empty if it may.

        1. Receipts are ours; `files/<product>` belongs to the product of that name, without being listed.
        2. Its own entry, or `*` if it has none, has to match.
        3. No other named product may match: what a named product claims is closed to all others.
        """
        entry = self.product(product)
        if entry is None:
            return "the policy knows no such product"
        first, _, rest = repository.partition("/")
        if first == RECEIPTS_REPOSITORY:
            return "receipts are kept there"
        if first == FILES_REPOSITORY and "/" not in rest:
            return "" if rest == product else f"files of the product {rest!r} are kept there"
        if not entry.matches(repository):
            return f"the policy's product {entry.name!r} has no pattern for it"
        for other in self.products.values():
            if other.name not in {ANY_PRODUCT, product} and other.matches(repository):
                return f"it belongs to the product {other.name!r}"
        return ""

    def may_write(self, product: str, repository: str) -> bool:
        """Whether a bundle of this product may write to a repository (relative to DEST)."""
        return not self.refusal_to_write(product, repository)

    def token_hosts_of(self, destination: str) -> tuple[str, ...]:
        """Hosts that may be asked for a token for HOST[:PORT]: itself, and those that the policy names."""
        return (destination, *(host for host in self.token_hosts.get(destination, ()) if host != destination))

    def revocation(self, method: Method, *names: str) -> RevokedKey | None:
        """The entry that revokes one of these names of a key."""
        return next((key for key in self.revoked_keys if key.method is method and key.name in names), None)

    def ending_soon(self, now: datetime) -> tuple[Ending, ...]:
        """Signers and keys that end within 60 days or have ended, the first first.

        The expiry of an OpenPGP key is what the key says of itself.
        """
        found: list[Ending] = []
        for signer in self.signers.values():
            if signer.until is not None:
                last = datetime.combine(signer.until, time.max, UTC)
                found.append(Ending(what=f"signer {signer.name} (until)", when=last))
            found.extend(
                Ending(what=f"signer {signer.name}, key {key.fingerprint}", when=key.public_key.unverified_expires)
                for key in signer.openpgp
                if key.public_key.unverified_expires is not None
            )
        return tuple(sorted((e for e in found if e.when <= now + ENDING_SOON), key=lambda e: (e.when, e.what)))
