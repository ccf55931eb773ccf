"""The strict reader: a whole bundle is read, and everything else is refused with the right name."""

from __future__ import annotations

import gzip
import io
import json
import os
import random
import tarfile
import threading
import zipfile
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from support.bundles import SOME_SIGNATURE, Parts, parts_of
from support.content import Corpus
from support.images import corpus, multi_arch_image, scratch_image

from airgap_bundle.bundle import layout
from airgap_bundle.bundle.inventory import MAX_INVENTORY_BYTES, BlobEntry, dump_inventory
from airgap_bundle.bundle.layout import INDEX, LOCK, MANIFEST, member_bytes, tar_header
from airgap_bundle.bundle.media import FileMedium, StreamMedium
from airgap_bundle.bundle.reader import BundleReader, UnverifiedHead, read_head, read_inventory
from airgap_bundle.bundle.signatures import build_area
from airgap_bundle.core.content import Descriptor, Digest, copy_verified, new_buffer
from airgap_bundle.core.errors import AirgapError, BundleError
from airgap_bundle.core.oci import MAX_DOCUMENT_BYTES, OCI_INDEX, OCI_MANIFEST

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


class MemoryMedium:
    """A bundle in memory, which hands out as little at a time as a slow pipe may."""

    name = "memory"
    seekable = True

    def __init__(self, data: bytes | bytearray, *, at_most: int = 1 << 30) -> None:
        self.data = data
        self.size: int | None = len(data)
        self._at_most = at_most

    def read_at(self, offset: int, buffer: memoryview) -> int:
        piece = self.data[offset : offset + min(len(buffer), self._at_most)]
        buffer[: len(piece)] = piece
        return len(piece)

    def explain(self, error: BundleError, start: int, end: int) -> BundleError:
        assert start < end
        return error

    def close(self) -> None:
        """Nothing to let go of."""


def open_bundle(data: bytes) -> BundleReader:
    medium = MemoryMedium(data)
    head = read_head(medium)
    return BundleReader(medium, head, read_inventory(head, medium.name))


def read_all(data: bytes) -> tuple[UnverifiedHead, dict[Digest, bytes]]:
    """Read a bundle as an import does, every byte of it."""
    reader = open_bundle(data)
    reader.check_head()
    reader.check_length()
    return read_head(reader.medium), read_body(reader)


def read_body(reader: BundleReader) -> dict[Digest, bytes]:
    blobs = {blob.digest: reader.read_blob(blob.digest) for blob in reader.inventory.blobs}
    reader.check_end()
    return blobs


def code_of(data: bytes) -> str:
    with pytest.raises(BundleError) as caught:
        read_all(data)
    assert caught.value.message
    assert "\n" not in caught.value.message
    return caught.value.code


@pytest.fixture(scope="module")
def parts() -> Parts:
    return parts_of(signatures=[SOME_SIGNATURE])


@pytest.fixture(scope="module")
def whole(parts: Parts) -> bytes:
    return parts.assemble()


def test_a_whole_bundle_is_read_as_it_was_put_together(parts: Parts, whole: bytes) -> None:
    head, blobs = read_all(whole)
    assert blobs == dict(parts.blobs)
    assert (head.signatures, head.inventory_raw) == (parts.signatures, parts.inventory_bytes)
    assert (head.manifest_raw, head.lock_raw) == (parts.members[MANIFEST], parts.members[LOCK])
    assert head.members == parts.inventory.members
    assert head.head_bytes == len(parts.head())
    assert head.area_at == head.head_bytes - layout.SIGNATURE_AREA_BYTES


def test_a_bundle_with_everything_in_it_is_read(tmp_path: Path) -> None:
    everything = parts_of(corpus())
    medium = FileMedium(everything.write(tmp_path / "all.tar"))
    head = read_head(medium)
    reader = BundleReader(medium, head, read_inventory(head, medium.name))
    reader.check_head()
    reader.check_length()
    for digest, data in everything.blobs.items():
        assert reader.read_blob(digest) == data
    reader.check_end()
    medium.close()


def test_a_bundle_without_the_docker_view_is_read(parts: Parts) -> None:
    members = {name: data for name, data in parts.members.items() if name != layout.DOCKER_MANIFEST}
    named = tuple(member for member in parts.inventory.members if member.name != layout.DOCKER_MANIFEST)
    read_all(replace(parts, members=members).with_inventory(members=named).assemble())


def test_short_reads_change_nothing(parts: Parts, whole: bytes) -> None:
    medium = MemoryMedium(whole, at_most=1021)
    head = read_head(medium)
    reader = BundleReader(medium, head, read_inventory(head, medium.name))
    assert {digest: reader.read_blob(digest) for digest in parts.blobs} == dict(parts.blobs)


def test_a_file_cut_at_every_offset_of_the_head_is_refused(parts: Parts, whole: bytes) -> None:
    in_front = len(parts.head()) - layout.SIGNATURE_AREA_BYTES
    # In the area every offset is the same read of a fixed length, so some of them stand for all.
    area = [in_front + n for n in (0, 1, 511, 512, 513, 5000, layout.SIGNATURE_AREA_BYTES - 1)]
    for offset in [*range(in_front), *area]:
        with pytest.raises(BundleError) as caught:
            read_head(MemoryMedium(whole[:offset]))
        assert caught.value.code == "AB-BUNDLE-TRUNCATED", offset


def test_a_file_cut_anywhere_behind_the_head_is_noticed_before_any_work(parts: Parts, whole: bytes) -> None:
    for offset in range(len(parts.head()), len(whole), 97):
        reader = open_bundle(whole[:offset])
        with pytest.raises(BundleError) as caught:
            reader.check_length()
        assert caught.value.code == "AB-BUNDLE-TRUNCATED"


def test_a_stream_cut_anywhere_behind_the_head_is_refused(parts: Parts, whole: bytes) -> None:
    for offset in range(len(parts.head()), len(whole), 97):
        medium = MemoryMedium(whole[:offset])
        medium.size = None
        head = read_head(medium)
        reader = BundleReader(medium, head, read_inventory(head, medium.name))
        with pytest.raises(BundleError) as caught:
            read_body(reader)
        assert caught.value.code == "AB-BUNDLE-TRUNCATED", offset


def zipped() -> bytes:
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w") as archive:
        archive.writestr("index.json", b"{}" * 1000)
    return raw.getvalue()


def gnu_tar() -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.GNU_FORMAT) as tar:
        entry = tarfile.TarInfo("oci-layout")
        entry.size = 30
        tar.addfile(entry, io.BytesIO(layout.OCI_LAYOUT_CONTENT))
    return raw.getvalue()


NO_BUNDLES = {
    "gzip": (gzip.compress(random.Random(1).randbytes(9000)), "a gzip file"),
    "zstd": (b"\x28\xb5\x2f\xfd" + bytes(9000), "a zstd file"),
    "xz": (b"\xfd7zXZ\0" + bytes(9000), "an xz file"),
    "zip": (zipped(), "a zip file"),
    "encrypted": (b"\x85\x02\x0c" + bytes(9000), "an encrypted file"),
    "armored": (b"-----BEGIN PGP MESSAGE-----\n" * 50, "an armored OpenPGP file"),
    "zeros": (bytes(2_000_000), "it does not start as one"),
    "text": (b"hello, world\n" * 1000, "it does not start as one"),
    "a little text": (b"hello\n", "it does not start as one"),
    "html": (b"<!doctype html><title>404</title>" + b" " * 600, "it does not start as one"),
    "an image of Docker": (gnu_tar(), "it does not start as one"),
}


@pytest.mark.parametrize(("data", "what"), NO_BUNDLES.values(), ids=NO_BUNDLES)
def test_something_else_is_called_what_it_is(data: bytes, what: str) -> None:
    with pytest.raises(BundleError, match=what) as caught:
        read_head(MemoryMedium(data))
    assert caught.value.code == "AB-BUNDLE-NOT-A-BUNDLE"


def test_an_empty_file_ends_too_early() -> None:
    with pytest.raises(BundleError) as caught:
        read_head(MemoryMedium(b""))
    assert caught.value.code == "AB-BUNDLE-TRUNCATED"


def pax(size: int, record: bytes) -> bytes:
    """A PAX header block with one record, as a smuggler would put it in front of a member."""
    header = bytearray(tar_header("PaxHeaders/x", len(record)))
    header[156:157] = b"x"
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + record + bytes(-size % 512)


def in_front_of(name: str, data: bytes, extra: bytes) -> bytes:
    at = data.index(name.encode() + b"\0")
    return data[:at] + extra + data[at:]


def foreign_heads(parts: Parts, whole: bytes) -> dict[str, bytes]:
    """Bundles with something in the head that our writer never writes there."""
    members = dict(parts.members)
    one = {name: member_bytes(name, data) for name, data in members.items()}
    inventory = member_bytes(layout.INVENTORY, parts.inventory_bytes)
    rest = build_area(parts.signatures) + parts.body() + bytes(1024)
    first, *others = one.values()
    record = b"19 path=index.json\n"
    long_name = bytearray(tar_header("longlink", 300))
    long_name[156:157] = b"L"
    link = bytearray(tar_header(INDEX, 0))
    link[156:157], link[157:161] = b"2", b"/etc"
    for header in (long_name, link):
        header[148:156] = b" " * 8
        header[148:156] = b"%06o\0 " % sum(header)
    return {
        "index.json first": b"".join([others[0], first, *others[1:], inventory, rest]),
        "oci-layout missing": b"".join([*others, inventory, rest]),
        "index.json missing": b"".join([first, *others[1:], inventory, rest]),
        "the lock missing": b"".join([first, *others[:-1], inventory, rest]),
        "the inventory missing": b"".join([first, *others, rest]),
        "the inventory first": b"".join([inventory, first, *others, rest]),
        "the inventory twice": b"".join([first, *others, inventory, inventory, rest]),
        "index.json twice": b"".join([first, others[0], *others, inventory, rest]),
        "the docker view twice": b"".join([first, others[0], others[1], *others[1:], inventory, rest]),
        "the docker view last": b"".join([first, others[0], *others[2:], others[1], inventory, rest]),
        "a blob in front": b"".join([parts.body(), first, *others, inventory, rest]),
        "a blob before the inventory": b"".join([first, *others, parts.body(), inventory, rest]),
        "a signature before the inventory": in_front_of(
            layout.INVENTORY, whole, member_bytes("airgap/signatures/" + SOME_SIGNATURE.name, b"x")
        ),
        "a PAX header": in_front_of(INDEX, whole, pax(len(record), record)),
        "a GNU long name": in_front_of(INDEX, whole, bytes(long_name) + bytes(512)),
        "a symbolic link": in_front_of(INDEX, whole, bytes(link)),
        "the same name in capitals": in_front_of(INDEX, whole, member_bytes("INDEX.JSON", b"{}")),
        "another version of the layout": whole.replace(b'"1.0.0"}\0', b'"9.0.0"}\0', 1),
        "a longer oci-layout": member_bytes("oci-layout", layout.OCI_LAYOUT_CONTENT + b"\n") + whole[1024:],
        "a zero block": in_front_of(INDEX, whole, bytes(512)),
        "padding that is not empty": whole[:1023] + b"x" + whole[1024:],
        "an index.json of 65 MiB": whole[:1024] + tar_header(INDEX, 65 * 1024**2) + whole[1536:],
        "an index.json of 2^62": whole[:1024] + tar_header(INDEX, 2**62) + whole[1536:],
        "an inventory too large": in_front_of(layout.INVENTORY, whole, tar_header(layout.INVENTORY, 2**26 + 1)),
        "a manifest of 5 MiB": in_front_of(MANIFEST, whole, tar_header(MANIFEST, 5 * 1024**2)),
    }


FOREIGN_HEADS = list(foreign_heads(parts_of(), parts_of().assemble()))


@pytest.mark.parametrize("what", FOREIGN_HEADS)
def test_a_head_that_this_format_does_not_write_is_refused(parts: Parts, whole: bytes, what: str) -> None:
    data = foreign_heads(parts, whole)[what]
    assert data != whole
    with pytest.raises(BundleError) as caught:
        read_head(MemoryMedium(data))
    assert caught.value.code in {"AB-BUNDLE-MALFORMED", "AB-BUNDLE-NOT-A-BUNDLE"}
    assert "byte" in caught.value.message or "not a bundle" in caught.value.message


class CountingMedium(MemoryMedium):
    """Never ends, and counts what it is asked for."""

    asked = 0

    def read_at(self, offset: int, buffer: memoryview) -> int:
        self.asked += len(buffer)
        return super().read_at(offset, buffer) or len(buffer)


def test_no_claimed_size_makes_the_reader_read_more_than_its_limit() -> None:
    medium = CountingMedium(layout.member_bytes("oci-layout", layout.OCI_LAYOUT_CONTENT) + tar_header(INDEX, 2**62))
    with pytest.raises(BundleError, match="claims"):
        read_head(medium)
    assert medium.asked < 4096


def test_the_limits_let_the_largest_inventory_through() -> None:
    assert tar_header(layout.INVENTORY, MAX_INVENTORY_BYTES)


def trailing(whole: bytes) -> dict[str, bytes]:
    return {
        "one byte": whole + b"x",
        "one zero": whole + b"\0",
        "a zero block": whole + bytes(512),
        "padding as GNU tar writes it": whole + bytes(10240 - len(whole) % 10240),
        "a second archive": whole + whole,
        "2 KB": whole + b"x" * 2048,
    }


@pytest.mark.parametrize("what", trailing(b""))
def test_nothing_may_follow_the_end(whole: bytes, what: str) -> None:
    data = trailing(whole)[what]
    assert code_of(data) == "AB-BUNDLE-TRAILING"
    stream = MemoryMedium(data)
    reader = open_bundle(data)
    stream.size = None
    with pytest.raises(BundleError) as caught:
        reader.check_end()
    assert caught.value.code == "AB-BUNDLE-TRAILING"


def test_an_end_that_is_not_zeros_is_refused(whole: bytes) -> None:
    assert code_of(whole[:-1] + b"x") == "AB-BUNDLE-MALFORMED"
    assert code_of(whole[:-1024] + whole[:1024]) == "AB-BUNDLE-MALFORMED"


@pytest.mark.parametrize("left", [0, 512, 1023])
def test_an_end_that_is_missing_is_a_bundle_cut_short(whole: bytes, left: int) -> None:
    assert code_of(whole[: len(whole) - 1024 + left]) == "AB-BUNDLE-TRUNCATED"


def swapped(parts: Parts) -> bytes:
    digests = list(parts.blobs)
    digests[0], digests[1] = digests[1], digests[0]
    return replace(parts, blobs={digest: parts.blobs[digest] for digest in digests}).assemble()


def damaged_bodies(parts: Parts, whole: bytes) -> dict[str, tuple[bytes, str]]:
    head = len(parts.head())
    first = next(iter(parts.blobs.values()))
    unlisted = b"unlisted"
    extra = {**parts.blobs, Digest.of(unlisted): unlisted}
    fewer = dict(list(parts.blobs.items())[:-1])
    wrong = {**parts.blobs, next(iter(parts.blobs)): bytes(len(first))}
    return {
        "another header": (whole[: head + 100] + b"0000755\0" + whole[head + 108 :], "AB-BUNDLE-MALFORMED"),
        "the first byte of a blob": (whole[: head + 512] + b"\xff" + whole[head + 513 :], "AB-BUNDLE-BLOB"),
        "the last byte of a blob": (
            whole[: head + 511 + len(first)] + b"\xff" + whole[head + 512 + len(first) :],
            "AB-BUNDLE-BLOB",
        ),
        "padding that is not empty": (
            whole[: head + 512 + len(first)] + b"\1" + whole[head + 513 + len(first) :],
            "AB-BUNDLE-MALFORMED",
        ),
        "other bytes of the right size": (replace(parts, blobs=wrong).assemble(), "AB-BUNDLE-BLOB"),
        "two blobs in another order": (swapped(parts), "AB-BUNDLE-MALFORMED"),
        "a blob that is not listed": (replace(parts, blobs=extra).assemble(), "AB-BUNDLE-TRAILING"),
        "a blob that is missing": (replace(parts, blobs=fewer).assemble(), "AB-BUNDLE-TRUNCATED"),
    }


@pytest.mark.parametrize("what", damaged_bodies(parts_of(), parts_of().assemble()))
def test_a_body_that_is_not_as_listed_is_refused(parts: Parts, whole: bytes, what: str) -> None:
    data, code = damaged_bodies(parts, whole)[what]
    assert code_of(data) == code


def test_every_kind_of_damage_names_the_blob_it_is_in(parts: Parts, whole: bytes) -> None:
    head, digest = len(parts.head()), next(iter(parts.blobs))
    with pytest.raises(BundleError, match=digest):
        read_all(whole[: head + 512] + b"\xff" + whole[head + 513 :])


def test_a_member_that_the_inventory_does_not_vouch_for_is_refused(parts: Parts) -> None:
    for name in (INDEX, layout.DOCKER_MANIFEST, MANIFEST, LOCK):
        other = replace(parts, members={**parts.members, name: parts.members[name] + b" "})
        with pytest.raises(BundleError, match=name) as caught:
            open_bundle(other.assemble()).check_head()
        assert caught.value.code == "AB-BUNDLE-MEMBER"


def test_a_member_too_many_or_too_few_in_the_inventory_is_refused(parts: Parts) -> None:
    members = parts.inventory.members
    for named in (members[:-1], (*members, members[-1]), ()):
        with pytest.raises(BundleError) as caught:
            open_bundle(parts.with_inventory(members=named).assemble()).check_head()
        assert caught.value.code == "AB-BUNDLE-MEMBER"


INDEX_CHANGES = {
    "another digest": lambda entry: entry.update(digest=Digest.of(b"x")),
    "another size": lambda entry: entry.update(size=1),
    "another type": lambda entry: entry.update(mediaType=OCI_INDEX),
    "another name": lambda entry: entry["annotations"].update({"io.containerd.image.name": "registry.example/x:1"}),
    "one annotation more": lambda entry: entry["annotations"].update({"x": "y"}),
    "a platform": lambda entry: entry.update(platform={"os": "linux", "architecture": "arm64"}),
}


@pytest.mark.parametrize("change", INDEX_CHANGES.values(), ids=INDEX_CHANGES)
def test_an_index_that_disagrees_with_the_inventory_is_refused_although_it_is_vouched_for(
    parts: Parts, change: Any
) -> None:
    document = json.loads(parts.members[INDEX])
    change(document["manifests"][0])
    raw = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
    with pytest.raises(BundleError) as caught:
        open_bundle(parts.with_member(INDEX, raw).assemble()).check_head()
    assert caught.value.code == "AB-BUNDLE-INDEX"


def test_an_inventory_that_is_none_is_refused_when_it_is_parsed(parts: Parts) -> None:
    head = read_head(MemoryMedium(replace(parts, raw_inventory=b'{"_type":"x"}').assemble()))
    with pytest.raises(BundleError, match="the inventory of memory is malformed: _type") as caught:
        read_inventory(head, "memory")
    assert caught.value.code == "AB-BUNDLE-INVENTORY"


def test_the_head_is_read_without_looking_into_the_inventory(parts: Parts) -> None:
    """Signatures are checked over its bytes before anybody parses them."""
    assert read_head(MemoryMedium(replace(parts, raw_inventory=b"\xff\0not JSON").assemble())).inventory_raw


def add_blob(parts: Parts, data: bytes, digest: Digest | None = None) -> Parts:
    digest = digest or Digest.of(data)
    entries = (*parts.inventory.blobs, BlobEntry(digest=digest, size=len(data)))
    return replace(parts, blobs={**parts.blobs, digest: data}).with_inventory(blobs=entries)


def document_of(size: int) -> bytes:
    """An image manifest of exactly `size` bytes."""
    config = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": Digest.of(b"{}"), "size": 2}
    front = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": []}
    raw = json.dumps(front).encode()
    return raw[:-1] + b" " * (size - len(raw)) + b"}"


def load(data: bytes, media_type: str = OCI_MANIFEST, *, size: int | None = None) -> None:
    reader = open_bundle(add_blob(parts_of(), data).assemble())
    reader.load(Descriptor(media_type=media_type, digest=Digest.of(data), size=len(data) if size is None else size))


def test_documents_of_a_bundle_are_loaded_with_their_bytes() -> None:
    image = multi_arch_image("loaded")
    reader = open_bundle(parts_of({("library/loaded", "1"): image}).assemble())
    for document in image.documents:
        assert reader.load(document.descriptor).raw == document.raw


def test_an_image_manifest_of_exactly_4_mib_is_loaded() -> None:
    load(document_of(MAX_DOCUMENT_BYTES))


UNUSABLE: dict[str, tuple[bytes, str, int | None, str]] = {
    "one byte more than 4 MiB": (document_of(MAX_DOCUMENT_BYTES + 1), OCI_MANIFEST, None, "are allowed"),
    "another size than what points to it": (document_of(900), OCI_MANIFEST, 901, "what points to it says 901"),
    "not JSON": (b"\x1f\x8b" * 40, OCI_MANIFEST, None, "cannot be used"),
    "a manifest taken for an index": (document_of(900), OCI_INDEX, None, "calls itself"),
    "both manifest and index": (
        b'{"schemaVersion":2,"manifests":[],"config":{},"layers":[]}',
        OCI_INDEX,
        None,
        "both or neither",
    ),
    "schema 1": (b'{"schemaVersion":1,"fsLayers":[]}', OCI_MANIFEST, None, "schema 1"),
    "a child without a digest": (
        b'{"schemaVersion":2,"manifests":[{"mediaType":"a/b","size":1}]}',
        OCI_INDEX,
        None,
        r"manifests\[0\]",
    ),
    "a child with a digest that is a path": (
        b'{"schemaVersion":2,"manifests":[{"mediaType":"a/b","size":1,"digest":"sha256:../x"}]}',
        OCI_INDEX,
        None,
        "not a digest",
    ),
}


@pytest.mark.parametrize(("data", "media_type", "size", "complaint"), UNUSABLE.values(), ids=UNUSABLE)
def test_a_document_that_a_registry_would_refuse_is_refused(
    data: bytes, media_type: str, size: int | None, complaint: str
) -> None:
    with pytest.raises(BundleError, match=complaint) as caught:
        load(data, media_type, size=size)
    assert caught.value.code == "AB-BUNDLE-DOCUMENT"
    assert Digest.of(data) in caught.value.message


def test_a_document_that_is_not_in_the_bundle_is_named(whole: bytes) -> None:
    missing = Digest.of(b"missing")
    with pytest.raises(BundleError, match=missing) as caught:
        open_bundle(whole).load(Descriptor(media_type=OCI_MANIFEST, digest=missing, size=7))
    assert caught.value.code == "AB-BUNDLE-INCOMPLETE"


def test_a_layer_that_is_not_in_the_bundle_is_named(whole: bytes) -> None:
    with pytest.raises(BundleError) as caught, open_bundle(whole).open_blob(Digest.of(b"missing")):
        pytest.fail("there is nothing to read")
    assert caught.value.code == "AB-BUNDLE-INCOMPLETE"


def test_what_a_delta_assumes_cannot_be_read_from_it(parts: Parts) -> None:
    assumed = BlobEntry(digest=Digest.of(b"inside"), size=6)
    reader = open_bundle(parts.with_inventory(assumed=(assumed,), base=(Digest.of(b"base"),)).assemble())
    with pytest.raises(BundleError) as caught:
        reader.read_blob(assumed.digest)
    assert caught.value.code == "AB-BUNDLE-INCOMPLETE"


def test_a_sha512_document_is_not_looked_for(whole: bytes) -> None:
    data = document_of(900)
    with pytest.raises(BundleError) as caught:
        open_bundle(whole).load(Descriptor(media_type=OCI_MANIFEST, digest=Digest.of(data, "sha512"), size=900))
    assert caught.value.code == "AB-BUNDLE-INCOMPLETE"


@pytest.mark.parametrize("data", [b"", b"x", b"y" * 511, b"z" * 512, b"w" * 513])
def test_blobs_of_every_awkward_length_are_read_with_their_padding(data: bytes) -> None:
    bundle = add_blob(parts_of({("library/empty", "1"): scratch_image("empty")}), data).assemble()
    assert read_all(bundle)[1][Digest.of(data)] == data
    if -len(data) % 512:
        assert code_of(bundle[:-1025] + b"\1" + bundle[-1024:]) == "AB-BUNDLE-MALFORMED"


def test_a_blob_of_no_bytes_has_its_header_checked_too() -> None:
    bundle = add_blob(parts_of(), b"").assemble()
    assert code_of(bundle[:-1025] + b"\1" + bundle[-1024:]) == "AB-BUNDLE-MALFORMED"


def test_a_source_says_again_and_again_that_it_is_at_its_end(parts: Parts, whole: bytes) -> None:
    digest, data = next(iter(parts.blobs.items()))
    with open_bundle(whole).open_blob(digest) as source:
        buffer = new_buffer(len(data) + 100)
        assert source.readinto(buffer) == len(data)
        assert [source.readinto(buffer), source.readinto(buffer)] == [0, 0]


def unnoticed_flips(bits: Iterable[int], parts: Parts) -> list[int]:
    """The bits that may be flipped without anybody noticing: nothing is refused, and the same is signed."""
    data = bytearray(parts.assemble())
    medium = MemoryMedium(data)
    whole_head = read_head(medium)
    unnoticed = []
    for bit in bits:
        data[bit // 8] ^= 1 << bit % 8
        try:
            # The head is the same as before where only what follows has changed.
            head = read_head(medium) if bit < whole_head.head_bytes * 8 else whole_head
            same = (head.inventory_raw, head.signatures) == (whole_head.inventory_raw, whole_head.signatures)
            # Otherwise the signatures no longer hold over what was read.
            if same:
                reader = BundleReader(medium, head, parts.inventory)
                reader.check_head()
                reader.check_length()
                read_body(reader)
                unnoticed.append(bit)
        except AirgapError:
            pass
        data[bit // 8] ^= 1 << bit % 8
    return unnoticed


def small_parts() -> Parts:
    return parts_of(Corpus(tags={("library/tiny", "1"): scratch_image("tiny")}), signatures=[SOME_SIGNATURE])


def test_sampled_flips_of_a_bit_are_all_noticed() -> None:
    parts = small_parts()
    length = len(parts.assemble())
    chance = random.Random("bits")
    front = len(parts.head()) - layout.SIGNATURE_AREA_BYTES + 2048
    bits = {
        *chance.sample(range(front * 8), 500),
        *chance.sample(range(len(parts.head()) * 8), 100),
        *chance.sample(range(len(parts.head()) * 8, length * 8), 300),
    }
    assert unnoticed_flips(sorted(bits), parts) == []


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_no_flip_of_a_bit_goes_unnoticed() -> None:
    """Every bit of a small bundle but most of the reserved zeros, where one bit in 997 stands for the others."""
    parts = small_parts()
    length = len(parts.assemble())
    front = len(parts.head()) - layout.SIGNATURE_AREA_BYTES + 2048
    bits = [
        *range(front * 8),
        *range(front * 8, len(parts.head()) * 8, 997),
        *range((len(parts.head()) - 64) * 8, length * 8),
    ]
    assert unnoticed_flips(bits, parts) == []


def test_a_stream_is_read_from_front_to_end(parts: Parts, whole: bytes) -> None:
    reading, writing = os.pipe()
    writer = threading.Thread(target=write_and_close, args=(writing, whole))
    writer.start()
    try:
        medium = StreamMedium(reading)
        head = read_head(medium)
        reader = BundleReader(medium, head, read_inventory(head, medium.name))
        reader.check_head()
        reader.check_length()
        for digest, data in parts.blobs.items():
            sink = io.BytesIO()
            with reader.open_blob(digest) as source:
                copy_verified(source, sink, digest=digest, size=len(data), buffer=new_buffer(7))
            assert sink.getvalue() == data
        reader.check_end()
    finally:
        writer.join()
        os.close(reading)


def test_documents_of_a_stream_are_kept_as_it_passes_only_once(whole: bytes, parts: Parts) -> None:
    reading, writing = os.pipe()
    writer = threading.Thread(target=write_and_close, args=(writing, whole))
    writer.start()
    try:
        medium = StreamMedium(reading)
        head = read_head(medium)
        reader = BundleReader(medium, head, read_inventory(head, medium.name))
        top = parts.inventory.items[0]
        descriptor = Descriptor(media_type=top.media_type, digest=top.digest, size=top.size)
        assert reader.load(descriptor) == reader.load(descriptor)
        assert reader.loaded(top.digest) == reader.load(descriptor).raw
    finally:
        os.close(reading)
        writer.join()


def write_and_close(descriptor: int, data: bytes) -> None:
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
    except BrokenPipeError:
        return  # the reader has seen enough


def test_the_inventory_that_was_written_is_the_one_that_is_read(parts: Parts, whole: bytes) -> None:
    head = read_head(MemoryMedium(whole))
    assert read_inventory(head, "memory") == parts.inventory
    assert head.bundle_id == Digest.of(dump_inventory(parts.inventory))
