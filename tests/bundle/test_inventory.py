"""The inventory: one content has one spelling, and everything else is refused with its place."""

from __future__ import annotations

import datetime as dt
import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import rfc8785
from support.bundles import parts_of

from airgap_bundle.bundle.inventory import (
    INVENTORY_TYPE,
    MAX_BLOBS,
    MAX_INVENTORY_BYTES,
    BlobEntry,
    Inventory,
    Item,
    bundle_id,
    check_product,
    dump_inventory,
    parse_inventory,
    parse_time,
    time_text,
)
from airgap_bundle.core import strictjson
from airgap_bundle.core.content import Digest
from airgap_bundle.core.errors import InvalidValueError
from airgap_bundle.core.oci import OCI_MANIFEST

if TYPE_CHECKING:
    from collections.abc import Callable

    Change = Callable[[dict[str, Any]], object]

DIGEST = Digest.of(b"one")
OTHER = Digest.of(b"two")
TRUE: object = True


def full_inventory() -> Inventory:
    """An inventory in which every field says something."""
    inventory = parts_of().inventory
    first, *rest = inventory.items
    item = replace(
        first,
        platforms=("linux/amd64", "linux/arm/v7"),
        original=inventory.blobs[-1].digest,
        referrers="none",
        upstream=({"kind": "keyless", "identity": 'été \u2028 \x7f 😀 " \\ \b\x01', "verdict": "good"},),
    )
    return replace(
        inventory,
        items=(item, *rest),
        audience=("site-a", "site-b"),
        expires=dt.datetime(2027, 1, 1, tzinfo=dt.UTC),
        assumed=(BlobEntry(digest=DIGEST, size=7),),
        base=(OTHER,),
    )


def changed(change: Change) -> bytes:
    document = json.loads(dump_inventory(full_inventory()))
    change(document)
    return strictjson.canonical(document)


def test_every_field_survives_a_round_trip() -> None:
    inventory = full_inventory()
    assert parse_inventory(dump_inventory(inventory)) == inventory


def test_the_bytes_are_those_of_an_independent_writer_of_rfc_8785() -> None:
    raw = dump_inventory(full_inventory())
    assert rfc8785.dumps(json.loads(raw)) == raw


def test_the_bundle_id_is_the_sha256_of_the_bytes() -> None:
    assert bundle_id(b"{}") == "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"


def test_keys_that_say_nothing_are_left_out() -> None:
    document = json.loads(dump_inventory(parts_of().inventory))
    assert not {"expires", "assumed", "base"} & document.keys()
    assert document["items"][0].keys() == {"kind", "source", "path", "tag", "digest", "mediaType", "size"}


def set_top(key: str, value: object) -> Change:
    return lambda document: document.__setitem__(key, value)


def set_item(key: str, value: object) -> Change:
    return lambda document: document["items"][0].__setitem__(key, value)


def set_blob(key: str, value: object) -> Change:
    return lambda document: document["blobs"][0].__setitem__(key, value)


REFUSED: dict[str, tuple[Change, str]] = {
    "a receipt signed by the same key": (set_top("_type", "application/vnd.airgap-bundle.receipt+json"), "_type is"),
    "a format of the future": (set_top("format", "2.0"), "format '2.0' is not one"),
    "a later minor format": (set_top("format", "1.1"), "format '1.1' is not one"),
    "a format without a minor": (set_top("format", "1"), "format '1' is not one"),
    "a format that is a number": (set_top("format", 1), "format is not a string"),
    "an unknown field": (set_top("extra", 1), "extra is not a field"),
    "an unknown field of an item": (set_item("extra", 1), r"items\[0\]\.extra is not a field"),
    "an unknown field of a blob": (set_blob("mediaType", "a/b"), r"blobs\[0\]\.mediaType is not a field"),
    "a missing field": (lambda document: document.pop("audience"), "audience is missing"),
    "a missing field of an item": (lambda document: document["items"][0].pop("tag"), r"items\[0\]\.tag is missing"),
    "a list that is none": (set_top("blobs", {}), "blobs is not a list"),
    "a blob that is no object": (lambda document: document["blobs"].append("x"), "is not an object"),
    "no items": (set_top("items", []), "no items"),
    "no blobs": (set_top("blobs", []), "no blob is listed"),
    "null": (set_top("name", None), "name is not a string"),
    "a name that is a path": (set_top("name", "../x"), "not a product name"),
    "a name in capitals": (set_top("name", "Acme"), "not a product name"),
    "a name with a line feed": (set_top("name", "acme\n"), "not a product name"),
    "a name of 65 letters": (set_top("name", "a" * 65), "not a product name"),
    "a version that is no tag": (set_top("version", "1/2"), "not a tag"),
    "a sequence that is true": (set_top("sequence", TRUE), "sequence is not an integer"),
    "a negative sequence": (set_top("sequence", -1), "not a sequence"),
    "a sequence beyond 2^53": (set_top("sequence", 2**53), "not a sequence"),
    "a time with an offset": (set_top("created", "2026-01-01T00:00:00+00:00"), "not a time"),
    "a time with a fraction": (set_top("created", "2026-01-01T00:00:00.5Z"), "not a time"),
    "a time with spaces": (set_top("created", "2026-01-01T 0:00:00Z"), "not a time"),
    "a leap second": (set_top("created", "2026-01-01T00:00:60Z"), "not a time"),
    "a day that is none": (set_top("expires", "2026-02-30T00:00:00Z"), "not a time"),
    "a size that is true": (set_blob("size", TRUE), r"blobs\[0\]\.size is not an integer"),
    "a size in quotes": (set_blob("size", "7"), r"blobs\[0\]\.size is not an integer"),
    "a size that is null": (set_blob("size", None), r"blobs\[0\]\.size is not an integer"),
    "a negative size": (set_blob("size", -1), r"blobs\[0\]: not a size"),
    "a size of 2^63": (set_blob("size", 2**63), r"blobs\[0\]: not a size"),
    "a size that is not the item's": (set_blob("size", 1), "as an item"),
    "a blob listed twice": (lambda document: document["blobs"].append(document["blobs"][0]), "listed twice"),
    "a blob that is assumed too": (lambda document: document["assumed"].append(document["blobs"][1]), "listed twice"),
    "an item without its blob": (set_item("digest", DIGEST), "no blob is listed for"),
    "an item whose blob is only assumed": (
        lambda document: document["items"][0].update(digest=DIGEST, size=7),
        "no blob is listed for",
    ),
    "an original without its blob": (set_item("original", OTHER), "no blob is listed for the original"),
    "more than a file can hold": (
        lambda document: document["blobs"].extend({"digest": Digest.of(bytes([n])), "size": 2**52} for n in range(3)),
        "bytes of content",
    ),
    "an unknown kind": (set_item("kind", "virus"), r"items\[0\]: not a kind"),
    "a path that leads up": (set_item("path", "a/../b"), r"items\[0\]: not a repository"),
    "a path with an escape": (set_item("path", "a\x1b[2J"), r"items\[0\]: not a repository"),
    "a tag with a slash": (set_item("tag", "a/b"), r"items\[0\]: not a tag"),
    "a tag that starts as an option": (set_item("tag", "-x"), r"items\[0\]: not a tag"),
    "a receipt that was never given": (set_item("path", "airgap-receipts/acme"), "keeps for itself"),
    "the repository of receipts itself": (set_item("path", "airgap-receipts"), "keeps for itself"),
    "the anchor of another image": (set_item("tag", "airgap-0123456789ab-01234567"), "keeps for itself"),
    "an empty source": (set_item("source", ""), r"items\[0\]: an item's source"),
    "a source of 1,025 characters": (set_item("source", "x" * 1025), "longer than 1024"),
    "a media type that is none": (set_item("mediaType", "image"), r"items\[0\]: not a media type"),
    "a platform that is none": (set_item("platforms", ["linux"]), r"items\[0\]: not a platform"),
    "platforms without a list": (set_item("platforms", "linux/amd64"), "not a list"),
    "an empty list of platforms": (set_item("platforms", []), "canonical"),
    "a subject of an image": (set_item("subject", DIGEST), "a subject belongs to attached items"),
    "an attached item without a subject": (set_item("kind", "attached"), "a subject belongs to attached items"),
    "an attached item under a tag that a cluster uses": (
        lambda document: document["items"][0].update(kind="attached", subject=DIGEST, tag="1.0"),
        "the tag 1.0 of an attached item is not made of its subject",
    ),
    "an attached item under the tag of another subject": (
        lambda document: document["items"][0].update(
            kind="attached", subject=DIGEST, tag=OTHER.replace(":", "-") + ".sig"
        ),
        "is not made of its subject",
    ),
    "referrers that are neither": (set_item("referrers", "some"), "referrers is not"),
    "a verdict that is no map": (set_item("upstream", ["good"]), "is not an object"),
    "a verdict with a number": (set_item("upstream", [{"a": 1}]), "is not a map of strings"),
    "a key that sorts in two ways": (set_item("upstream", [{"\uff5e": "", "😀": ""}]), "not ASCII"),
    "one name for two items": (
        lambda document: [item.update(path="a/b", tag="1") for item in document["items"][::2]],
        "two items would land on one name: a/b:1",
    ),
    "a base that is no digest": (set_top("base", ["latest"]), "not a digest"),
    "nothing assumed and no base": (lambda document: document.update(assumed=[], base=[]), "canonical"),
    "a base without what is assumed": (lambda document: document.pop("assumed"), "canonical"),
}


@pytest.mark.parametrize(("change", "complaint"), REFUSED.values(), ids=REFUSED)
def test_a_statement_that_cannot_be_is_refused(change: Change, complaint: str) -> None:
    with pytest.raises(InvalidValueError, match=complaint):
        parse_inventory(changed(change))


DIGESTS = {
    "a path": "sha256:../../x",
    "too short": "sha256:" + "a" * 63,
    "too long": "sha256:" + "a" * 65,
    "capitals": "sha256:" + "A" * 64,
    "the algorithm in capitals": "SHA256:" + "a" * 64,
    "md5": "md5:" + "a" * 32,
    "sha512 with the length of sha256": "sha512:" + "a" * 64,
    "sha512": "sha512:" + "a" * 128,
    "multihash": "multihash+base58:QmRZxt2b1FVZPNqd8hsiykDL3TdBDeTSPX9Kv46HmX4Gx8",
    "a line feed behind": "sha256:" + "a" * 64 + "\n",
    "look-alikes": "sha256:" + "\N{CYRILLIC SMALL LETTER A}" * 64,
    "other digits": "sha256:" + "\N{ARABIC-INDIC DIGIT ONE}" * 64,
    "nothing": "",
    "no algorithm": "a" * 64,
}


@pytest.mark.parametrize("digest", DIGESTS.values(), ids=DIGESTS)
@pytest.mark.parametrize("set_value", [set_blob, set_item], ids=["blob", "item"])
def test_a_digest_that_is_none_is_refused(set_value: Callable[[str, object], Change], digest: str) -> None:
    with pytest.raises(InvalidValueError, match=r"(blobs|items)\[0\]"):
        parse_inventory(changed(set_value("digest", digest)))


GOOD = dump_inventory(full_inventory())
SPELLINGS = {
    "a space": GOOD.replace(b",", b", ", 1),
    "a line feed at the end": GOOD + b"\n",
    "something behind": GOOD + b"{}",
    "an escape that is not needed": GOOD.replace(b"site-a", b"\\u0073ite-a"),
    "an escaped key": GOOD.replace(b'"audience"', b'"\\u0061udience"'),
    "a key twice": GOOD.replace(b'"name":"acme"', b'"name":"acme","name":"acme"', 1),
    "a key twice, once escaped": GOOD.replace(b'"name":"acme"', b'"name":"acme","n\\u0061me":"acme"', 1),
    "a key of an item twice": GOOD.replace(b'"kind":"image"', b'"kind":"image","kind":"image"', 1),
    "a byte order mark": b"\xef\xbb\xbf" + GOOD,
    "UTF-16": GOOD.decode().encode("utf-16"),
    "UTF-32": GOOD.decode().encode("utf-32"),
    "not UTF-8": GOOD.replace(b"site-a", b"site-\xff"),
    "a lone surrogate": GOOD.replace(b"site-a", b"\\ud800"),
    "an exponent": GOOD.replace(b'"sequence":1', b'"sequence":1e0,"x":1'),
    "a fraction": GOOD.replace(b'"size":7', b'"size":7.0'),
    "minus zero": GOOD.replace(b'"size":7', b'"size":-0'),
    "a zero in front": GOOD.replace(b'"size":7', b'"size":07'),
    "five thousand digits": GOOD.replace(b'"size":7', b'"size":' + b"7" * 5000),
    "NaN": GOOD.replace(b'"size":7', b'"size":NaN'),
    "a list": b"[" + GOOD + b"]",
    "nothing": b"",
    "a string": b'"inventory"',
    "nested without end": GOOD.replace(b'"size":7', b'"size":' + b"[" * 100_000),
    "cut short": GOOD[:-1],
}


@pytest.mark.parametrize("raw", SPELLINGS.values(), ids=SPELLINGS)
def test_another_spelling_is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidValueError):
        parse_inventory(raw)


def test_the_right_keys_in_another_order_are_refused_as_not_canonical() -> None:
    document = json.loads(GOOD)
    backwards = dict(reversed(document.items()))
    with pytest.raises(InvalidValueError, match="canonical form"):
        parse_inventory(json.dumps(backwards, separators=(",", ":"), ensure_ascii=False).encode())


def test_hostile_text_is_kept_as_it_is_for_whoever_shows_it_to_escape() -> None:
    source = "\x1b[2J\u202e[/x]\r\n%s -rf \x9b"
    inventory = parse_inventory(changed(set_item("source", source)))
    assert inventory.items[0].source == source


def test_more_bytes_than_allowed_are_refused_before_they_are_parsed() -> None:
    with pytest.raises(InvalidValueError, match="more than the"):
        parse_inventory(b"\xff" * (MAX_INVENTORY_BYTES + 1))


def many_blobs(count: int) -> tuple[BlobEntry, ...]:
    return tuple(BlobEntry(digest=Digest(f"sha256:{n:064x}"), size=n) for n in range(count))


def test_more_blobs_than_allowed_are_refused() -> None:
    inventory = full_inventory()
    blobs = many_blobs(MAX_BLOBS)
    with pytest.raises(InvalidValueError, match="more than 250000 blobs"):
        replace(inventory, blobs=(*inventory.blobs, *blobs))


def test_a_double_among_many_items_is_found_without_comparing_each_with_all() -> None:
    inventory = parts_of().inventory
    first = inventory.items[0]
    items = [replace(first, path=f"a/b{n}") for n in range(20_000)]
    started = time.process_time()
    with pytest.raises(InvalidValueError, match="a/b19999"):
        replace(inventory, items=(*items, items[-1]))
    # Comparing each with all takes 20 seconds.
    assert time.process_time() - started < 2


@pytest.mark.slow
def test_the_largest_inventory_is_read_within_a_minute() -> None:
    inventory = full_inventory()
    blobs = many_blobs(MAX_BLOBS - len(inventory.blobs) - len(inventory.assumed))
    items = [replace(inventory.items[0], path=f"registry.example/a/b{n}") for n in range(50_000)]
    largest = replace(inventory, blobs=(*inventory.blobs, *blobs), items=(*items, *inventory.items))
    raw = dump_inventory(largest)
    assert len(raw) < MAX_INVENTORY_BYTES
    started = time.process_time()
    assert len(parse_inventory(raw).items) == len(largest.items)
    assert time.process_time() - started < 60


@pytest.mark.parametrize("name", ["a", "acme", "acme-web", "acme_web.2", "0x", "a" * 64])
def test_a_product_name_is_what_a_repository_and_a_file_may_be_called(name: str) -> None:
    assert check_product(name) == name


@pytest.mark.parametrize("name", ["", "-a", "a-", "a--b", "a/b", ".", "..", "a b", "ä", "A", "a" * 65])
def test_a_product_name_that_could_become_something_else_is_refused(name: str) -> None:
    with pytest.raises(InvalidValueError):
        check_product(name)


def test_times_are_utc_to_the_second() -> None:
    summer = dt.datetime(2026, 7, 1, 14, 0, 0, tzinfo=dt.timezone(dt.timedelta(hours=2)))
    assert time_text(summer) == "2026-07-01T12:00:00Z"
    assert parse_time("2026-07-01T12:00:00Z") == summer


def test_an_item_of_sha512_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="sha256 only"):
        Item(
            kind="image",
            source="registry.example/a:1",
            path="a",
            tag="1",
            digest=Digest.of(b"", "sha512"),
            media_type=OCI_MANIFEST,
            size=0,
        )


def test_the_type_says_what_was_signed() -> None:
    assert json.loads(GOOD)["_type"] == INVENTORY_TYPE == "application/vnd.airgap-bundle.inventory+json"
