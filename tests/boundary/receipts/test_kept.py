"""The receipts that DEST keeps: whatever anybody has put there, they make a check stricter or say nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.images import artifact, multi_arch_image, single_image
from support.receipts import receipt as make_receipt

from airgap_bundle.boundary.receipts.documents import MAX_RECEIPT_BYTES, dump_receipt, receipt_artifact
from airgap_bundle.boundary.receipts.kept import keep_receipt, read_receipts
from airgap_bundle.registry.store import DirectoryRegistry

if TYPE_CHECKING:
    from pathlib import Path

    from support.content import ImageContent

    from airgap_bundle.boundary.receipts.receipt import Receipt

TAG = f"acme-99999999-{'a' * 12}-{'b' * 8}"


@pytest.fixture
def registry(tmp_path: Path) -> DirectoryRegistry:
    return DirectoryRegistry(tmp_path / "registry")


def keep(registry: DirectoryRegistry, receipt: Receipt, prefix: str = "mirror") -> None:
    keep_receipt(registry, prefix, receipt.product, receipt.id, dump_receipt(receipt))


def test_a_receipt_comes_back_as_it_was_kept(registry: DirectoryRegistry) -> None:
    receipt = make_receipt()
    keep(registry, receipt)
    assert read_receipts(registry, "mirror", receipt.product) == (receipt,)


def test_keeping_it_again_changes_nothing(registry: DirectoryRegistry) -> None:
    receipt = make_receipt()
    keep(registry, receipt)
    keep(registry, receipt)
    assert read_receipts(registry, "mirror", receipt.product) == (receipt,)


def test_where_there_are_none_there_are_none(registry: DirectoryRegistry) -> None:
    assert read_receipts(registry, "mirror", "acme") == ()


def test_those_with_the_highest_sequences_are_read(registry: DirectoryRegistry) -> None:
    receipts = [make_receipt(sequence=number) for number in range(1, 31)]
    for receipt in receipts:
        keep(registry, receipt)
    found = read_receipts(registry, "mirror", receipts[0].product)
    assert [each.sequence for each in found] == list(range(30, 10, -1))


@pytest.mark.parametrize(
    "content",
    [
        single_image("image"),
        multi_arch_image("index"),
        artifact("several", files={"one": b"1", "two": b"2"}),
        artifact("nonsense", files={"receipt.json": b"{}"}),
        artifact("no-json", files={"receipt.json": b"\xff\x00"}),
        artifact("deep", files={"receipt.json": b"[" * 100_000}),
    ],
    ids=lambda content: content.root.descriptor.media_type.rpartition(".")[2],
)
def test_what_is_no_receipt_is_passed_over(registry: DirectoryRegistry, content: ImageContent) -> None:
    receipt = make_receipt(product="acme")
    keep(registry, receipt)
    content.push_to(registry, "mirror/airgap-receipts/acme", TAG)
    assert read_receipts(registry, "mirror", "acme") == (receipt,)


def test_a_layer_that_claims_to_be_too_large_is_not_fetched(registry: DirectoryRegistry) -> None:
    artifact("large", files={"receipt.json": bytes(MAX_RECEIPT_BYTES + 1)}).push_to(
        registry, "mirror/airgap-receipts/acme", TAG
    )
    assert read_receipts(registry, "mirror", "acme") == ()


@pytest.mark.parametrize("tag", ["latest", "acme", "acme-", "acme-x-1", "other-1-a-b", "acme--1", "acme-" + "9" * 100])
def test_tags_that_are_no_receipts_do_not_disturb(registry: DirectoryRegistry, tag: str) -> None:
    single_image("image").push_to(registry, "mirror/airgap-receipts/acme", tag)
    assert read_receipts(registry, "mirror", "acme") == ()


def test_a_receipt_whose_content_was_collected_says_nothing(registry: DirectoryRegistry, tmp_path: Path) -> None:
    receipt = make_receipt()
    keep(registry, receipt)
    _config, layer, _manifest = receipt_artifact(dump_receipt(receipt))
    removed = [path for path in (tmp_path / "registry").rglob(f"*{layer.digest.encoded}*") if path.is_file()]
    assert removed
    for path in removed:
        path.unlink()
    assert read_receipts(registry, "mirror", receipt.product) == ()


def test_a_product_whose_name_begins_like_another_has_its_own(registry: DirectoryRegistry) -> None:
    mine, theirs = make_receipt(product="acme"), make_receipt(product="acme-extra")
    keep(registry, mine)
    keep(registry, theirs)
    assert read_receipts(registry, "mirror", "acme") == (mine,)
    assert read_receipts(registry, "mirror", "acme-extra") == (theirs,)


def test_receipts_lie_below_the_path_of_dest(registry: DirectoryRegistry) -> None:
    receipt = make_receipt()
    keep(registry, receipt, prefix="")
    assert read_receipts(registry, "", receipt.product) == (receipt,)
    assert read_receipts(registry, "mirror", receipt.product) == ()
