"""What an import will do: targets, moves and anchors, the same for the same bundle and registry."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from support.bundles import HOST, Parts, parts_of
from support.images import corpus, single_image

from airgap_bundle.bundle.inventory import BlobEntry
from airgap_bundle.core.content import Descriptor, Digest
from airgap_bundle.core.errors import BundleError, UsageError
from airgap_bundle.core.oci import parse_document
from airgap_bundle.transfer.paths import PathMap
from airgap_bundle.transfer.plan import (
    BlobMove,
    Target,
    anchor_of,
    by_digest,
    join_repository,
    needs,
    plan_blobs,
    plan_targets,
)

if TYPE_CHECKING:
    from airgap_bundle.core.oci import Document

BUNDLE = Digest.of(b"bundle")


def targets_of(parts: Parts, *, prefix: str = "mirror", rules: tuple[str, ...] = ()) -> tuple[Target, ...]:
    def load(descriptor: Descriptor) -> Document:
        return parse_document(parts.blobs[descriptor.digest], descriptor.media_type)

    return plan_targets(parts.inventory, BUNDLE, load, prefix=prefix, path_map=PathMap.parse(list(rules)))


def test_each_item_goes_below_dest_and_brings_its_children_before_itself() -> None:
    targets = targets_of(parts_of(corpus()))
    for target in targets:
        assert target.repository.startswith(f"mirror/{HOST}/")
        assert target.top.descriptor.digest == target.item.digest
        seen: set[Digest] = set()
        for document in target.documents:
            assert {child.descriptor.digest for child in document.children} <= seen
            seen.add(document.descriptor.digest)


def test_the_same_bundle_makes_the_same_plan() -> None:
    parts = parts_of(corpus())
    assert targets_of(parts) == targets_of(parts)


def test_an_anchor_names_the_bundle_and_the_document_and_is_a_tag() -> None:
    anchor = anchor_of(BUNDLE, Digest.of(b"document"))
    assert anchor == f"airgap-{BUNDLE.encoded[:12]}-{Digest.of(b'document').encoded[:8]}"
    assert anchor_of(Digest.of(b"other"), Digest.of(b"document")) != anchor


def test_a_blob_of_two_repositories_is_one_move_in_the_order_of_the_bundle() -> None:
    parts = parts_of({("one", "1"): single_image("one"), ("two", "1"): single_image("two")})
    moves = plan_blobs(parts.inventory, needs(targets_of(parts)), {})
    shared = [move for move in moves if len(move.repositories) == 2]
    assert len(shared) == 1
    order = [entry.digest for entry in parts.inventory.blobs]
    assert [move.digest for move in moves] == sorted((move.digest for move in moves), key=order.index)


def test_repositories_are_told_by_digest_each_once_and_in_the_order_of_first_use() -> None:
    one, two = Digest.of(b"1"), Digest.of(b"2")
    pairs = [(one, "b"), (two, "b"), (one, "a"), (one, "b"), (one, "c"), (one, "a"), (two, "b")]
    assert by_digest(pairs) == {one: ("b", "a", "c"), two: ("b",)}


def test_a_layer_of_all_images_costs_no_more_than_their_number() -> None:
    names = [f"repository{number}" for number in range(20_000)]
    assert by_digest((BUNDLE, name) for name in names * 2) == {BUNDLE: tuple(names)}


def test_a_move_knows_what_is_missing_where() -> None:
    move = BlobMove(digest=BUNDLE, size=1, repositories=("a", "b", "c"), held=frozenset({"b"}))
    assert move.missing == ("a", "c")


def test_two_items_under_one_name_are_refused() -> None:
    parts = parts_of({("one", "1"): single_image("one"), ("two", "1"): single_image("two")})
    with pytest.raises(UsageError) as caught:
        targets_of(parts, rules=(f"{HOST}/one=x", f"{HOST}/two=x"))
    assert caught.value.code == "AB-USAGE-COLLISION"


def test_a_blob_that_the_inventory_does_not_list_is_missed() -> None:
    parts = parts_of({("one", "1"): single_image("one")})
    layer = single_image("one").root.layers[-1]
    left = tuple(entry for entry in parts.inventory.blobs if entry.digest != layer.digest)
    broken = replace(parts, inventory=replace(parts.inventory, blobs=left))
    with pytest.raises(BundleError) as caught:
        targets_of(broken)
    assert caught.value.code == "AB-BUNDLE-INCOMPLETE"
    assert layer.digest in caught.value.message


def test_a_blob_that_is_listed_with_another_size_is_refused() -> None:
    parts = parts_of({("one", "1"): single_image("one")})
    layer = single_image("one").root.layers[-1]
    wrong = tuple(
        BlobEntry(digest=entry.digest, size=entry.size + (entry.digest == layer.digest))
        for entry in parts.inventory.blobs
    )
    with pytest.raises(BundleError) as caught:
        targets_of(replace(parts, inventory=replace(parts.inventory, blobs=wrong)))
    assert caught.value.code == "AB-BUNDLE-INCOMPLETE"


@pytest.mark.parametrize("prefix", ["x" * 250, "UPPER", "a//b"])
def test_a_name_that_no_registry_takes_is_refused(prefix: str) -> None:
    with pytest.raises(UsageError) as caught:
        join_repository(prefix, "library/redis")
    assert caught.value.code == "AB-USAGE-REPOSITORY"


def test_without_a_prefix_the_path_is_the_name() -> None:
    assert join_repository("", "library/redis") == "library/redis"
