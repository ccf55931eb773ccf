"""Receipts: one spelling, strict reading, and what DEST keeps."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from importlib import resources
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.receipts import DESTINATION, NOON, digest, item, receipt

from airgap_bundle.boundary.receipts.documents import (
    EMPTY_CONFIG,
    dump_receipt,
    parse_receipt,
    read_receipt,
    receipt_artifact,
    receipt_repository,
)
from airgap_bundle.boundary.receipts.receipt import (
    Attached,
    AuditHead,
    Evidence,
    HeldBlobs,
    MapRule,
    Outcome,
    Override,
    PolicyUsed,
    Promotion,
    Publication,
    Receipt,
    ReceiptItem,
    SignedBy,
    Totals,
    receipt_id,
)
from airgap_bundle.boundary.receipts.succession import following, inheriting
from airgap_bundle.core import strictjson
from airgap_bundle.core.content import Digest
from airgap_bundle.core.errors import DocumentError, InvalidValueError
from airgap_bundle.core.oci import check_tag
from airgap_bundle.transfer.bases import RECEIPT_TYPE

_line = st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=20)
_number = st.integers(0, strictjson.MAX_INTEGER)
_digest = st.binary(max_size=4).map(Digest.of)
_tag = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,12}", fullmatch=True)
_word = st.from_regex(r"[a-z][a-z0-9-]{0,10}", fullmatch=True)
_product = st.from_regex(r"[a-z0-9]{1,8}([._-][a-z0-9]{1,8}){0,2}", fullmatch=True)
_moment = st.datetimes(datetime(1970, 1, 1), datetime(2199, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds
_outcome = st.sampled_from(Outcome)
_type = st.just("application/vnd.oci.image.manifest.v1+json")
_attached = st.builds(
    Attached,
    subject=_digest,
    digest=_digest,
    media_type=_type,
    outcome=_outcome,
    artifact_type=_line,
    tag=_tag | st.just(""),
)
_item = st.builds(
    ReceiptItem,
    kind=_word,
    source=_line,
    path=st.just("docker.io/library/x"),
    tag=_tag | st.just(""),
    digest=_digest,
    media_type=_type,
    size=_number,
    previous=_digest | st.none(),
    anchor=_tag | st.just(""),
    outcome=_outcome,
    attached=st.lists(_attached, max_size=1).map(tuple),
)
_signed = st.builds(SignedBy, signer=_line, method=_word, key=_line, roles=st.lists(_line, max_size=2).map(tuple))
_receipts = st.builds(
    Receipt,
    bundle_id=_digest,
    product=_product,
    version=_line,
    sequence=_number,
    created=_moment,
    destination=st.sampled_from(["r.example:5000/a", "dir:/srv/registry", "[::1]:5000"]),
    policy=st.builds(PolicyUsed, version=_number, digest=_digest),
    signers=st.lists(_signed, max_size=2).map(tuple),
    started=_moment,
    finished=_moment,
    tool=_line,
    items=st.lists(_item, max_size=3).map(tuple),
    audit=st.builds(AuditHead, records=_number, digest=_digest),
    audience=st.lists(_line, max_size=2).map(tuple),
    map=st.lists(st.builds(MapRule, pattern=_line, target=_line), max_size=2).map(tuple),
    partial=st.booleans(),
    held=st.booleans(),
    overrides=st.lists(st.builds(Override, option=_word, value=_line, reason=_line.filter(str.strip)), max_size=2).map(
        tuple
    ),
    totals=st.builds(Totals, blobs_pushed=_number, blobs_mounted=_number, blobs_present=_number, bytes_sent=_number),
    previous=_tag | st.just(""),
    publication=st.none()
    | st.builds(
        Publication,
        at=_moment,
        held=_digest,
        evidence=st.lists(st.builds(Evidence, name=_line, digest=_digest, size=_number), max_size=2).map(tuple),
        approvals=st.lists(_signed, max_size=2).map(tuple),
    ),
    expires=st.none() | _moment,
    release=st.none() | _digest,
    delta=st.booleans(),
    promotion=st.none() | st.builds(Promotion, destination=st.just("staging.internal/a"), receipt=_tag, digest=_digest),
    content=st.lists(
        st.builds(
            HeldBlobs,
            path=st.just("docker.io/library/x"),
            blobs=st.dictionaries(_digest, _number, max_size=2),
        ),
        max_size=2,
    ).map(tuple),
)


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    schema = json.loads(
        resources.files("airgap_bundle.boundary.receipts").joinpath("receipt.v1.schema.json").read_bytes()
    )
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def _changed(**changes: Any) -> bytes:
    value = json.loads(dump_receipt(receipt()))
    for key, change in changes.items():
        *path, last = (int(part) if part.isdigit() else part for part in key.split("__"))
        inner = value
        for part in path:
            inner = inner[part]
        if change is ...:
            del inner[last]
        else:
            inner[last] = change
    return strictjson.canonical(value)


@given(_receipts)
def test_what_was_written_is_read_again_and_fits_the_schema(
    validator: jsonschema.Draft202012Validator, one: Receipt
) -> None:
    raw = dump_receipt(one)
    assert parse_receipt(raw) == one
    validator.validate(json.loads(raw))


@given(_receipts)
def test_an_id_is_always_a_tag(one: Receipt) -> None:
    assert check_tag(one.id) == one.id


def test_the_longest_id_is_a_tag() -> None:
    longest = receipt_id("p" * 64, strictjson.MAX_INTEGER, digest("b"), DESTINATION)
    assert check_tag(longest) == longest


def test_an_id_names_product_sequence_bundle_and_destination() -> None:
    assert (
        receipt_id("acme", 7, digest("b"), "r:1/x")
        == f"acme-7-{digest('b').encoded[:12]}-{digest('r:1/x').encoded[:8]}"
    )


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"extra": 1}, "has fields that are not known: 'extra'"),
        ({"items__0__attached__0__note": ""}, "items[0].attached[0] has fields that are not known: 'note'"),
        ({"held": ...}, "held is missing"),
        ({"_type": "application/vnd.airgap-bundle.inventory+json"}, "not a receipt of a version known here"),
        ({"id": "acme-1-000000000000-00000000"}, "is not that of its content"),
        ({"sequence": "1"}, "sequence is not an integer"),
        ({"sequence": True}, "sequence is not an integer"),
        ({"sequence": -1}, "sequence is not an integer of 0 or more"),
        ({"sequence": 2**53}, "sequence is not a number that a receipt can hold"),
        ({"created": "2026-11-22T12:00:00+00:00"}, "created: not a moment"),
        ({"created": "2026-02-30T12:00:00Z"}, "created: no such moment"),
        ({"created": "2026-11-22T12:00:00.000000Z"}, "created: not the one spelling"),
        ({"product": "../acme"}, "not a product name"),
        ({"destination": "https://bob:pw@r"}, "without credentials"),
        ({"destination": "bob:pw@r"}, "without credentials"),
        ({"items__0__path": "../../etc"}, "items[0]: not a repository name"),
        ({"items__0__tag": "a/b"}, "items[0]: not a tag"),
        ({"items__0__digest": "sha256:1"}, "items[0].digest: not a digest"),
        ({"items__0__outcome": "lost"}, "items[0]: not an outcome"),
        ({"items__0__source": "a\nb"}, "items[0]: source is not one line"),
        ({"items": {}}, "items is not a list"),
        ({"items__0": []}, "items[0] is not an object"),
        ({"overrides__0__reason": " "}, "overrides[0]: an override without a reason"),
        ({"previous": "-x"}, "not a tag"),
        ({"partial": 0}, "partial is neither true nor false"),
        ({"audience": [1]}, "audience is not a list of strings"),
    ],
)
def test_what_no_import_wrote_is_refused(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InvalidValueError) as caught:
        parse_receipt(_changed(**changes))
    assert complaint in str(caught.value)


def test_other_bytes_for_the_same_content_are_refused() -> None:
    with pytest.raises(InvalidValueError, match="canonical"):
        parse_receipt(json.dumps(json.loads(dump_receipt(receipt()))).encode())


def test_a_key_that_stands_twice_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="twice"):
        parse_receipt(dump_receipt(receipt())[:-1] + b',"held":true}')


def test_more_than_64_mib_are_not_even_parsed() -> None:
    with pytest.raises(InvalidValueError, match="more than"):
        parse_receipt(b" " * (64 * 1024 * 1024 + 1))


def test_at_the_edge_the_file_is_named() -> None:
    with pytest.raises(DocumentError) as caught:
        read_receipt(b"{}", "the file x.json")
    assert (caught.value.code, caught.value.message) == (
        "AB-RECEIPT-INVALID",
        "the file x.json is not a receipt: _type is missing",
    )


def test_a_moment_without_a_time_zone_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="UTC"):
        receipt(started=NOON.replace(tzinfo=None))


def test_in_a_destination_it_is_an_artifact_that_points_to_its_bytes() -> None:
    raw = dump_receipt(receipt())
    config, layer, manifest = receipt_artifact(raw)
    assert manifest.artifact_type == RECEIPT_TYPE
    assert manifest.blobs == (config, layer)
    assert (config.digest, config.size) == (Digest.of(EMPTY_CONFIG), 2)
    assert (layer.digest, layer.size, layer.media_type) == (Digest.of(raw), len(raw), RECEIPT_TYPE)
    assert receipt_artifact(raw)[2].raw == manifest.raw


def test_each_product_has_a_repository_of_receipts() -> None:
    assert receipt_repository("acme") == "airgap-receipts/acme"


def test_a_second_run_keeps_what_only_the_first_could_see() -> None:
    first = receipt(
        items=(item("redis", "new", previous=digest("old")), item("fresh", "new", previous=None)), previous="p"
    )
    second = receipt(
        items=(
            item("redis", "new", previous=digest("new"), outcome=Outcome.PRESENT),
            item("fresh", "new", previous=digest("new"), outcome=Outcome.PRESENT),
        ),
        previous=first.id,
    )
    merged = inheriting(second, first, {})
    assert [one.previous for one in merged.items] == [digest("old"), None]
    assert (merged.previous, merged.items[0].outcome) == ("p", Outcome.PRESENT)


def test_a_second_run_keeps_what_it_saw_itself_where_the_tag_had_moved() -> None:
    second = receipt(items=(item("redis", "new", previous=digest("somebody else's")),))
    first = receipt(items=(item("redis", "new"),))
    assert inheriting(second, first, {}).items[0].previous == digest("somebody else's")


def test_totals_cannot_be_negative() -> None:
    with pytest.raises(InvalidValueError, match="bytes_sent"):
        replace(Totals(), bytes_sent=-1)


def test_a_second_run_keeps_how_the_images_were_published_and_from_where_they_came() -> None:
    publication = Publication(at=NOON, held=digest("held"))
    promotion = Promotion(destination="staging:5000", receipt="acme-1-x", digest=digest("there"))
    earlier = receipt(publication=publication, promotion=promotion, previous="acme-0-x")
    again = inheriting(receipt(previous="acme-9-x"), earlier, {})
    assert (again.publication, again.promotion, again.previous) == (publication, promotion, "acme-0-x")


@pytest.mark.parametrize("kind", ["held", "partial"])
def test_what_was_held_or_partial_says_nothing_about_what_was_before(kind: str) -> None:
    earlier = receipt(previous="acme-0-x", **{kind: True})
    assert inheriting(receipt(previous="acme-9-x"), earlier, {}).previous == "acme-9-x"


def test_a_release_that_comes_again_in_another_bundle_has_the_same_before() -> None:
    release = digest("release")
    current = receipt(2, items=(item("redis", "new", previous=digest("old")),), previous="acme-1-x", release=release)
    again = receipt(2, bundle_id=digest("full"), items=(item("redis", "new", previous=digest("new")),), release=release)
    followed = following(again, current)
    assert (followed.previous, followed.items[0].previous) == ("acme-1-x", digest("old"))


@pytest.mark.parametrize("other", [None, digest("another release")])
def test_another_release_has_the_current_one_before_it(other: Digest | None) -> None:
    current = receipt(2, previous="acme-1-x", release=other)
    assert following(receipt(3, release=digest("release")), current).previous == current.id
    assert following(receipt(3), replace(current, release=None)).previous == current.id
    assert following(receipt(3, previous="acme-1-x"), None).previous == ""
