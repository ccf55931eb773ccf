"""A registry over HTTP: what `abilities.Registry` asks for, in the words of the distribution specification 1.1.

Everything that comes back is compared with what was asked: digests with our own hash, sizes with those promised, types
with those that exist. Bytes of image manifests are kept as they came. `open_blob` alone hands out bytes that are
unverified, for `core.content.copy_verified`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from airgap_bundle.core import strictjson
from airgap_bundle.core.content import Descriptor, Digest
from airgap_bundle.core.errors import InvalidValueError, RegistryError
from airgap_bundle.core.oci import (
    DOCUMENT_TYPES,
    MAX_DOCUMENT_BYTES,
    SCHEMA1_TYPES,
    check_repository,
    check_tag,
    parse_document,
)
from airgap_bundle.registry.blob_push import BlobPusher
from airgap_bundle.registry.blob_read import RemoteBlob
from airgap_bundle.registry.challenges import delete, pull, push
from airgap_bundle.registry.options import ClientOptions, Patience
from airgap_bundle.registry.referrers import Referrers, next_page
from airgap_bundle.registry.session import Call, RegistrySession

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from types import TracebackType

    from airgap_bundle.core.content import Source
    from airgap_bundle.core.oci import Document
    from airgap_bundle.registry.abilities import BlobStream
    from airgap_bundle.registry.transport import Answer

__all__ = ["ClientOptions", "Patience", "RegistryClient"]

_ACCEPT = ", ".join((*sorted(DOCUMENT_TYPES), *sorted(SCHEMA1_TYPES)))
# A page of 1,000 tags of the longest kind; some registries ignore `n` and send all in one.
_MAX_TAGS_PAGE_BYTES = 16 * 1024 * 1024
_MAX_TAGS_PAGES = 1000
_MAX_TAGS = 200_000
_FOUND = frozenset({200})
_FOUND_OR_NOT = frozenset({200, 404})
_NOT_FOUND = 404
_UNAUTHORIZED = 401
_MOVED_FOR_A_WHILE = 307
# What registries answer to a HEAD that they do not know, besides 404.
_NO_HEAD = frozenset({400, 405, 501})
_DELETED = frozenset({200, 202, 204})
# Not there, not by tag, not at all.
_NOT_DELETED = frozenset({400, 404, 405, 501})


class RegistryClient:
    """One registry, `HOST[:PORT]`; fulfils `abilities.Registry`. Close it when done; threads may share it."""

    def __init__(self, host: str, options: ClientOptions) -> None:
        self._session = RegistrySession(host, options)
        self._pusher = BlobPusher(self._session)
        self._referrers = Referrers(self._session, self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def name(self) -> str:
        """The registry's host, for messages."""
        return self._session.host

    def ping(self) -> None:
        """Ask for `/v2/`: with a login it has to be accepted; without one a registry that asks for it is enough."""
        call = Call(task="reach the registry", method="GET", target="/v2/", expected=frozenset({200, 401, 404}))
        with self._session.call(call) as answer:
            if answer.status == _NOT_FOUND:
                raise self._session.wrong(
                    call.task,
                    "does not speak the protocol of registries (404 for /v2/)",
                    hint="check host and port; the path of a project comes after them",
                )
            if answer.status == _UNAUTHORIZED and (self._session.has_login or not answer.header("WWW-Authenticate")):
                raise self._session.refusal(call.task, answer)

    def head_manifest(self, repository: str, reference: Digest | str) -> Descriptor | None:
        """See `abilities.Registry`. Falls back to reading it where a registry says too little."""
        call = self._manifest_call("HEAD", repository, reference, f"find {_named(repository, reference)}")
        with self._session.call(call) as answer:
            if answer.status == _NOT_FOUND:
                return None
            found = self._described(call.task, answer, reference) if answer.status not in _NO_HEAD else None
        if found is not None:
            return found
        document = self.get_manifest(repository, reference)
        return document.descriptor if document is not None else None

    def get_manifest(self, repository: str, reference: Digest | str) -> Document | None:
        """See `abilities.Registry`."""
        call = self._manifest_call("GET", repository, reference, f"read {_named(repository, reference)}")
        with self._session.call(call) as answer:
            if answer.status == _NOT_FOUND:
                return None
            stated, media_type, raw = answer.header("Docker-Content-Digest"), _media_type(answer), answer.body
        digest = Digest.of(raw)
        if isinstance(reference, Digest) and digest != reference:
            raise self._session.wrong(
                call.task, f"sends something else, with the digest {digest}", code="AB-REGISTRY-CONTENT"
            )
        if stated and not _same(stated, raw, digest):
            raise self._session.wrong(
                call.task, f"calls it {stated[:140]}, but it is {digest}", code="AB-REGISTRY-CONTENT"
            )
        try:
            return parse_document(raw, media_type)
        except InvalidValueError as error:
            raise self._session.wrong(
                call.task,
                f"sends what cannot be carried: {error}",
                code="AB-REGISTRY-DOCUMENT",
                hint="only OCI and Docker schema 2 image manifests and indexes can be carried",
            ) from error

    def put_manifest(self, repository: str, reference: Digest | str, document: Document) -> None:
        """See `abilities.Registry`."""
        try:
            attached_to = self.store_manifest(repository, reference, document)
        except RegistryError as error:
            if error.code != "AB-REGISTRY-IMMUTABLE-TAG" or isinstance(reference, Digest):
                raise
            # A tag that may not move is no obstacle where it already says what it should.
            known = self.head_manifest(repository, reference)
            if known is None or known.digest != document.descriptor.digest:
                raise
            return
        if document.subject is not None and attached_to != document.subject.digest:
            self._referrers.attach(repository, document.subject.digest, document)

    def store_manifest(self, repository: str, reference: Digest | str, document: Document) -> str:
        """Store without attaching; what the registry says it attached it to (`OCI-Subject`), or nothing."""
        name = self._name(repository)
        digest = document.descriptor.digest
        call = Call(
            task=f"write {_named(repository, reference)}",
            method="PUT",
            target=f"/v2/{name}/manifests/{_checked(reference)}",
            repository=repository,
            scopes=push(name),
            headers={"Content-Type": document.descriptor.media_type},
            body=document.raw,
            expected=frozenset({200, 201}),
            follows=True,
        )
        with self._session.call(call) as answer:
            stated = answer.header("Docker-Content-Digest")
            if stated and not _same(stated, document.raw, digest):
                raise self._session.wrong(
                    call.task, f"says that it stored {stated[:140]} instead of {digest}", code="AB-REGISTRY-CONTENT"
                )
            return answer.header("OCI-Subject")

    def delete_tag(self, repository: str, tag: str) -> bool:
        """See `abilities.Registry`."""
        name = self._name(repository)
        call = Call(
            task=f"remove the tag {tag} of {repository}",
            method="DELETE",
            # A tag by its grammar, so never a digest: that would take every other tag on it too.
            target=f"/v2/{name}/manifests/{check_tag(tag)}",
            repository=repository,
            scopes=push(name) | delete(name),
            expected=_DELETED | _NOT_DELETED,
            follows=True,
        )
        with self._session.call(call) as answer:
            return answer.status in _DELETED

    def list_tags(self, repository: str) -> tuple[str, ...]:
        """See `abilities.Registry`."""
        name = self._name(repository)
        task = f"list the tags of {repository}"
        target, found = f"/v2/{name}/tags/list?n=1000", dict[str, None]()
        for _ in range(_MAX_TAGS_PAGES):
            call = Call(
                task=task,
                method="GET",
                target=target,
                repository=repository,
                scopes=pull(name),
                expected=_FOUND_OR_NOT,
                limit=_MAX_TAGS_PAGE_BYTES,
            )
            with self._session.call(call) as answer:
                if answer.status == _NOT_FOUND and not found:
                    return ()
                if answer.status == _NOT_FOUND:
                    raise self._session.wrong(task, "has no second page of a list that it began")
                target = next_page(self._session, task, answer)
                found.update(dict.fromkeys(self._tags(task, answer)))
            if len(found) > _MAX_TAGS:
                raise self._session.wrong(task, f"lists more than {_MAX_TAGS} tags")
            if not target:
                return tuple(found)
        raise self._session.wrong(task, f"lists them on more than {_MAX_TAGS_PAGES} pages")

    def list_referrers(self, repository: str, digest: Digest) -> tuple[Descriptor, ...]:
        """See `abilities.Registry`."""
        self._name(repository)
        return self._referrers.list(repository, digest)

    def has_blob(self, repository: str, digest: Digest, size: int) -> bool:
        """See `abilities.Registry`.

        A registry that keeps its content elsewhere answers with a temporary redirect (307) for what it has; where
        redirects are not followed that counts as presence, without its size.
        """
        name = self._name(repository)
        follows = self._session.options.follow_redirects_elsewhere
        call = Call(
            task=f"look for the blob {digest} in {repository}",
            method="HEAD",
            target=f"/v2/{name}/blobs/{digest}",
            repository=repository,
            scopes=pull(name),
            expected=_FOUND_OR_NOT if follows else _FOUND_OR_NOT | {_MOVED_FOR_A_WHILE},
            follows=True,
        )
        with self._session.call(call) as answer:
            if answer.status == _NOT_FOUND:
                return False
            if answer.status == _MOVED_FOR_A_WHILE:
                return True
            stated = answer.header("Docker-Content-Digest")
            if answer.length not in {None, size} or (stated.startswith("sha256:") and stated != digest):
                raise self._session.wrong(
                    call.task,
                    f"holds {stated[:80] or digest} with {answer.length} bytes instead of {size}",
                    code="AB-REGISTRY-CONTENT",
                )
            return True

    def mount_blob(self, repository: str, digest: Digest, source_repository: str) -> bool:
        """See `abilities.Registry`."""
        self._name(repository)
        self._name(source_repository)
        return self._pusher.mount(repository, digest, source_repository)

    def open_blob(self, repository: str, digest: Digest, size: int, *, start: int = 0) -> BlobStream:
        """See `abilities.Registry`. A registry that does not know ranges sends the front too; it is thrown away."""
        self._name(repository)
        return RemoteBlob(self._session, repository, digest, size, start=start)

    def prepare_push(self, repository: str, digest: Digest, *, total_bytes: int) -> None:  # noqa: ARG002 - no way to ask
        """See `abilities.Registry`: an upload session is opened, which the upload of this blob then uses."""
        self._name(repository)
        self._pusher.sessions.prepare(repository, digest)

    def cancel_push(self, repository: str, digest: Digest) -> None:
        """See `abilities.Registry`."""
        self._pusher.sessions.cancel(repository, digest)

    def push_blob(
        self,
        repository: str,
        digest: Digest,
        size: int,
        open_source: Callable[[], AbstractContextManager[Source]],
        *,
        buffer: memoryview,
        moved: Callable[[int], None] | None = None,
    ) -> None:
        """See `abilities.Registry`."""
        self._name(repository)
        self._pusher.push(
            repository,
            digest,
            size,
            open_source,
            buffer=buffer,
            moved=moved,
            is_there=lambda: self.has_blob(repository, digest, size),
        )

    def close(self) -> None:
        """Close every connection."""
        self._session.close()

    def _name(self, repository: str) -> str:
        """The repository as the host that is asked calls it."""
        return check_repository(self._session.prefix + repository)

    def _manifest_call(self, method: str, repository: str, reference: Digest | str, task: str) -> Call:
        if isinstance(reference, Digest) and reference.algorithm != "sha256":
            raise self._session.wrong(
                task,
                "was to be asked for content named by sha512, which is not carried",
                code="AB-REGISTRY-DIGEST",
                hint="name it by its sha256 digest or by a tag",
            )
        name = self._name(repository)
        return Call(
            task=task,
            method=method,
            target=f"/v2/{name}/manifests/{_checked(reference)}",
            repository=repository,
            scopes=pull(name),
            headers={"Accept": _ACCEPT},
            expected=_FOUND_OR_NOT | _NO_HEAD if method == "HEAD" else _FOUND_OR_NOT,
            follows=True,
            limit=MAX_DOCUMENT_BYTES,
        )

    def _described(self, task: str, answer: Answer, reference: Digest | str) -> Descriptor | None:
        """What the headers of a HEAD say; `None` where they do not say enough."""
        media_type, size = _media_type(answer), answer.length
        stated = answer.header("Docker-Content-Digest")
        if media_type not in DOCUMENT_TYPES or size is None or not stated.startswith("sha256:"):
            return None
        if isinstance(reference, Digest) and stated != reference:
            raise self._session.wrong(task, f"has {stated[:80]} under that digest", code="AB-REGISTRY-CONTENT")
        try:
            return Descriptor(media_type=media_type, digest=Digest(stated), size=size)
        except InvalidValueError as error:
            raise self._session.wrong(task, f"describes it wrongly: {error}") from error

    def _tags(self, task: str, answer: Answer) -> list[str]:
        try:
            return _parse_tags(answer.body)
        except InvalidValueError as error:
            raise self._session.wrong(task, f"answers with a list that is none: {error}") from error


def _parse_tags(raw: bytes) -> list[str]:
    tags = strictjson.parse_object(raw, max_bytes=_MAX_TAGS_PAGE_BYTES, floats=True).get("tags") or []
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise InvalidValueError("tags is not a list of strings")
    return [check_tag(tag) for tag in tags]


def _named(repository: str, reference: Digest | str) -> str:
    return f"{repository}{'@' if isinstance(reference, Digest) else ':'}{reference}"


def _checked(reference: Digest | str) -> str:
    return reference if isinstance(reference, Digest) else check_tag(reference)


def _media_type(answer: Answer) -> str:
    """The type without parameters; empty for the general ones that say nothing about the content."""
    media_type = answer.header("Content-Type").partition(";")[0].strip().lower()
    return "" if media_type in {"application/json", "application/octet-stream", "text/plain"} else media_type


def _same(stated: str, raw: bytes, digest: Digest) -> bool:
    """Whether a digest that a registry states, in whichever algorithm, is that of the bytes."""
    try:
        named = Digest(stated)
    except InvalidValueError:
        return False
    return named == (digest if named.algorithm == "sha256" else Digest.of(raw, named.algorithm))
