"""Bases as they come out of the inside, whole and otherwise."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from support.bundles import parts_of
from support.receipts import DESTINATION, digest, receipt

from airgap_bundle.boundary.lifecycle.holdings import HeldThere, dump_holdings
from airgap_bundle.boundary.receipts.documents import dump_receipt
from airgap_bundle.boundary.receipts.receipt import HeldBlobs
from airgap_bundle.bundle.inventory import BlobEntry
from airgap_bundle.core import strictjson
from airgap_bundle.core.errors import AirgapError, BundleError, DocumentError, UsageError
from airgap_bundle.transfer import base_files
from airgap_bundle.transfer.bases import BaseKind

if TYPE_CHECKING:
    from pathlib import Path

LAYER = BlobEntry(digest=digest("layer"), size=7)
RECEIPT = receipt(content=(HeldBlobs(path="docker.io/library/redis", blobs={LAYER.digest: LAYER.size}),))
HOLDINGS = dump_holdings(
    [HeldThere(destination=DESTINATION, receipts=(RECEIPT,), blobs=((LAYER.digest, LAYER.size),))], RECEIPT.finished
)


def written(path: Path, data: bytes) -> str:
    file = path / "base.json"
    file.write_bytes(data)
    return str(file)


def changed(raw: bytes, place: str, value: object = ...) -> bytes:
    """The document with one field changed or, without a value, taken away; in canonical form."""
    document = json.loads(raw)
    *path, last = (int(part) if part.isdigit() else part for part in place.split("."))
    inner: Any = document
    for part in path:
        inner = inner[part]
    if value is ...:
        del inner[last]
    else:
        inner[last] = value
    return strictjson.canonical(document)


@pytest.mark.parametrize(
    ("kind", "raw"), [(BaseKind.RECEIPT, dump_receipt(RECEIPT)), (BaseKind.HOLDINGS, HOLDINGS)], ids=str
)
def test_what_the_inside_writes_is_read(tmp_path: Path, kind: BaseKind, raw: bytes) -> None:
    for data in (raw, raw + b"\n"):
        (found,) = base_files.read_bases([written(tmp_path, data)])
        assert (found.kind, found.destinations) == (kind, (DESTINATION,))
        (held,) = found.unverified_held
        assert held.blobs == {LAYER.digest: LAYER.size}
        assert held.unlisted == frozenset()
        (bundle,) = found.bundles
        assert (bundle.bundle_id, bundle.product, bundle.version) == (RECEIPT.bundle_id, "acme", "1.1")


def test_a_bundle_stands_for_what_it_holds_and_what_it_left_out(tmp_path: Path) -> None:
    parts = parts_of()
    parts = parts.with_inventory(assumed=(LAYER,), base=(digest("earlier"),))
    (found,) = base_files.read_bases([str(parts.write(tmp_path / "bundle.tar"))])
    (held,) = found.unverified_held
    assert found.kind is BaseKind.BUNDLE
    assert held.destination == ""
    assert held.blobs == {blob.digest: blob.size for blob in (*parts.inventory.blobs, LAYER)}


def test_a_receipt_without_a_list_of_blobs_names_its_images(tmp_path: Path) -> None:
    (found,) = base_files.read_bases([written(tmp_path, dump_receipt(receipt()))])
    (held,) = found.unverified_held
    assert held.unlisted == {receipt().items[0].digest}
    assert held.blobs == {}


def test_an_item_that_was_skipped_is_not_inside(tmp_path: Path) -> None:
    raw = changed(dump_receipt(receipt()), "items.0.outcome", "skipped")
    (found,) = base_files.read_bases([written(tmp_path, raw)])
    assert found.unverified_held[0].unlisted == frozenset()


@pytest.mark.parametrize(
    "raw",
    [
        HOLDINGS[:-1],
        HOLDINGS[: len(HOLDINGS) // 2],
        json.dumps(json.loads(HOLDINGS), indent=2).encode(),
        HOLDINGS + b"\n\n",
        HOLDINGS.replace(b'"size":7', b'"size":7,"size":7'),
        HOLDINGS.replace(b'"size":7', b'"size":-7'),
        HOLDINGS.replace(b'"size":7', b'"size":7.0'),
        changed(HOLDINGS, "destinations.0.blobs.0.size", 2**60),
        changed(HOLDINGS, "destinations.0.blobs.0.size", "7"),
        changed(HOLDINGS, "destinations.0.blobs.0.size", value=True),
        changed(HOLDINGS, "destinations.0.blobs.0.digest", LAYER.digest.upper()),
        changed(HOLDINGS, "destinations.0.blobs.0.digest", "sha256:../../x"),
        changed(HOLDINGS, "destinations.0.blobs.0.digest", "sha512:" + "0" * 128),
        changed(HOLDINGS, "destinations.0.blobs.0.path", "x"),
        changed(HOLDINGS, "destinations.0.blobs", [{"digest": LAYER.digest, "size": n} for n in (7, 8)]),
        changed(HOLDINGS, "destinations.0.blobs"),
        changed(HOLDINGS, "destinations.0.destination", "a\x1b[2Jb"),
        changed(HOLDINGS, "destinations.0.destination", ""),
        changed(HOLDINGS, "destinations.0.destination", "x" * 5000),
        changed(HOLDINGS, "destinations.0.bundles.0.product", "../x"),
        changed(HOLDINGS, "destinations.0.bundles.0.bundle", "sha256:0"),
        changed(HOLDINGS, "destinations.0.bundles.0.version", "1\n2"),
        changed(HOLDINGS, "destinations", {}),
        changed(HOLDINGS, "created", "yesterday"),
        changed(HOLDINGS, "more", 1),
        changed(dump_receipt(RECEIPT), f"content.0.blobs.{LAYER.digest}", -1),
        changed(dump_receipt(RECEIPT), f"content.0.blobs.{LAYER.digest}", "7"),
        changed(dump_receipt(RECEIPT), "content.0.blobs", {"sha256:x": 7}),
        changed(dump_receipt(RECEIPT), "content", {}),
        changed(dump_receipt(RECEIPT), "destination"),
        changed(dump_receipt(RECEIPT), "bundle", "x"),
        dump_receipt(RECEIPT)[:-1],
        b"{",
        b'{"_type":' + b"[" * 100,
    ],
)
def test_what_was_edited_or_cut_short_is_refused(tmp_path: Path, raw: bytes) -> None:
    with pytest.raises(DocumentError) as caught:
        base_files.read_bases([written(tmp_path, raw)])
    assert caught.value.code == "AB-BASE-INVALID"
    assert "base.json" in caught.value.message
    assert "\x1b" not in caught.value.message


@pytest.mark.parametrize(
    "raw", [b"", b"hello", b"\x1f\x8b\x08", b"{}", b"{}" + b" " * 100, b'{"_type":"x"}', b'{"_type":7}']
)
def test_what_is_something_else_is_refused(tmp_path: Path, raw: bytes) -> None:
    with pytest.raises(AirgapError) as caught:
        base_files.read_bases([written(tmp_path, raw)])
    assert caught.value.code in {"AB-BASE-UNKNOWN", "AB-BUNDLE-TRUNCATED"}


def test_more_than_a_receipt_may_have_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base_files, "MAX_BASE_BYTES", len(HOLDINGS) - 1)
    with pytest.raises(DocumentError) as caught:
        base_files.read_bases([written(tmp_path, HOLDINGS)])
    assert caught.value.code == "AB-BASE-INVALID"


def test_what_is_not_there_or_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name, kind in [
        ("-", UsageError),
        (str(tmp_path / "nothing.json"), UsageError),
        ("https://files.example/acme.tar", UsageError),
        (str(tmp_path / "pipe"), BundleError),
    ]:
        with pytest.raises(kind):
            base_files.read_bases([name])


def test_a_damaged_bundle_is_refused_as_one(tmp_path: Path) -> None:
    whole = parts_of().assemble()
    file = tmp_path / "bundle.tar"
    file.write_bytes(whole[:2000])
    with pytest.raises(BundleError) as caught:
        base_files.read_bases([str(file)])
    assert caught.value.code == "AB-BUNDLE-TRUNCATED"
