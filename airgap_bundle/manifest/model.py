"""The manifest: what should travel, as one frozen value.

`parse_manifest` is the edge where text becomes this value; it opens nothing, reads no clock and expands no variables.
Design section 5 describes the document, `manifest.v1.schema.json` beside this file is its JSON Schema.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from airgap_bundle.core.content import Digest
from airgap_bundle.core.errors import HostError, InvalidValueError, UsageError
from airgap_bundle.core.report import Place
from airgap_bundle.manifest import reading, words, yamltext
from airgap_bundle.manifest.fields import Complaints, Value, check_api_version, converted, listed, one_of

if TYPE_CHECKING:
    from airgap_bundle.core.oci import Platform
    from airgap_bundle.manifest.entries import (
        ArtifactEntry,
        ChartEntry,
        ExcludeEntry,
        FileEntry,
        ImageEntry,
        VerifyEntry,
        WorkloadEntry,
    )
    from airgap_bundle.manifest.fields import Fields

API_VERSION = "airgap-bundle/v1"


@dataclass(frozen=True, kw_only=True, slots=True)
class Manifest:
    """What should travel. Every text in it has been checked for shape; whether it is wise is up to the rules.

    Empty `platforms` means every platform. `expires_seconds` counts from when the lock is made; 0 means never.
    `foreign_layers` is `refuse` or `carry`; `referrers` is `all` (what is attached to an image travels) or `none`.
    `digest` is that of the bytes that were read: they travel with the bundle, so a lock is for these and no others.
    """

    name: str
    version: str
    place: Place = field(compare=False)
    digest: Digest = field(default=Digest.of(b""), compare=False)
    audience: tuple[str, ...] = ()
    platforms: tuple[Platform, ...] = ()
    expires_seconds: int = 0
    images: tuple[ImageEntry, ...] = ()
    charts: tuple[ChartEntry, ...] = ()
    workloads: tuple[WorkloadEntry, ...] = ()
    artifacts: tuple[ArtifactEntry, ...] = ()
    files: tuple[FileEntry, ...] = ()
    exclude: tuple[ExcludeEntry, ...] = ()
    verify: tuple[VerifyEntry, ...] = ()
    foreign_layers: str = "refuse"
    referrers: str = "all"

    @property
    def file(self) -> str:
        """The manifest file, as it was named."""
        return self.place.file

    @property
    def directory(self) -> Path:
        """What relative paths in the manifest start from."""
        return Path(self.place.file).parent

    def platforms_of(self, image: ImageEntry) -> tuple[Platform, ...]:
        """The platforms to keep of one image: its own, else the manifest's; () keeps the whole index.

        The manifest's platforms leave references that are pinned by digest whole.
        """
        if image.platforms or image.reference.digest is not None:
            return image.platforms
        return self.platforms


def parse_manifest(raw: bytes, file: str) -> Manifest:
    """Read a manifest; `file` is its name in complaints and what relative paths start from.

    Raises `DocumentError` (AB-MANIFEST-INVALID, or AB-YAML-… where it is not even YAML) with every complaint.
    """
    return read_manifest(yamltext.parse(raw, file), file, Digest.of(raw))


def read_manifest(node: yamltext.Node, file: str, digest: Digest) -> Manifest:
    """`parse_manifest` from where YAML has been read already; `digest` is that of its bytes."""
    complaints = Complaints(file)
    value = Value.of(node, complaints)
    manifest = None
    try:
        manifest = replace(_read(value.fields(), file), digest=digest)
    except InvalidValueError as error:
        complaints.add_error(error, value.place, "")
    complaints.check("AB-MANIFEST-INVALID", "a manifest")
    if manifest is None:  # pragma: no cover - a reader raised without a complaint, which would be our mistake
        raise AssertionError(file)
    return manifest


def load_manifest(path: str | os.PathLike[str]) -> Manifest:
    """Read a manifest from a regular file of at most 4 MiB.

    Raises `UsageError` if there is no such file, `HostError` if it cannot be read, `DocumentError` as `parse_manifest`.
    """
    return parse_manifest(read_document(path), os.fspath(path))


def read_document(path: str | os.PathLike[str], *, max_bytes: int = yamltext.MAX_BYTES) -> bytes:
    """The bytes of a regular file; a pipe or device is refused before it is opened for longer than a moment.

    Reads one byte more than `max_bytes` at most, so that the parser sees that it is too long.
    """
    name = os.fspath(path)
    try:
        # Without O_NONBLOCK opening a FIFO would wait for a writer.
        descriptor = os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise UsageError("AB-MANIFEST-FILE", f"{name} is not a regular file", hint="name a YAML file")
            with open(descriptor, "rb", closefd=False) as stream:
                return stream.read(max_bytes + 1)
        finally:
            os.close(descriptor)
    except (FileNotFoundError, NotADirectoryError) as error:
        message = f"{name} cannot be read: {error.strerror}"
        raise UsageError("AB-MANIFEST-FILE", message, hint="check the path") from error
    except ValueError as error:
        raise UsageError("AB-MANIFEST-FILE", f"{name!r} is not a path: {error}") from error
    except OSError as error:
        message = f"{name} cannot be read: {error.strerror or error}"
        raise HostError("AB-MANIFEST-UNREADABLE", message, hint="check permissions and the disk") from error


def _read(fields: Fields, file: str) -> Manifest:
    check_api_version(fields, API_VERSION)
    manifest_name = fields.required("name", converted(words.product_name))
    version = fields.required("version", converted(words.product_version))
    audience = fields.get("audience", listed(converted(words.audience_name)), ())
    platforms = fields.get("platforms", reading.platforms, ())
    expires = fields.get("expires", converted(words.duration), 0)
    images = fields.get("images", listed(reading.image), ())
    charts = fields.get("charts", listed(reading.chart), ())
    workloads = fields.get("workloads", listed(reading.workload), ())
    artifacts = fields.get("artifacts", listed(reading.artifact), ())
    files = fields.get("files", listed(reading.file), ())
    exclude = fields.get("exclude", listed(reading.exclude), ())
    verify = fields.get("verify", listed(reading.verify), ())
    foreign_layers = fields.get("foreignLayers", one_of("refuse", "carry"), "refuse")
    referrers = fields.get("referrers", one_of("all", "none"), "all")
    fields.finish()
    return Manifest(
        name=manifest_name,
        version=version,
        place=Place(file=file, line=fields.place.line, column=fields.place.column),
        audience=audience,
        platforms=platforms,
        expires_seconds=expires,
        images=images,
        charts=charts,
        workloads=workloads,
        artifacts=artifacts,
        files=files,
        exclude=exclude,
        verify=verify,
        foreign_layers=foreign_layers,
        referrers=referrers,
    )
