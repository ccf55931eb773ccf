"""What is attached to a digest: through the registry's referrers API, or the fallback tag where there is none.

The fallback tag `sha256-<hex>` is an index that clients keep. It is merged, never replaced, and read back: another
client may have written in between. Distribution specification 1.1, "Listing Referrers", "Referrers Tag Schema".
"""

from __future__ import annotations

import json
import re
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from airgap_bundle.core import strictjson
from airgap_bundle.core.errors import InvalidValueError
from airgap_bundle.core.oci import MAX_DOCUMENT_BYTES, OCI_INDEX, parse_descriptor, parse_document
from airgap_bundle.registry.challenges import pull
from airgap_bundle.registry.origin import parse_url
from airgap_bundle.registry.session import Call

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from airgap_bundle.core.content import Descriptor, Digest
    from airgap_bundle.core.oci import Document
    from airgap_bundle.registry.session import RegistrySession
    from airgap_bundle.registry.transport import Answer

# A digest with more attachments than this is under attack, or its registry pages for ever.
_MAX_PAGES = 100
_MAX_ENTRIES = 10_000
# Two clients that write the same tag meet once or twice, not five times in a row.
_MERGE_ATTEMPTS = 5
_NEXT = re.compile(r'<([^<>]{1,8000})>\s*;[^,]*\brel="?next"?')
# What registries without the API answer: 404 as the specification has it, 406 Artifactory, 405 some that know no such
# route. Anything else could mean that there is something which we may not see.
_NO_API = frozenset({404, 405, 406})


class _Manifests(Protocol):
    def get_manifest(self, repository: str, reference: Digest | str) -> Document | None: ...

    def store_manifest(self, repository: str, reference: Digest | str, document: Document) -> str: ...


class Referrers:
    """The attachments in one registry; safe between threads."""

    def __init__(self, session: RegistrySession, manifests: _Manifests) -> None:
        self._session = session
        self._manifests = manifests
        self._lock = threading.Lock()

    def list(self, repository: str, digest: Digest) -> tuple[Descriptor, ...]:
        """Every attachment; the API's list, or the fallback tag's if there is no API."""
        found: list[Descriptor] = []
        task = f"list what is attached to {digest} in {repository}"
        target = f"/v2/{self._session.prefix}{repository}/referrers/{digest}"
        for _ in range(_MAX_PAGES):
            call = Call(
                task=task,
                method="GET",
                target=target,
                repository=repository,
                scopes=pull(self._session.prefix + repository),
                headers={"Accept": OCI_INDEX},
                expected=frozenset({200, *_NO_API}),
                limit=MAX_DOCUMENT_BYTES,
            )
            with self._session.call(call) as answer:
                if answer.status in _NO_API and not found:
                    break
                found.extend(self._entries(task, answer))
                target = next_page(self._session, task, answer)
            if len(found) > _MAX_ENTRIES:
                raise self._session.wrong(task, f"lists more than {_MAX_ENTRIES} of them")
            if not target:
                return tuple(found)
        else:
            raise self._session.wrong(task, f"lists them on more than {_MAX_PAGES} pages")
        document = self._listed(repository, digest)
        return tuple(child.descriptor for child in document.children) if document is not None else ()

    def _listed(self, repository: str, subject: Digest) -> Document | None:
        """What lies under the fallback tag; None too where a registry takes that name for the subject's own digest.

        GitLab's does: it would have an index refer to itself, by its own children.
        """
        document = self._manifests.get_manifest(repository, fallback_tag(subject))
        return None if document is not None and document.descriptor.digest == subject else document

    def attach(self, repository: str, subject: Digest, document: Document) -> None:
        """Put `document`, which the registry holds, on the fallback tag of `subject`."""
        tag = fallback_tag(subject)
        task = f"attach {document.descriptor.digest} to {subject} in {repository} by the tag {tag}"
        with self._lock:  # threads of our own would overwrite one another
            for attempt in range(_MERGE_ATTEMPTS + 1):
                known = self._manifests.get_manifest(repository, tag)
                # The subject itself is none either, be it an index: its children are not attached to it.
                if known is not None and (
                    known.descriptor.media_type != OCI_INDEX or known.descriptor.digest == subject
                ):
                    raise self._session.wrong(
                        task,
                        "holds something under that tag that is no list of attachments",
                        code="AB-REGISTRY-REFERRERS-TAG",
                        hint="look at the tag: a tool that gave it another meaning has to move it away",
                    )
                if known is not None and any(
                    child.descriptor.digest == document.descriptor.digest for child in known.children
                ):
                    return
                if attempt < _MERGE_ATTEMPTS:
                    self._manifests.store_manifest(repository, tag, self._merged(task, known, document))
        raise self._session.wrong(
            task,
            f"does not keep what is written there; {_MERGE_ATTEMPTS} attempts",
            code="AB-REGISTRY-REFERRERS-TAG",
            hint="somebody else may be writing the same tag; run the same command again",
        )

    def _merged(self, task: str, known: Document | None, document: Document) -> Document:
        try:
            return merged(known, document)
        except InvalidValueError as error:
            raise self._session.wrong(task, f"has a list that cannot grow: {error}") from error

    def _entries(self, task: str, answer: Answer) -> Iterator[Descriptor]:
        kind = answer.header("Content-Type").partition(";")[0].strip().lower()
        if answer.status in _NO_API or kind != OCI_INDEX:
            raise self._session.wrong(task, "answers with something that is no index")
        try:
            yield from _parse_entries(answer.body)
        except InvalidValueError as error:
            raise self._session.wrong(task, f"answers with an index that is none: {error}") from error


def _parse_entries(raw: bytes) -> Iterator[Descriptor]:
    entries = strictjson.parse_object(raw, max_bytes=MAX_DOCUMENT_BYTES, floats=True).get("manifests") or []
    if not isinstance(entries, list) or len(entries) > _MAX_ENTRIES:
        raise InvalidValueError("manifests is not a list, or too long a one")
    for number, entry in enumerate(entries):
        # Without annotations: nobody here asks for them, and a hundred pages of them are 400 MB.
        yield replace(parse_descriptor(entry, f"manifests[{number}]"), annotations={})


def fallback_tag(digest: Digest) -> str:
    """The tag that stands for the list of attachments of a digest."""
    return f"{digest.algorithm}-{digest.encoded[:64]}"


def merged(known: Document | None, document: Document) -> Document:
    """The list with one more entry; everything that was in it stays as it is."""
    value: dict[str, Any] = (
        dict(known.value) if known is not None else {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}
    )
    value["manifests"] = [*value["manifests"], _entry(document)]
    return parse_document(json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode(), OCI_INDEX)


def _entry(document: Document) -> Mapping[str, Any]:
    descriptor = document.descriptor
    entry: dict[str, Any] = {
        "mediaType": descriptor.media_type,
        "digest": descriptor.digest,
        "size": descriptor.size,
    }
    artifact_type = document.artifact_type or (document.config.media_type if document.config else "")
    if artifact_type:
        entry["artifactType"] = artifact_type
    annotations = document.value.get("annotations")
    if isinstance(annotations, dict) and all(isinstance(text, str) for text in annotations.values()):
        entry["annotations"] = annotations
    return entry


def next_page(session: RegistrySession, task: str, answer: Answer) -> str:
    """The target of the next page, which has to be on the registry itself; empty if this was the last."""
    match = _NEXT.search(answer.header("Link"))
    if match is None:
        return ""
    try:
        origin, target = parse_url(match[1], f"{answer.request.origin}{answer.request.target}")
    except InvalidValueError as error:
        raise session.wrong(task, f"names a next page that is {error}") from error
    # As with uploads, only the path is taken; another host is refused.
    if origin.host != session.origin.host or target == answer.request.target:
        raise session.wrong(task, "names a next page that is on another host, or the same one again")
    return target
