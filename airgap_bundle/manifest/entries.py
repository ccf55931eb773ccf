"""The entries of a manifest, as frozen values that remember where they stood.

`place` and `where` (the path inside the document) are for later complaints and take no part in comparisons.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airgap_bundle.core.report import Place
from airgap_bundle.manifest.words import default_path, is_exact_version

if TYPE_CHECKING:
    from airgap_bundle.core.content import Digest
    from airgap_bundle.core.oci import Platform, Reference

_NOWHERE = Place(file="")


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """What all entries have."""

    place: Place = field(default=_NOWHERE, compare=False)
    where: str = field(default="", compare=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class ReferenceEntry(Entry):
    """Something asked of a registry. `written` is the reference as it stands in the manifest, `path` what `as` says.

    `origin` is set for an image in a file of another tool (`oci-archive:PATH[:NAME]` and the like, see
    `words.Origin`); `reference` is then only what it is called.
    """

    reference: Reference
    written: str = field(default="", compare=False)
    path: str = ""
    origin: str = ""

    @property
    def source(self) -> str:
        """The reference in full."""
        return str(self.reference)

    @property
    def target(self) -> tuple[str, str]:
        """Path below DEST, and tag ("" where only a digest was given)."""
        return self.path or default_path(self.reference.host, self.reference.repository), self.reference.tag

    @property
    def names_a_tag(self) -> bool:
        """Whether the reference was written with a tag, or got `latest` because it had neither tag nor digest."""
        return ":" in self.written.partition("@")[0].rpartition("/")[2]


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageEntry(ReferenceEntry):
    """An image. Empty `platforms` leaves it to the manifest (`Manifest.platforms_of`)."""

    platforms: tuple[Platform, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class ArtifactEntry(ReferenceEntry):
    """Any other OCI artifact; always travels whole."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ChartEntry(Entry):
    """A Helm chart: from an OCI registry, from a classic repository (`repo`), or a local directory or `.tgz`.

    `chart` is the text of the manifest: `oci://HOST/PATH`, a name, or a relative path. `reference` is what to ask an
    OCI registry for; None for the other kinds and for a version that is a range. `keyring` is a file of OpenPGP keys,
    one of which has to have signed the chart's provenance file.
    """

    chart: str
    version: str = ""
    repo: str = ""
    reference: Reference | None = None
    values: tuple[str, ...] = ()
    images: str = "rendered"
    path: str = ""
    keyring: str = ""

    @property
    def kind(self) -> str:
        """`oci`, `classic` or `local`."""
        if self.repo:
            return "classic"
        return "oci" if self.chart.startswith("oci://") else "local"

    @property
    def is_range(self) -> bool:
        """Whether the version names more than one."""
        return bool(self.version) and not is_exact_version(self.version)

    @property
    def source(self) -> str:
        """The chart in full: `HOST/PATH:VERSION`, `REPO/NAME:VERSION` or the path."""
        if self.reference is not None:
            return str(self.reference)
        name = f"{self.repo.rstrip('/')}/{self.chart}" if self.repo else self.chart.removeprefix("oci://")
        return f"{name}:{self.version}" if self.version else name

    @property
    def target(self) -> tuple[str, str]:
        """Path below DEST, and tag. Name and tag of a local chart are inside it: here they are "" where `as` is."""
        tag = chart_tag(self.version)
        if self.reference is not None:
            return self.path or default_path(self.reference.host, self.reference.repository), self.reference.tag
        if self.repo:
            host, _, rest = self.repo.partition("://")[2].rstrip("/").partition("/")
            return self.path or default_path(host, f"{rest}/{self.chart}" if rest else self.chart), tag
        return self.path, tag


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkloadEntry(Entry):
    """A deployment whose images travel too. `kind` is `compose`, `kubernetes` or `list`; `path` a file or directory."""

    kind: str
    path: str


@dataclass(frozen=True, kw_only=True, slots=True)
class FileEntry(Entry):
    """A file or directory from beside the manifest (`path`), or a file from the web (`url`).

    `name` is what it is called in the bundle.
    """

    path: str = ""
    url: str = ""
    name: str = ""
    sha256: Digest | None = None

    @property
    def source(self) -> str:
        """The path or the address."""
        return self.path or self.url

    @property
    def target(self) -> tuple[str, str]:
        """The name in the bundle; files have no tags."""
        return self.name, ""


@dataclass(frozen=True, kw_only=True, slots=True)
class ExcludeEntry(Entry):
    """A pattern of discovered images that are deliberately left out."""

    pattern: str


@dataclass(frozen=True, kw_only=True, slots=True)
class VerifyEntry(Entry):
    """An upstream signature that must hold when the lock is made: by a key file, or by a keyless identity.

    `identity_pattern` stands in place of `identity`: a regular expression over the whole of it. `trusted_root` is the
    file that says whom a keyless signature is checked against; "" means the public Sigstore instance.
    """

    match: str
    key: str = ""
    issuer: str = ""
    identity: str = ""
    identity_pattern: str = ""
    trusted_root: str = ""


def chart_tag(version: str) -> str:
    """The tag for a chart version: OCI tags have no `+`, so Helm writes `_`."""
    return version.replace("+", "_")
