"""What the `verify` rules of a manifest demand: whose signature, for which images. Keys and roots are read here.

A rule's pattern is matched against `host/repository`, in full: `*` stands for a component or a part of one, `**` for
anything. Without a trusted root of its own a keyless rule is about the public Sigstore instance, whose root comes with
the installed `sigstore` library and is not refreshed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airgap_bundle.connected.local_files import open_local
from airgap_bundle.core.content import Digest
from airgap_bundle.core.errors import DocumentError, InvalidValueError
from airgap_bundle.manifest.patterns import matches
from airgap_bundle.trust import keyless, keys
from airgap_bundle.trust.policy_model import KeylessIdentity
from airgap_bundle.trust.upstream_judging import Signatory

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from airgap_bundle.core.oci import Reference
    from airgap_bundle.manifest.entries import VerifyEntry
    from airgap_bundle.manifest.model import Manifest

_PUBLIC = "the public Sigstore instance"


@dataclass(frozen=True, kw_only=True, slots=True)
class Demand:
    """One rule, and whose signature it asks for."""

    entry: VerifyEntry
    signatory: Signatory

    @property
    def who(self) -> str:
        """Whose signature is asked for, in words."""
        return str(self.signatory.identity) if self.signatory.identity is not None else f"the key in {self.entry.key}"

    def covers(self, reference: Reference) -> bool:
        """Whether the rule is about this image."""
        return matches(self.entry.match, reference.name)


def load_demands(manifest: Manifest) -> tuple[Demand, ...]:
    """The rules of a manifest, ready to judge by.

    `DocumentError` names the place of a rule whose key or trusted root is missing, is none, or leads out of the
    directory of the manifest.
    """
    return tuple(_load(manifest.directory, entry) for entry in manifest.verify)


def unused(demands: Iterable[Demand], references: Iterable[Reference]) -> tuple[Demand, ...]:
    """The rules that are about none of these images."""
    known = list(references)
    return tuple(demand for demand in demands if not any(demand.covers(reference) for reference in known))


def _load(directory: Path, entry: VerifyEntry) -> Demand:
    try:
        if entry.key:
            raw = _read(directory, entry.key, entry, keys.MAX_KEY_BYTES)
            return Demand(entry=entry, signatory=Signatory(key=keys.read_public_key(raw)))
        if entry.trusted_root:
            root = _read(directory, entry.trusted_root, entry, keyless.MAX_ROOT_BYTES)
        else:
            root = keyless.public_root()
        keyless.check_trusted_root(root)
    except InvalidValueError as error:
        what = entry.key or entry.trusted_root or _PUBLIC
        raise DocumentError(
            "AB-UPSTREAM-KEY",
            f"{entry.place}: {what} cannot be used to check signatures: {str(error).splitlines()[0]}",
            hint="a key is one PEM block PUBLIC KEY, as cosign.pub is; a trusted root is a trusted_root.json",
        ) from error
    identity = KeylessIdentity(
        issuer=entry.issuer,
        identity=entry.identity,
        identity_pattern=entry.identity_pattern,
        trusted_root_file=entry.trusted_root or _PUBLIC,
        trusted_root_digest=Digest.of(root),
    )
    return Demand(entry=entry, signatory=Signatory(identity=identity, trusted_root=root))


def _read(directory: Path, path: str, entry: VerifyEntry, limit: int) -> bytes:
    """The whole of a small file; what is longer than `limit` by a byte or more is cut there, for others to refuse."""
    buffer = memoryview(bytearray(limit + 1))
    filled = 0
    with open_local(directory, path, entry.place) as source:
        while filled < len(buffer) and (count := source.readinto(buffer[filled:])):
            filled += count
    return bytes(buffer[:filled])
