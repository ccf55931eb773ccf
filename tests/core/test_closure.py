"""What one digest stands for: parents first, each once, and nothing without end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.images import multi_arch_image, single_image

from airgap_bundle.core import closure, strictjson
from airgap_bundle.core.closure import MAX_DEPTH, MAX_DOCUMENTS, children_first, walk
from airgap_bundle.core.content import Descriptor, Digest
from airgap_bundle.core.errors import InvalidValueError
from airgap_bundle.core.oci import DOCKER_LIST, OCI_CONFIG, OCI_INDEX, OCI_MANIFEST, Document, parse_document

if TYPE_CHECKING:
    from collections.abc import Sequence


class Shelf:
    """Documents by digest, and how often each was asked for."""

    def __init__(self) -> None:
        self.documents: dict[Digest, Document] = {}
        self.asked: list[Digest] = []

    def put(self, value: dict[str, Any]) -> Document:
        document = parse_document(strictjson.canonical(value))
        self.documents[document.descriptor.digest] = document
        return document

    def leaf(self, seed: str) -> Document:
        config = {"mediaType": OCI_CONFIG, "digest": Digest.of(seed.encode()), "size": len(seed)}
        return self.put({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": []})

    def index(self, children: Sequence[Document], **fields: Any) -> Document:
        return self.index_of([describe(child) for child in children], **fields)

    def index_of(self, manifests: Sequence[dict[str, Any]], **fields: Any) -> Document:
        return self.put({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": list(manifests), **fields})

    def load(self, descriptor: Descriptor) -> Document:
        self.asked.append(descriptor.digest)
        return self.documents[descriptor.digest]

    def walk(self, root: Document) -> list[Document]:
        return list(walk(root.descriptor, self.load))


def describe(document: Document, **fields: Any) -> dict[str, Any]:
    descriptor = document.descriptor
    return {"mediaType": descriptor.media_type, "digest": descriptor.digest, "size": descriptor.size, **fields}


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


def test_an_image_is_itself(shelf: Shelf) -> None:
    image = shelf.leaf("one")
    assert shelf.walk(image) == [image]


def test_an_index_comes_before_its_children_in_the_order_in_which_they_stand(shelf: Shelf) -> None:
    a, b, c = (shelf.leaf(name) for name in "abc")
    inner = shelf.index([b, c])
    outer = shelf.index([inner, a])
    assert shelf.walk(outer) == [outer, inner, b, c, a]


def test_a_real_index_with_its_attestations_is_walked() -> None:
    image = multi_arch_image("walked")
    known = {document.descriptor.digest: document for document in image.documents}
    walked = list(walk(image.root.descriptor, lambda descriptor: known[descriptor.digest]))
    assert (walked[0], walked[1:]) == (image.root, list(image.documents[:-1]))


def test_what_is_pointed_to_twice_is_asked_for_once(shelf: Shelf) -> None:
    shared = shelf.leaf("shared")
    left, right = shelf.index([shared], annotations={"side": "left"}), shelf.index([shared])
    root = shelf.index([left, right, shared])
    assert shelf.walk(root) == [root, left, shared, right]
    assert shelf.asked.count(shared.descriptor.digest) == 1


def test_one_digest_with_two_types_is_refused(shelf: Shelf) -> None:
    """CVE-2021-41190: what is an index to one reader and an image to another."""
    image = shelf.leaf("ambiguous")
    root = shelf.index_of([describe(image), {**describe(image), "mediaType": OCI_INDEX}])
    with pytest.raises(InvalidValueError, match="described in two ways"):
        shelf.walk(root)


def test_one_digest_with_two_sizes_is_refused(shelf: Shelf) -> None:
    image = shelf.leaf("ambiguous")
    root = shelf.index_of([describe(image), {**describe(image), "size": 1}])
    with pytest.raises(InvalidValueError, match="described in two ways"):
        shelf.walk(root)


def test_annotations_and_platforms_may_differ_where_one_image_stands_twice(shelf: Shelf) -> None:
    image = shelf.leaf("twice")
    platform = {"os": "linux", "architecture": "arm64"}
    root = shelf.index_of([describe(image), describe(image, platform=platform, annotations={"a": "b"})])
    assert shelf.walk(root) == [root, image]


def nested(shelf: Shelf, depth: int) -> Document:
    document = shelf.leaf("deepest")
    for _ in range(depth):
        document = shelf.index([document])
    return document


def test_indexes_may_be_nested_to_the_limit(shelf: Shelf) -> None:
    assert len(shelf.walk(nested(shelf, MAX_DEPTH))) == MAX_DEPTH + 1


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 2000])
def test_indexes_nested_deeper_are_refused_and_not_recursed_into(shelf: Shelf, depth: int) -> None:
    root = nested(shelf, depth)
    with pytest.raises(InvalidValueError, match=f"nested deeper than {MAX_DEPTH}"):
        shelf.walk(root)
    assert len(shelf.asked) == MAX_DEPTH + 1


def test_documents_that_are_too_large_together_are_refused_before_one_more_is_asked_for(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = shelf.index([shelf.leaf(str(number)) for number in range(10)])
    leaf_bytes = root.children[0].descriptor.size
    monkeypatch.setattr(closure, "MAX_DOCUMENTS_BYTES", root.descriptor.size + 3 * leaf_bytes)
    with pytest.raises(InvalidValueError, match="bytes of image manifests"):
        shelf.walk(root)
    assert len(shelf.asked) == 4


def test_too_many_documents_are_refused_before_one_more_is_asked_for(shelf: Shelf) -> None:
    leaf = shelf.leaf("any")
    size = leaf.descriptor.size
    many = [
        {"mediaType": OCI_MANIFEST, "digest": f"sha256:{number:064x}", "size": size} for number in range(MAX_DOCUMENTS)
    ]
    root = shelf.index_of(many)
    asked = 0

    def load(descriptor: Descriptor) -> Document:
        nonlocal asked
        asked += 1
        return root if descriptor == root.descriptor else leaf

    with pytest.raises(InvalidValueError, match=f"more than {MAX_DOCUMENTS} image manifests"):
        list(walk(root.descriptor, load))
    assert asked == MAX_DOCUMENTS


@pytest.mark.parametrize(
    ("media_type", "complaint"),
    [
        ("application/vnd.docker.distribution.manifest.v1+prettyjws", "schema 1"),
        ("application/vnd.docker.distribution.manifest.v1+json", "schema 1"),
        ("application/vnd.oci.image.layer.v1.tar+gzip", "an index that points to"),
        ("text/plain", "an index that points to text/plain"),
    ],
)
def test_a_child_that_is_no_image_document_is_refused_without_asking_for_it(
    shelf: Shelf, media_type: str, complaint: str
) -> None:
    root = shelf.index_of([{"mediaType": media_type, "digest": Digest.of(b"x"), "size": 1}])
    with pytest.raises(InvalidValueError, match=complaint):
        shelf.walk(root)
    assert shelf.asked == [root.descriptor.digest]


def test_an_index_of_dockers_type_is_walked_too() -> None:
    image = multi_arch_image("docker", docker=True)
    known = {document.descriptor.digest: document for document in image.documents}
    assert image.root.descriptor.media_type == DOCKER_LIST
    assert len(list(walk(image.root.descriptor, lambda descriptor: known[descriptor.digest]))) == 3


def test_what_the_loader_raises_passes_through(shelf: Shelf) -> None:
    with pytest.raises(KeyError):
        list(walk(single_image("missing").root.descriptor, shelf.load))


@st.composite
def shelves(draw: st.DrawFn) -> tuple[Shelf, Document]:
    """A directed graph of documents without cycles, and its root."""
    shelf = Shelf()
    made = [shelf.leaf(f"leaf {number}") for number in range(draw(st.integers(1, 4)))]
    for number in range(draw(st.integers(0, 8))):
        children = draw(st.lists(st.sampled_from(made), max_size=5))
        made.append(shelf.index(children, annotations={"number": str(number)}))
    return shelf, shelf.index(draw(st.lists(st.sampled_from(made), max_size=5)))


def walked_or_none(shelf: Shelf, root: Document) -> list[Document] | None:
    try:
        return shelf.walk(root)
    except InvalidValueError as error:
        assert "nested deeper" in str(error)  # noqa: PT017 - the only refusal that such a graph can meet
        return None


@given(shelves())
def test_a_walk_gives_each_document_once_and_never_before_one_that_points_to_it(
    graph: tuple[Shelf, Document],
) -> None:
    shelf, root = graph
    documents = walked_or_none(shelf, root)
    if documents is None:
        return
    digests = [document.descriptor.digest for document in documents]
    assert len(set(digests)) == len(digests)
    assert set(digests) == reachable(shelf, root)
    for place, digest in enumerate(digests[1:], 1):
        assert any(child.descriptor.digest == digest for document in documents[:place] for child in document.children)


def reachable(shelf: Shelf, root: Document) -> set[Digest]:
    found: set[Digest] = set()
    waiting = [root]
    while waiting:
        document = waiting.pop()
        if document.descriptor.digest not in found:
            found.add(document.descriptor.digest)
            waiting += [shelf.documents[child.descriptor.digest] for child in document.children]
    return found


@given(shelves(), st.randoms())
def test_children_first_gives_each_document_once_and_never_before_what_it_points_to(
    graph: tuple[Shelf, Document], chance: Any
) -> None:
    documents = list(graph[0].documents.values())
    chance.shuffle(documents)
    ordered = children_first([*documents, *documents[:2]])
    assert {id(document) for document in ordered} == {id(document) for document in documents}
    assert len(ordered) == len(documents)
    place = {document.descriptor.digest: number for number, document in enumerate(ordered)}
    for document in ordered:
        for child in document.children:
            assert place[child.descriptor.digest] < place[document.descriptor.digest]


def test_children_that_are_not_there_are_no_hindrance(shelf: Shelf) -> None:
    a, b = shelf.leaf("a"), shelf.leaf("b")
    root = shelf.index([a, b])
    assert children_first([root, b]) == [b, root]


def test_children_first_of_nothing_is_nothing() -> None:
    assert children_first([]) == []


def test_a_long_chain_is_ordered_without_recursion(shelf: Shelf) -> None:
    nested(shelf, 3000)
    assert len(children_first(list(shelf.documents.values())[::-1])) == 3001


def test_a_wide_graph_is_ordered_without_looking_at_it_again_and_again(shelf: Shelf) -> None:
    layer = [shelf.leaf(f"leaf {number}") for number in range(60)]
    for level in range(4):
        layer = [shelf.index(layer, annotations={"at": f"{level} {number}"}) for number in range(60)]
    assert len(children_first(shelf.documents.values())) == 300
