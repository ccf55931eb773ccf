"""Blobs of the embedded registry: reading, uploading in one piece or in many, mounting, deleting.

OCI distribution specification 1.1, sections "Pulling Blobs" and "Pushing Blobs".
"""

from __future__ import annotations

import re
import threading
from http import HTTPStatus
from typing import TYPE_CHECKING

from airgap_bundle.core.content import Digest, new_buffer
from airgap_bundle.core.errors import InvalidValueError
from airgap_bundle.core.oci import check_repository
from airgap_bundle.registry.directory import EntryKind
from airgap_bundle.registry.wsgi import FileSlice, RefusedError, Reply, Request

if TYPE_CHECKING:
    from collections.abc import Callable

    from airgap_bundle.registry.directory import RegistryDirectory
    from airgap_bundle.registry.uploads import Upload, Uploads

# One for each thread of the server: larger is hardly faster and 64 of them have to fit beside everything else.
_BUFFER_BYTES = 256 * 1024
_RANGE = re.compile(r"bytes=(?:([0-9]{1,18})-([0-9]{0,18})|-([0-9]{1,18}))")
_CONTENT_RANGE = re.compile(r"(?:bytes )?([0-9]{1,18})-([0-9]{1,18})(?:/(?:[0-9]{1,18}|\*))?")


class BlobRoutes:
    """The handlers under `/v2/<name>/blobs/`."""

    def __init__(
        self,
        storage: RegistryDirectory,
        uploads: Uploads,
        may_pull: Callable[[Request, str], bool],
        *,
        refreshes: bool,
    ) -> None:
        self._storage = storage
        # Whether somebody who asks for a blob may be about to push what needs it.
        self._refreshes = refreshes
        # Whether whoever makes a request may read another repository.
        self._may_pull = may_pull
        self._uploads = uploads
        self._local = threading.local()

    def read(self, request: Request, repository: str, rest: str) -> Reply:
        """GET and HEAD of a blob, as a whole or one range of it."""
        digest = _digest(rest)
        if request.method == "HEAD" and self._refreshes:
            self._storage.refresh(repository, digest, EntryKind.BLOB)
        file = self._storage.open_blob(repository, digest)
        size = self._storage.contents.size(digest)
        if file is None or size is None:
            raise _unknown_blob()
        try:
            span = _span(request.header("range"), size) if request.method == "GET" else None
        except RefusedError:
            file.close()
            raise
        begin, end = span or (0, size)
        headers = [
            ("Content-Type", "application/octet-stream"),
            ("Docker-Content-Digest", digest),
            ("Accept-Ranges", "bytes"),
            ("Cache-Control", "max-age=31536000, immutable"),
        ]
        if span is not None:
            headers.append(("Content-Range", f"bytes {begin}-{end - 1}/{size}"))
        status = HTTPStatus.OK if span is None else HTTPStatus.PARTIAL_CONTENT
        return Reply(status=status, headers=tuple(headers), body=FileSlice(file, begin, end - begin))

    def delete(self, request: Request, repository: str, rest: str) -> Reply:  # noqa: ARG002 - the shape of a handler
        """DELETE of a blob, from this repository only."""
        if not self._storage.delete_blob(repository, _digest(rest)):
            raise _unknown_blob()
        return Reply(status=HTTPStatus.ACCEPTED)

    def start(self, request: Request, repository: str, rest: str) -> Reply:  # noqa: ARG002 - the shape of a handler
        """POST: mount a blob, upload one in one go, or begin an upload."""
        if request.first("mount") is not None and self._mounted(request, repository):
            return _created(repository, _digest(request.first("mount")))
        digest = request.first("digest")
        algorithm = _digest(digest).algorithm if digest is not None else _algorithm(request)
        identifier = self._uploads.start(repository, mark=request.mark, algorithm=algorithm)
        if digest is None:
            return _accepted(repository, identifier, 0)
        with self._uploads.open(repository, identifier) as upload:
            return self._finished(request, repository, _held(upload))

    def status(self, request: Request, repository: str, rest: str) -> Reply:  # noqa: ARG002 - the shape of a handler
        """GET of an upload: how far it has come."""
        with self._uploads.open(repository, rest) as upload:
            return _accepted(repository, rest, _held(upload).offset, status=HTTPStatus.NO_CONTENT)

    def append(self, request: Request, repository: str, rest: str) -> Reply:
        """PATCH: the next piece of an upload."""
        with self._uploads.open(repository, rest) as upload:
            held = _held(upload)
            self._take(request, repository, rest, held)
            return _accepted(repository, rest, held.offset)

    def finish(self, request: Request, repository: str, rest: str) -> Reply:
        """PUT: the last piece, if any, and the digest of it all."""
        _digest(request.first("digest"))
        with self._uploads.open(repository, rest) as upload:
            held = _held(upload)
            _check_place(request, repository, rest, held.offset)
            return self._finished(request, repository, held)

    def cancel(self, request: Request, repository: str, rest: str) -> Reply:  # noqa: ARG002 - the shape of a handler
        """DELETE of an upload."""
        with self._uploads.open(repository, rest) as upload:
            _held(upload).cancel()
        return Reply(status=HTTPStatus.NO_CONTENT)

    def _mounted(self, request: Request, repository: str) -> bool:
        """Whether the blob could be taken over. Without `from` nobody says where it may be read: it could not."""
        digest, source = _digest(request.first("mount")), request.first("from")
        if source is None:
            return False
        try:
            check_repository(source)
        except InvalidValueError as error:
            raise RefusedError(HTTPStatus.BAD_REQUEST, "NAME_INVALID", "`from` is not a repository name") from error
        if not self._may_pull(request, source) or not self._storage.refresh(source, digest, EntryKind.BLOB):
            return False
        if self._storage.blob_size(source, digest) is None:
            return False
        self._storage.link_blob(repository, digest)
        return True

    def _finished(self, request: Request, repository: str, upload: Upload) -> Reply:
        digest = _digest(request.first("digest"))
        upload.append(request.body, buffer=self._buffer())
        upload.finish(digest, buffer=self._buffer())
        self._storage.link_blob(repository, digest)
        return _created(repository, digest)

    def _take(self, request: Request, repository: str, identifier: str, upload: Upload) -> None:
        expected = _check_place(request, repository, identifier, upload.offset)
        count = upload.append(request.body, buffer=self._buffer())
        if expected is not None and count != expected:
            raise RefusedError(HTTPStatus.BAD_REQUEST, "SIZE_INVALID", "the body is not as long as Content-Range says")

    def _buffer(self) -> memoryview:
        buffer: memoryview | None = getattr(self._local, "buffer", None)
        if buffer is None:
            buffer = self._local.buffer = new_buffer(_BUFFER_BYTES)
        return buffer


def _digest(text: str | None) -> Digest:
    try:
        return Digest(text or "")
    except InvalidValueError as error:
        raise RefusedError(HTTPStatus.BAD_REQUEST, "DIGEST_INVALID", "not a digest that is known here") from error


def _algorithm(request: Request) -> str:
    algorithm = request.first("digest-algorithm") or "sha256"
    if algorithm not in {"sha256", "sha512"}:
        raise RefusedError(HTTPStatus.BAD_REQUEST, "DIGEST_INVALID", "only sha256 and sha512 are known here")
    return algorithm


def _held(upload: Upload | None) -> Upload:
    if upload is None:
        raise RefusedError(HTTPStatus.NOT_FOUND, "BLOB_UPLOAD_UNKNOWN", "there is no such upload; begin a new one")
    return upload


def _unknown_blob() -> RefusedError:
    return RefusedError(HTTPStatus.NOT_FOUND, "BLOB_UNKNOWN", "the repository does not hold this blob")


def _created(repository: str, digest: Digest) -> Reply:
    location = f"/v2/{repository}/blobs/{digest}"
    return Reply(status=HTTPStatus.CREATED, headers=(("Location", location), ("Docker-Content-Digest", digest)))


def _accepted(repository: str, identifier: str, offset: int, *, status: HTTPStatus = HTTPStatus.ACCEPTED) -> Reply:
    return Reply(status=status, headers=_upload_headers(repository, identifier, offset))


def _upload_headers(repository: str, identifier: str, offset: int) -> tuple[tuple[str, str], ...]:
    return (
        ("Location", f"/v2/{repository}/blobs/uploads/{identifier}"),
        # Nothing yet is `0-0` too: the specification has no way to say it.
        ("Range", f"0-{max(0, offset - 1)}"),
        ("Docker-Upload-UUID", identifier),
    )


def _check_place(request: Request, repository: str, identifier: str, offset: int) -> int | None:
    """The length that `Content-Range` promises, `None` without one; refused unless it begins where the upload ends."""
    text = request.header("content-range")
    if text is None:
        return None
    match = _CONTENT_RANGE.fullmatch(text)
    if match is None or int(match[1]) != offset or int(match[2]) < int(match[1]):
        raise RefusedError(
            HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
            "BLOB_UPLOAD_INVALID",
            f"the next piece has to begin at {offset}",
            headers=_upload_headers(repository, identifier, offset),
        )
    return int(match[2]) - int(match[1]) + 1


def _span(text: str | None, size: int) -> tuple[int, int] | None:
    """Where a range begins and ends; `None` for the whole. What is no single range means the whole (RFC 9110 14.2)."""
    match = _RANGE.fullmatch(text or "")
    if match is None:
        return None
    if match[3] is not None:
        begin, end = max(0, size - int(match[3])), size
    else:
        begin, end = int(match[1]), min(size, int(match[2]) + 1) if match[2] else size
    if begin >= end:
        raise RefusedError(
            HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
            "SIZE_INVALID",
            "the blob is shorter than that",
            headers=[("Content-Range", f"bytes */{size}")],
        )
    return begin, end
