"""Everything that one digest stands for: an index with its children, and theirs.

Fetching is the caller's: `load` turns a descriptor into its document, wherever that lies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.core.errors import InvalidValueError
from airgap_bundle.core.oci import DOCUMENT_TYPES, SCHEMA1_TYPES, Document

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from airgap_bundle.core.content import Descriptor, Digest

# Indexes within indexes: real ones have one level; distribution accepts any.
MAX_DEPTH = 4
# Documents below one name. The largest public index seen has 60 children.
MAX_DOCUMENTS = 10_000
# Their bytes together, below one name and in a whole bundle: all of them are in memory at once, and 30,000 ordinary
# image manifests fit.
MAX_DOCUMENTS_BYTES = 64 * 1024 * 1024


def walk(root: Descriptor, load: Callable[[Descriptor], Document]) -> Iterator[Document]:
    """The document of `root`, then those below it: a parent before its children, each once, in the order they stand.

    Raises `InvalidValueError` where a child is no image document, the nesting is too deep or there is too much of it,
    or where a digest is given another type or size than it has: what is an index to one reader must be one to all
    (CVE-2021-41190).
    """
    seen: dict[Digest, Descriptor] = {}
    # A stack of (descriptor, depth), so that a hostile index cannot make Python recurse.
    waiting = [(root, 0)]
    total_bytes = 0
    while waiting:
        descriptor, depth = waiting.pop()
        if (before := seen.get(descriptor.digest)) is not None:
            if before != descriptor:
                raise InvalidValueError(f"{descriptor.digest} is described in two ways")
            continue
        if depth > MAX_DEPTH:
            raise InvalidValueError(f"{root.digest}: indexes nested deeper than {MAX_DEPTH}")
        seen[descriptor.digest] = descriptor
        if len(seen) > MAX_DOCUMENTS:
            raise InvalidValueError(f"{root.digest}: more than {MAX_DOCUMENTS} image manifests")
        total_bytes += descriptor.size
        if total_bytes > MAX_DOCUMENTS_BYTES:
            raise InvalidValueError(f"{root.digest}: more than {MAX_DOCUMENTS_BYTES} bytes of image manifests")
        document = load(descriptor)
        found = document.descriptor
        if (found.media_type, found.size) != (descriptor.media_type, descriptor.size):
            raise InvalidValueError(
                f"{descriptor.digest} is called {descriptor.media_type} of {descriptor.size} bytes where it is pointed "
                f"to, but is {found.media_type} of {found.size} bytes"
            )
        yield document
        for child in reversed(document.children):
            _check_child(child.descriptor)
            waiting.append((child.descriptor, depth + 1))


def children_first(documents: Iterable[Document]) -> list[Document]:
    """The same documents in an order in which a registry accepts them: none before those that it points to."""
    known = {document.descriptor.digest: document for document in documents}
    ordered: list[Document] = []
    done: set[Digest] = set()
    for start in known.values():
        stack = [(start, False)]
        while stack:
            document, expanded = stack.pop()
            if document.descriptor.digest in done:
                continue
            if expanded:
                done.add(document.descriptor.digest)
                ordered.append(document)
                continue
            stack.append((document, True))
            stack += [
                (known[child.descriptor.digest], False)
                for child in reversed(document.children)
                if child.descriptor.digest in known and child.descriptor.digest not in done
            ]
    return ordered


def _check_child(descriptor: Descriptor) -> None:
    if descriptor.media_type in SCHEMA1_TYPES:
        raise InvalidValueError(f"{descriptor.digest}: a Docker schema 1 manifest cannot be carried")
    if descriptor.media_type not in DOCUMENT_TYPES:
        raise InvalidValueError(f"{descriptor.digest}: an index that points to {descriptor.media_type}")
