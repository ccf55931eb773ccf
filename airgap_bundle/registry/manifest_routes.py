"""Manifests, tags, referrers and the catalogue of the embedded registry.

OCI distribution specification 1.1, sections "Pulling manifests", "Pushing Manifests", "Content Discovery" and "Content
Management". Exact bytes and the type they came with; lists are cut into pages that a `Link` header joins.
"""

from __future__ import annotations

import bisect
import json
import re
import threading
from contextlib import nullcontext
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from airgap_bundle.core.content import Digest
from airgap_bundle.core.errors import InvalidValueError
from airgap_bundle.core.oci import MAX_DOCUMENT_BYTES, OCI_INDEX, Document, check_tag, parse_document
from airgap_bundle.registry.directory import EntryKind
from airgap_bundle.registry.wsgi import RefusedError, Reply, Request, json_reply, read_bounded, too_large

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from airgap_bundle.registry.store import DirectoryRegistry

# Names in one answer: about a megabyte at the longest that tags can be.
_PAGE_NAMES = 10_000
# Clients read answers of 4 MiB; room is left for the frame around the descriptors.
_PAGE_BYTES = 3 * 1024 * 1024
# Read, a manifest takes up to 25 times its bytes; those above this are looked at one after the other, so that some
# dozen that come at once do not take gigabytes. No image that we know has one of that length.
_LARGE_BYTES = 256 * 1024
_COUNT = re.compile(r"[0-9]{1,9}")


class ManifestRoutes:
    """The handlers of manifests and lists."""

    def __init__(self, registry: DirectoryRegistry, *, refreshes: bool) -> None:
        self._registry = registry
        # Whether somebody who asks for a manifest may be about to push what needs it.
        self._refreshes = refreshes
        self._storage = registry.storage
        self._large = threading.Lock()

    def read(self, request: Request, repository: str, rest: str) -> Reply:
        """GET and HEAD of a manifest by tag or digest."""
        reference = _reference(rest)
        if request.method == "HEAD" and self._refreshes and isinstance(reference, Digest):
            self._storage.refresh(repository, reference, EntryKind.MANIFEST)
        held = self._storage.find_manifest(repository, reference)
        if held is None:
            raise _unknown_manifest()
        headers = [("Content-Type", held.media_type), ("Docker-Content-Digest", held.digest)]
        if request.method == "HEAD":
            headers.append(("Content-Length", str(held.size)))
            return Reply(headers=tuple(headers))
        return Reply(headers=tuple(headers), body=self._storage.read_manifest(held))

    def push(self, request: Request, repository: str, rest: str) -> Reply:
        """PUT of a manifest under a tag, or under its digest and any tags in the query."""
        reference = _reference(rest)
        raw = _read_raw(request)
        with self._large if len(raw) > _LARGE_BYTES else nullcontext():
            return self._pushed(request, repository, reference, _parsed(request, raw))

    def _pushed(self, request: Request, repository: str, reference: Digest | str, document: Document) -> Reply:
        tags = request.query.get("tag", ())
        if isinstance(reference, Digest):
            digest = reference
            tags = tuple(_tag(tag) for tag in tags)
        elif tags:
            raise RefusedError(HTTPStatus.BAD_REQUEST, "UNSUPPORTED", "`tag` in the query goes with a digest")
        else:
            digest, tags = Digest.of(document.raw), (reference,)
        self._registry.store_manifest(repository, digest, document, tags=tags)
        headers = [("Location", f"/v2/{repository}/manifests/{digest}"), ("Docker-Content-Digest", digest)]
        if document.subject is not None:
            headers.append(("OCI-Subject", document.subject.digest))
        if request.query.get("tag"):
            headers.append(("OCI-Tag", ", ".join(tags)))
        return Reply(status=HTTPStatus.CREATED, headers=tuple(headers))

    def delete(self, request: Request, repository: str, rest: str) -> Reply:  # noqa: ARG002 - the shape of a handler
        """DELETE of a tag, which removes the name only, or of a manifest by digest."""
        reference = _reference(rest)
        if isinstance(reference, Digest):
            gone = self._registry.delete_manifest(repository, reference)
        else:
            gone = self._registry.delete_tag(repository, reference)
        if not gone:
            raise _unknown_manifest()
        return Reply(status=HTTPStatus.ACCEPTED)

    def tags(self, request: Request, repository: str, rest: str) -> Reply:  # noqa: ARG002 - the shape of a handler
        """GET of the tags of a repository."""
        if not self._storage.has_repository(repository):
            raise RefusedError(HTTPStatus.NOT_FOUND, "NAME_UNKNOWN", "there is no such repository")
        page, headers = _page(request, self._storage.tags(repository), f"/v2/{repository}/tags/list")
        return json_reply({"name": repository, "tags": page}, headers=headers)

    def catalogue(self, request: Request, repository: str, rest: str) -> Reply:  # noqa: ARG002 - the shape of a handler
        """GET of the names of all repositories."""
        page, headers = _page(request, self._storage.repositories(), "/v2/_catalog")
        return json_reply({"repositories": page}, headers=headers)

    def referrers(self, request: Request, repository: str, rest: str) -> Reply:
        """GET of what is attached to a manifest, which need not be here."""
        try:
            subject = Digest(rest)
        except InvalidValueError as error:
            raise RefusedError(HTTPStatus.BAD_REQUEST, "DIGEST_INVALID", "not a digest that is known here") from error
        query: dict[str, str] = {}
        headers: list[tuple[str, str]] = []
        found = self._storage.referrers(repository, subject, after=request.first("last") or "")
        wanted = request.first("artifactType")
        if wanted:
            # A `+` that nobody escaped has become a space, which no media type has.
            wanted = wanted.replace(" ", "+")
            found = (descriptor for descriptor in found if descriptor.get("artifactType") == wanted)
            headers.append(("OCI-Filters-Applied", "artifactType"))
            query["artifactType"] = wanted
        page, is_all = _fitting(found)
        if not is_all:
            query["last"] = page[-1]["digest"]
            headers.append(_link(f"/v2/{repository}/referrers/{subject}", query))
        value = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": page}
        return json_reply(value, media_type=OCI_INDEX, headers=headers)


def _reference(text: str) -> Digest | str:
    if ":" in text:
        try:
            return Digest(text)
        except InvalidValueError as error:
            raise RefusedError(HTTPStatus.BAD_REQUEST, "DIGEST_INVALID", "not a digest that is known here") from error
    return _tag(text)


def _tag(text: str) -> str:
    try:
        return check_tag(text)
    except InvalidValueError as error:
        raise RefusedError(HTTPStatus.BAD_REQUEST, "MANIFEST_INVALID", "neither a tag nor a digest") from error


def _unknown_manifest() -> RefusedError:
    return RefusedError(HTTPStatus.NOT_FOUND, "MANIFEST_UNKNOWN", "the repository does not hold this manifest")


def _read_raw(request: Request) -> bytes:
    if request.length is not None and request.length > MAX_DOCUMENT_BYTES:
        raise too_large("a manifest", MAX_DOCUMENT_BYTES)
    return read_bounded(request.body, MAX_DOCUMENT_BYTES, what="a manifest")


def _parsed(request: Request, raw: bytes) -> Document:
    media_type = (request.header("content-type") or "").partition(";")[0].strip()
    try:
        return parse_document(raw, media_type)
    except InvalidValueError as error:
        raise RefusedError(HTTPStatus.BAD_REQUEST, "MANIFEST_INVALID", str(error)) from error


def _page(request: Request, names: Sequence[str], path: str) -> tuple[list[str], list[tuple[str, str]]]:
    """The names after `last`, at most `n` of them, and the header that leads on if there are more."""
    text = request.first("n")
    if text is not None and _COUNT.fullmatch(text) is None:
        raise RefusedError(HTTPStatus.BAD_REQUEST, "PAGINATION_NUMBER_INVALID", "`n` is not a number")
    count = min(int(text), _PAGE_NAMES) if text is not None else _PAGE_NAMES
    last = request.first("last")
    begin = bisect.bisect_right(names, last) if last is not None else 0
    page = list(names[begin : begin + count])
    if not page or begin + count >= len(names):
        return page, []
    return page, [_link(path, {"n": str(count), "last": page[-1]})]


def _fitting(descriptors: Iterable[dict[str, Any]]) -> tuple[list[dict[str, Any]], bool]:
    """As many from the front as fit one answer, and one in any case; whether these are all. No more is read."""
    room = _PAGE_BYTES
    page: list[dict[str, Any]] = []
    for descriptor in descriptors:
        room -= len(json.dumps(descriptor))
        if room < 0 and page:
            return page, False
        page.append(descriptor)
    return page, True


def _link(path: str, query: dict[str, str]) -> tuple[str, str]:
    return "Link", f'<{path}?{urlencode(query)}>; rel="next"'
