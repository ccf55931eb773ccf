"""Properties of the bundle format: round trips, offsets, and one spelling for each content."""

from __future__ import annotations

import datetime as dt
import io
import json
import tarfile
from dataclasses import replace
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st
from support.bundles import describe, head_members

from airgap_bundle.bundle import layout
from airgap_bundle.bundle.inventory import BlobEntry, Inventory, Item, dump_inventory, parse_inventory
from airgap_bundle.bundle.layout import blob_name, lay_out, member_bytes, padding_of, parse_tar_header, tar_header
from airgap_bundle.bundle.signatures import (
    MAX_SIGNATURES,
    SignatureFile,
    build_area,
    parse_area,
    plan_addition,
)
from airgap_bundle.core import strictjson
from airgap_bundle.core.content import MAX_SIZE_BYTES, Digest
from airgap_bundle.core.errors import InvalidValueError
from airgap_bundle.core.oci import OCI_INDEX, OCI_MANIFEST

COMPONENTS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True)
NAMES = st.lists(COMPONENTS, min_size=1, max_size=4).map("/".join)
SIZES = st.one_of(
    st.integers(0, 2000), st.integers(2**33 - 600, 2**33 + 600), st.integers(0, MAX_SIZE_BYTES), st.just(MAX_SIZE_BYTES)
)
DIGESTS = st.binary(max_size=8).map(Digest.of)
REPOSITORIES = st.from_regex(r"[a-z0-9]{1,8}([._/-][a-z0-9]{1,8}){0,4}", fullmatch=True)
TAGS = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,30}", fullmatch=True)
# Whatever a name from outside may hold, but halves of a character, which UTF-8 cannot.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
MOMENTS = st.datetimes(dt.datetime(1970, 1, 1), dt.datetime(9999, 12, 31)).map(  # noqa: DTZ001 - UTC is set below
    lambda moment: moment.replace(microsecond=0, tzinfo=dt.UTC)
)


@given(NAMES, SIZES)
def test_a_header_says_what_was_put_into_it(name: str, size: int) -> None:
    assert parse_tar_header(tar_header(name, size)) == (name, size)


@given(NAMES, SIZES)
def test_python_reads_every_header_as_we_do(name: str, size: int) -> None:
    entry = tarfile.TarInfo.frombuf(tar_header(name, size), "ascii", "strict")
    assert (entry.name, entry.size, entry.isreg()) == (name, size, True)


@given(st.binary(min_size=512, max_size=512))
def test_a_block_is_refused_or_is_the_one_header_of_its_member(block: bytes) -> None:
    try:
        name, size = parse_tar_header(block)
    except InvalidValueError:
        return
    assert tar_header(name, size) == block


@given(name=NAMES, size=SIZES, at=st.integers(0, 511), value=st.integers(0, 255), resum=st.booleans())
def test_a_header_with_another_byte_is_refused_or_another_header(
    *, name: str, size: int, at: int, value: int, resum: bool
) -> None:
    header = bytearray(tar_header(name, size))
    header[at] = value
    if resum:
        header[148:156] = b" " * 8
        header[148:156] = b"%06o\0 " % sum(header)
    try:
        found = parse_tar_header(bytes(header))
    except InvalidValueError:
        return
    assert tar_header(*found) == bytes(header)


@given(st.integers(0, 2**40).map(lambda blocks: blocks * 512), st.lists(st.integers(0, 2**50), max_size=30))
def test_blobs_lie_one_behind_the_other_without_gaps(head_bytes: int, sizes: list[int]) -> None:
    blobs = [BlobEntry(digest=Digest(f"sha256:{number:064x}"), size=size) for number, size in enumerate(sizes)]
    places = lay_out(head_bytes, blobs)
    position = head_bytes
    for blob, extent in zip(blobs, places.extents.values(), strict=True):
        assert (extent.digest, extent.size, extent.header_at) == (blob.digest, blob.size, position)
        assert extent.data_end - extent.data_at == blob.size
        assert extent.end % 512 == extent.data_at % 512 == 0
        assert 0 <= extent.end - extent.data_end < 512
        position = extent.end
    assert (places.end_at, places.total_bytes) == (position, position + 1024)


@given(st.integers(0, 2**60))
def test_padding_fills_the_last_block_and_no_more(size: int) -> None:
    assert (size + padding_of(size)) % 512 == 0
    assert 0 <= padding_of(size) < 512


@given(st.lists(st.binary(max_size=1500), max_size=6, unique=True))
def test_python_sees_the_blobs_at_the_offsets_that_we_compute(contents: list[bytes]) -> None:
    blobs = [BlobEntry(digest=Digest.of(data), size=len(data)) for data in contents]
    data = b"".join(member_bytes(blob_name(Digest.of(content)), content) for content in contents) + bytes(1024)
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        theirs = [(entry.name, entry.offset, entry.offset_data, entry.size) for entry in tar]
    ours = [
        (blob_name(extent.digest), extent.header_at, extent.data_at, extent.size)
        for extent in lay_out(0, blobs).extents.values()
    ]
    assert theirs == ours


@st.composite
def items(draw: st.DrawFn, blobs: list[BlobEntry]) -> Item:
    top = draw(st.sampled_from(blobs))
    kind = draw(st.sampled_from(["image", "chart", "artifact", "files", "attached"]))
    verdict = st.dictionaries(st.text(st.characters(codec="ascii"), max_size=8), TEXTS, max_size=3)
    subject = draw(DIGESTS) if kind == "attached" else None
    suffixes = st.sampled_from(["", ".sig", ".att", ".sbom"])
    tags = TAGS if subject is None else suffixes.map(lambda suffix: f"sha256-{subject.encoded}{suffix}")
    return Item(
        kind=kind,
        source=draw(TEXTS),
        path=draw(REPOSITORIES),
        tag=draw(st.one_of(st.just(""), tags)),
        digest=top.digest,
        media_type=draw(st.sampled_from([OCI_MANIFEST, OCI_INDEX])),
        size=top.size,
        platforms=tuple(draw(st.lists(st.sampled_from(["linux/amd64", "linux/arm/v7", "windows/amd64"]), max_size=2))),
        subject=subject,
        original=draw(st.one_of(st.none(), st.sampled_from([blob.digest for blob in blobs]))),
        referrers=draw(st.sampled_from(["", "none"])),
        upstream=tuple(draw(st.lists(verdict, max_size=2))),
    )


@st.composite
def inventories(draw: st.DrawFn) -> Inventory:
    sizes = st.integers(0, 2**40)
    entries = draw(st.dictionaries(DIGESTS, sizes, min_size=1, max_size=8))
    blobs = [BlobEntry(digest=digest, size=size) for digest, size in entries.items()]
    cut = draw(st.integers(1, len(blobs)))
    held, assumed = blobs[:cut], blobs[cut:]
    travelling = draw(st.lists(items(held), min_size=1, max_size=4, unique_by=lambda item: (item.path, item.tag)))
    return Inventory(
        name=draw(st.from_regex(r"[a-z0-9]{1,9}([._-][a-z0-9]{1,9}){0,3}", fullmatch=True)),
        version=draw(TAGS),
        audience=tuple(draw(st.lists(TEXTS, max_size=3))),
        sequence=draw(st.integers(0, strictjson.MAX_INTEGER)),
        created=draw(MOMENTS),
        expires=draw(st.one_of(st.none(), MOMENTS)),
        members=describe(head_members(travelling, draw(st.one_of(st.none(), st.binary(max_size=20))))),
        items=tuple(travelling),
        blobs=tuple(held),
        assumed=tuple(assumed),
        base=tuple(draw(st.lists(DIGESTS, max_size=2))),
    )


@given(inventories())
def test_an_inventory_is_what_it_was_after_a_round_trip(inventory: Inventory) -> None:
    raw = dump_inventory(inventory)
    assert parse_inventory(raw) == inventory
    assert dump_inventory(parse_inventory(raw)) == raw


@given(inventories())
def test_an_inventory_is_written_as_rfc_8785_says(inventory: Inventory) -> None:
    raw = dump_inventory(inventory)
    assert rfc8785.dumps(json.loads(raw)) == raw


@given(inventories(), st.data())
def test_an_inventory_with_other_bytes_is_refused_or_has_another_content(inventory: Inventory, data: Any) -> None:
    raw = bytearray(dump_inventory(inventory))
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] = data.draw(st.integers(0, 255))
    try:
        parsed = parse_inventory(bytes(raw))
    except InvalidValueError:
        return
    assert dump_inventory(parsed) == bytes(raw)
    assert (parsed == inventory) == (bytes(raw) == dump_inventory(inventory))


@given(st.binary(max_size=200))
def test_bytes_that_are_no_inventory_are_refused_in_words(raw: bytes) -> None:
    with pytest.raises(InvalidValueError, match=r"."):
        parse_inventory(raw)


SIGNATURES = st.lists(
    st.builds(
        lambda number, data: SignatureFile(name=f"openpgp-{number:040x}.sig", data=data),
        st.integers(0, 2**160 - 1),
        st.binary(min_size=1, max_size=3000),
    ),
    max_size=MAX_SIGNATURES,
    unique_by=lambda signature: signature.name,
)


@given(SIGNATURES)
def test_an_area_holds_what_was_added_however_it_was_added(signatures: list[SignatureFile]) -> None:
    area = bytearray(build_area([]))
    for signature in signatures:
        for write in plan_addition(bytes(area), signature):
            area[write.at : write.at + len(write.data)] = write.data
    assert bytes(area) == build_area(signatures)
    assert parse_area(bytes(area)) == tuple(signatures)


@given(SIGNATURES, st.integers(0, layout.SIGNATURE_AREA_BYTES - 1), st.integers(1, 255))
def test_another_byte_in_an_area_is_refused_or_in_the_data_of_a_signature(
    signatures: list[SignatureFile], at: int, change: int
) -> None:
    area = bytearray(build_area(signatures))
    area[at] ^= change
    try:
        found = parse_area(bytes(area))
    except InvalidValueError:
        return
    assert len(found) == len(signatures)
    assert found != tuple(signatures)


@given(inventories())
def test_of_two_inventories_that_differ_the_bytes_do_too(inventory: Inventory) -> None:
    other = replace(inventory, sequence=(inventory.sequence + 1) % 2**53)
    assert dump_inventory(other) != dump_inventory(inventory)
