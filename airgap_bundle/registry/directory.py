"""The repositories of a registry directory: which blobs, manifests, tags and referrers each of them holds.

The layout is described in `contents.py`. A blob that another repository holds is not visible in one until it was pushed
or mounted there. Names are checked where they become paths, whoever calls. Knows nothing of HTTP, and of image
manifests only what `RegistryDirectory.put_manifest` is told.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from airgap_bundle.core import strictjson
from airgap_bundle.core.content import Descriptor, Digest
from airgap_bundle.core.errors import InvalidValueError, RegistryError
from airgap_bundle.core.oci import MAX_DOCUMENT_BYTES, check_repository, check_tag
from airgap_bundle.registry import durable
from airgap_bundle.registry.contents import Contents

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from io import FileIO
    from pathlib import Path

# A tag file holds one digest, a manifest entry one media type: neither has more than 300 bytes.
_MAX_ENTRY_BYTES = 1024
# A referrer's descriptor repeats the annotations of its manifest.
_MAX_REFERRER_BYTES = MAX_DOCUMENT_BYTES + 4096


@dataclass(frozen=True, kw_only=True, slots=True)
class Attachment:
    """That a manifest is attached to `subject`, and the descriptor that lists of referrers show for it."""

    subject: Digest
    descriptor: Mapping[str, Any]


class EntryKind(StrEnum):
    """What a repository holds, as its directories are called."""

    BLOB = "_blobs"
    MANIFEST = "_manifests"


class RegistryDirectory:
    """The repositories under one directory. Safe for many threads and many processes.

    Every method raises `HostError` for what the disk refuses and `InvalidValueError` for what is not a name.
    """

    def __init__(self, root: Path, *, make: bool = True) -> None:
        self.root = root
        self.contents = Contents(root, make=make)
        self._repositories = root / "repositories"

    # Repositories

    def repositories(self) -> list[str]:
        """The names of all repositories that hold something, sorted."""
        with durable.host_errors(self.root, "list its repositories"):
            return sorted(_walk(self._repositories, ""))

    def has_repository(self, repository: str) -> bool:
        """Whether anything was ever put into a repository."""
        path = self._repository(repository)
        with durable.host_errors(self.root, f"look up {repository}"):
            return (path / "_blobs").is_dir() or (path / "_manifests").is_dir()

    # Blobs

    def blob_size(self, repository: str, digest: Digest) -> int | None:
        """The size in bytes of a blob, `None` if the repository does not hold it."""
        with durable.host_errors(self.root, f"look up the blob {digest}"):
            return self.contents.size(digest) if self._blob_entry(repository, digest).exists() else None

    def open_blob(self, repository: str, digest: Digest) -> FileIO | None:
        """A blob, open for reading and unverified; `None` if the repository does not hold it."""
        with durable.host_errors(self.root, f"read the blob {digest}"):
            return self.contents.open(digest) if self._blob_entry(repository, digest).exists() else None

    def link_blob(self, repository: str, digest: Digest) -> None:
        """Make content that is here visible in a repository."""
        with durable.host_errors(self.root, f"store the blob {digest}"):
            durable.touch(self._blob_entry(repository, digest))

    def refresh(self, repository: str, digest: Digest, kind: EntryKind) -> bool:
        """Let a blob or manifest count as used, if it is there: whoever asks for it may be about to rely on it."""
        with durable.host_errors(self.root, f"look up {digest}"):
            return durable.refresh(self._repository(repository) / kind / _entry_name(digest))

    def delete_blob(self, repository: str, digest: Digest) -> bool:
        """Take a blob out of a repository; `False` if it was not there. The content stays for the others."""
        with durable.host_errors(self.root, f"remove the blob {digest}"):
            return durable.remove(self._blob_entry(repository, digest))

    # Manifests and tags

    def find_manifest(self, repository: str, reference: Digest | str) -> Descriptor | None:
        """Type, digest and size behind a tag or a digest; `None` if the repository holds no such thing."""
        with durable.host_errors(self.root, f"look up {repository}"):
            digest = reference if isinstance(reference, Digest) else self._tagged(repository, reference)
            if digest is None:
                return None
            media_type = _read_small(self._manifest_entry(repository, digest), _MAX_ENTRY_BYTES)
            size = self.contents.size(digest)
        if media_type is None or size is None:
            return None
        try:
            return Descriptor(media_type=media_type.decode("ascii", "replace"), digest=digest, size=size)
        except InvalidValueError as error:
            raise self._damaged(f"no media type beside the manifest {digest}") from error

    def read_manifest(self, held: Descriptor) -> bytes:
        """The exact bytes of a manifest, their digest checked."""
        with durable.host_errors(self.root, f"read the manifest {held.digest}"):
            raw = _read_small(self.contents.path(held.digest), MAX_DOCUMENT_BYTES)
        if raw is None or Digest.of(raw, held.digest.algorithm) != held.digest:
            raise self._damaged(f"other bytes than those of the manifest {held.digest}")
        return raw

    def put_manifest(
        self,
        repository: str,
        digest: Digest,
        raw: bytes,
        *,
        media_type: str,
        tags: Sequence[str] = (),
        attachment: Attachment | None = None,
        check: Callable[[], None] | None = None,
    ) -> None:
        """Store a manifest, attach it to its subject, and move the tags to it, in this order.

        `raw` has been found to have this digest. Readers see each tag on its old or its new manifest. `check` raises
        where the repository lacks what the manifest needs; from then on nothing of it is collected.
        """
        tag_files = [self._tag_entry(repository, tag) for tag in tags]
        scratch = self.contents.scratch
        with (
            durable.host_errors(self.root, f"store the manifest {digest}"),
            durable.locked(self._repository(repository) / "_lock"),
        ):
            if check is not None:
                check()
            self.contents.put_document(digest, raw)
            durable.write_file(self._manifest_entry(repository, digest), media_type.encode("ascii"), scratch=scratch)
            if attachment is not None:
                entry = self._attached_to(repository, attachment.subject) / _entry_name(digest)
                durable.write_file(entry, strictjson.canonical(dict(attachment.descriptor)), scratch=scratch)
            for file in tag_files:
                durable.write_file(file, digest.encode("ascii"), scratch=scratch)

    def delete_manifest(self, repository: str, digest: Digest, *, subject: Digest | None) -> bool:
        """Take a manifest out of a repository, with every tag on it and its place among the referrers of `subject`."""
        if not self.has_repository(repository):
            return False
        with (
            durable.host_errors(self.root, f"remove the manifest {digest}"),
            durable.locked(self._repository(repository) / "_lock"),
        ):
            for tag in self.tags(repository):
                if self._tagged(repository, tag) == digest:
                    durable.remove(self._tag_entry(repository, tag))
            if subject is not None:
                durable.remove(self._attached_to(repository, subject) / _entry_name(digest))
            return durable.remove(self._manifest_entry(repository, digest))

    def delete_tag(self, repository: str, tag: str) -> bool:
        """Remove the name, never what it names; `False` if it was not there."""
        if not self.has_repository(repository):
            return False
        with (
            durable.host_errors(self.root, f"remove the tag {tag}"),
            durable.locked(self._repository(repository) / "_lock"),
        ):
            return durable.remove(self._tag_entry(repository, tag))

    def tags(self, repository: str) -> list[str]:
        """All tags, sorted by their bytes."""
        with durable.host_errors(self.root, f"list the tags of {repository}"):
            return sorted(_tag_of(name) for name in _names(self._repository(repository) / "_tags"))

    # Referrers

    def referrers(self, repository: str, subject: Digest, *, after: str = "") -> Iterator[dict[str, Any]]:
        """The descriptors of what is attached to `subject`, by digest; those behind the digest `after`.

        One at a time: each may have the size of a manifest, and there may be any number of them.
        """
        place = self._attached_to(repository, subject)
        with durable.host_errors(self.root, f"list what is attached to {subject}"):
            names = sorted(_names(place))
        for name in names:
            if name.replace("-", ":", 1) <= after:
                continue
            with durable.host_errors(self.root, f"list what is attached to {subject}"):
                raw = _read_small(place / name, _MAX_REFERRER_BYTES)
            try:
                if raw is not None:
                    yield strictjson.parse_object(raw, max_bytes=_MAX_REFERRER_BYTES)
            except InvalidValueError as error:
                raise self._damaged(f"no descriptor among the referrers of {subject}") from error

    # What is there and nothing needs

    def entries(self, repository: str, kind: EntryKind) -> dict[Digest, float]:
        """Every blob, or every manifest, of a repository, with the time at which it was last put there or asked for."""
        place = self._repository(repository) / kind
        found: dict[Digest, float] = {}
        with durable.host_errors(self.root, f"look through {repository}"):
            for name in _names(place):
                with contextlib.suppress(InvalidValueError, FileNotFoundError):
                    found[Digest(name.replace("-", ":", 1))] = (place / name).stat().st_mtime
        return found

    def at_rest(self, repository: str) -> AbstractContextManager[None]:
        """For as long as it lasts no manifest and no tag of the repository changes."""
        return durable.locked(self._repository(repository) / "_lock")

    def take(self, repository: str, digest: Digest, kind: EntryKind, *, older_than: float) -> bool:
        """Take a blob, or a manifest without tags, out of a repository unless it was used since; whether it is gone.

        Only while the repository is `at_rest`.
        """
        place, name = self._repository(repository), _entry_name(digest)
        with durable.host_errors(self.root, f"remove {digest} from {repository}"):
            if not durable.take(place / kind / name, older_than=older_than, scratch=self.contents.scratch):
                return False
            if kind is EntryKind.MANIFEST:
                for subject in _names(place / "_referrers"):
                    durable.remove(place / "_referrers" / subject / name)
        return True

    # Paths

    def _repository(self, repository: str) -> Path:
        return self._repositories / check_repository(repository)

    def _blob_entry(self, repository: str, digest: Digest) -> Path:
        return self._repository(repository) / "_blobs" / _entry_name(digest)

    def _manifest_entry(self, repository: str, digest: Digest) -> Path:
        return self._repository(repository) / "_manifests" / _entry_name(digest)

    def _attached_to(self, repository: str, subject: Digest) -> Path:
        return self._repository(repository) / "_referrers" / _entry_name(subject)

    def _tag_entry(self, repository: str, tag: str) -> Path:
        return self._repository(repository) / "_tags" / _tag_file_name(check_tag(tag))

    def _tagged(self, repository: str, tag: str) -> Digest | None:
        raw = _read_small(self._tag_entry(repository, tag), _MAX_ENTRY_BYTES)
        try:
            return None if raw is None else Digest(raw.decode("ascii", "replace"))
        except InvalidValueError as error:
            raise self._damaged(f"no digest in the file of the tag {repository}:{tag}") from error

    def _damaged(self, what: str) -> RegistryError:
        hint = "check the disk, then push the image again from a source that can be trusted"
        return RegistryError("AB-STORE-DAMAGED", f"the registry in {self.root} holds {what}", hint=hint)


def _entry_name(digest: Digest) -> str:
    return f"{digest.algorithm}-{digest.encoded}"


def _tag_file_name(tag: str) -> str:
    """Tags differ by case, files do not everywhere: capital letters are written small, with their places behind `=`."""
    capitals = sum(1 << place for place, char in enumerate(tag) if char.isupper())
    return f"{tag.lower()}={capitals:x}" if capitals else tag


def _tag_of(name: str) -> str:
    lower, _, capitals = name.partition("=")
    places = int(capitals or "0", 16)
    return "".join(char.upper() if places >> place & 1 else char for place, char in enumerate(lower))


def _names(path: Path) -> list[str]:
    try:
        with os.scandir(path) as entries:
            return [entry.name for entry in entries]
    except FileNotFoundError:
        return []


def _read_small(path: Path, limit: int) -> bytes | None:
    """A small file as a whole, `None` if it is not there. More than `limit` bytes are not ours and are cut."""
    try:
        with path.open("rb") as file:
            return file.read(limit)
    except (FileNotFoundError, NotADirectoryError):
        return None


def _walk(path: Path, name: str) -> Iterator[str]:
    """The repositories below `path`; directories of ours begin with an underscore and are not entered."""
    if name and any(_names(path / part) for part in ("_manifests", "_blobs")):
        yield name
    for entry in _names(path):
        if not entry.startswith("_"):
            yield from _walk(path / entry, f"{name}/{entry}" if name else entry)
