"""The lock file: what is written is read again exactly, and anything else is refused."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from airgap_bundle.core.content import Descriptor, Digest
from airgap_bundle.core.errors import DocumentError, InvalidValueError
from airgap_bundle.core.oci import OCI_INDEX, OCI_MANIFEST, Platform
from airgap_bundle.manifest.lock import (
    Lock,
    LockedAttachment,
    LockedDiscovery,
    LockedItem,
    LockedPlatform,
    dump_lock,
    lock_path,
    parse_lock,
    staleness,
)
from airgap_bundle.manifest.model import Manifest, parse_manifest
from airgap_bundle.manifest.yamltext import has_unseen

CREATED = 1_778_312_125
A, B, C = (Digest.of(text.encode()) for text in "abc")

digests = st.binary(min_size=1, max_size=4).map(Digest.of)
sizes = st.integers(0, 10**15)
words = st.text(min_size=1, max_size=12).filter(lambda t: not has_unseen(t) and "\n" not in t and "\t" not in t)
tricky = st.sampled_from(
    ["on", "1.10", "~", "null", "a: b", "#", "- x", '"', "\\", "=", "a:", "yes", "0x1", "2026-01-01"]
)
texts = words | tricky
tags = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,8}", fullmatch=True)
media_types = st.sampled_from([OCI_INDEX, OCI_MANIFEST, "application/vnd.x+json"])
platforms = st.sampled_from(["linux/amd64", "linux/arm/v7", "unknown/unknown"]).map(Platform.parse)
items = st.builds(
    LockedItem,
    kind=st.sampled_from(["artifact", "chart", "image", "file"]),
    source=texts,
    path=st.sampled_from(["docker.io/library/redis", "a/b", "no"]),
    tag=st.just("") | tags,
    digest=digests,
    media_type=media_types,
    size=sizes,
    original=st.none() | st.builds(Descriptor, digest=digests, media_type=media_types, size=sizes),
    platforms=st.lists(st.builds(LockedPlatform, platform=platforms, digest=digests, size=sizes), max_size=3).map(
        tuple
    ),
    attached=st.lists(
        st.builds(
            LockedAttachment,
            kind=st.just("tag"),
            subject=digests,
            tag=tags,
            digest=digests,
            media_type=media_types,
            size=sizes,
            artifact_type=st.just("") | texts,
        ),
        max_size=2,
    ).map(tuple),
    verdicts=st.lists(st.dictionaries(texts, texts, max_size=2), max_size=2).map(tuple),
    images=st.lists(st.builds(LockedDiscovery, image=texts, found=texts), max_size=2).map(tuple),
)
locks = st.builds(
    Lock,
    name=st.just("plane"),
    version=tags,
    created=st.integers(0, 2**32),
    sequence=sizes,
    manifest_digest=digests,
    audience=st.lists(st.sampled_from(["site-a", "no", "1"]), max_size=2).map(tuple),
    expires=st.integers(0, 2**32),
    items=st.lists(items, max_size=4, unique_by=lambda i: (i.kind, i.source, i.path, i.tag)).map(tuple),
)


def image(source: str = "docker.io/library/redis:7", **changes: object) -> LockedItem:
    item = LockedItem(
        kind="image",
        source=source,
        path=source.rpartition(":")[0],
        tag=source.rpartition(":")[2],
        digest=A,
        media_type=OCI_INDEX,
        size=10,
    )
    return replace(item, **changes)  # type: ignore[arg-type]  # the tests name fields freely


def lock_for(manifest: Manifest, *locked: LockedItem) -> Lock:
    return Lock(
        name=manifest.name,
        version=manifest.version,
        created=CREATED,
        sequence=CREATED,
        manifest_digest=manifest.digest,
        expires=CREATED + manifest.expires_seconds if manifest.expires_seconds else 0,
        items=locked,
    )


def manifest(text: str) -> Manifest:
    return parse_manifest(f"apiVersion: airgap-bundle/v1\nname: plane\nversion: '1'\n{text}\n".encode(), "plane.yaml")


@given(locks)
def test_what_is_written_is_read_again_exactly(lock: Lock) -> None:
    raw = dump_lock(lock)
    assert parse_lock(raw, "x.lock.yaml") == lock
    assert dump_lock(parse_lock(raw, "x.lock.yaml")) == raw


@given(locks)
def test_other_yaml_readers_see_the_same_text(lock: Lock) -> None:
    value = yaml.safe_load(dump_lock(lock))
    assert [i["source"] for i in value.get("items", [])] == [i.source for i in lock.items]
    assert [i.get("tag", "") for i in value.get("items", [])] == [i.tag for i in lock.items]


def test_the_order_in_which_things_were_resolved_makes_no_difference() -> None:
    found = [image(f"docker.io/library/a{number}:1") for number in range(20)]
    shuffled = random.Random(1).sample(found, len(found))
    assert dump_lock(lock_for(manifest(""), *found)) == dump_lock(lock_for(manifest(""), *shuffled))


def test_one_changed_digest_is_one_changed_line() -> None:
    before = dump_lock(lock_for(manifest(""), image(), image("docker.io/library/b:1"))).splitlines()
    after = dump_lock(lock_for(manifest(""), image(digest=B), image("docker.io/library/b:1"))).splitlines()
    assert len(before) == len(after)
    assert sum(1 for x, y in zip(before, after, strict=True) if x != y) == 1


def test_the_first_line_says_what_made_it() -> None:
    assert dump_lock(lock_for(manifest(""))).startswith(b"# Made by airgap-manifest lock.")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"kind: image", b"kind: imagine"),
        (b"path: docker.io/library/redis", b"path: ../redis"),
        (b"size: 10", b"size: -1"),
        (b"size: 10", b"size: ten"),
        (b"digest: sha256:", b"digest: sha256:0"),
        (b"    size: 10\n", b"    size: 10\n    extra: 1\n"),
        (b"    size: 10\n", b""),
        (b"sequence: 1778312125", b"sequence: 1.5"),
        (b'"2026-05-09T07:35:25Z"', b"yesterday"),
        (b"lock.v1", b"lock.v2"),
        (b"manifest: ", b"manifesto: "),
    ],
)
def test_an_edited_lock_is_refused_with_its_place(before: bytes, after: bytes) -> None:
    raw = dump_lock(lock_for(manifest(""), image()))
    assert before in raw
    with pytest.raises(DocumentError) as caught:
        parse_lock(raw.replace(before, after), "x.lock.yaml")
    assert caught.value.code == "AB-LOCK-INVALID"
    assert caught.value.findings[0].place.line


def test_the_same_item_twice_is_no_lock() -> None:
    with pytest.raises(InvalidValueError):
        lock_for(manifest(""), image(), image(digest=B))


def test_text_that_does_not_show_is_no_part_of_a_lock() -> None:
    for text in ("a\nb", "a\tb", "\u202ea", "\x1b[m", "", "a" * 5000):
        with pytest.raises(InvalidValueError):
            image(source=text, path="a", tag="1")


def test_the_lock_lies_beside_the_manifest() -> None:
    assert lock_path("a/plane.yaml") == Path("a/plane.lock.yaml")
    assert lock_path("a/plane.1.yml") == Path("a/plane.1.lock.yaml")
    assert lock_path("plane") == Path("plane.lock.yaml")


def test_a_comment_makes_a_lock_stale_since_the_manifest_travels_as_it_was_written() -> None:
    old = manifest("images: [redis:7]")
    new = manifest("# comment\nimages: [redis:7]")
    assert staleness(old, lock_for(old, image())) == ()
    found = staleness(new, lock_for(old, image()))
    assert [one.message for one in found] == ["the manifest has changed since the lock was made"]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "images: [redis:7]",
            "images: [redis:8]",
            ["docker.io/library/redis:8 is not in the lock", "the lock has the image"],
        ),
        ("images: [redis:7]", "images: [redis:7, a.example/b:1]", ["a.example/b:1 is not in the lock"]),
        ("images: [redis:7, b.example/b:1]", "images: [redis:7]", ["the lock has the image b.example/b:1"]),
        ("images: [redis:7]", "images: [{image: 'redis:7', as: cache}]", ["goes to cache, in the lock to docker.io"]),
        ("images: [redis:7]", "images: [redis:7]\nplatforms: [linux/amd64]", ["the platforms of"]),
        ("images: [redis:7]", "images: [redis:7]\nexpires: 3d", ["the expiry"]),
        ("images: [redis:7]", "images: [redis:7]\naudience: [a]", ["the audience"]),
        ("images: [redis:7]", "images: [redis:7]\nexclude: [a]", ["the manifest has changed"]),
    ],
)
def test_a_stale_lock_says_what_differs(old: str, new: str, expected: list[str]) -> None:
    was = manifest(old)
    lock = lock_for(was, *(image(entry.source) for entry in was.images))
    messages = [finding.message for finding in staleness(manifest(new), lock)]
    assert len(messages) == len(expected)
    assert all(part in message for part, message in zip(expected, messages, strict=True))


def test_a_lock_of_another_product_says_only_that() -> None:
    other = replace(lock_for(manifest("images: [redis:7]")), name="other", manifest_digest=C)
    assert [f.message for f in staleness(manifest("images: [redis:7]"), other)] == [
        "the lock is for the product 'other', not 'plane'"
    ]


def test_images_that_a_chart_brought_are_not_missed_in_the_manifest() -> None:
    old = manifest("charts: [{chart: 'oci://a.example/c', version: 1.0.0}]")
    chart = replace(
        image("a.example/c:1.0.0"),
        kind="chart",
        images=(LockedDiscovery(image="docker.io/library/redis:7", found="templates/x.yaml:3"),),
    )
    lock = lock_for(old, chart, image())
    new = manifest("charts: [{chart: 'oci://a.example/c', version: 1.0.0}]\nreferrers: none")
    assert [f.message for f in staleness(new, lock)] == ["the manifest has changed since the lock was made"]


def test_a_variant_that_the_registry_added_is_no_difference() -> None:
    old = manifest("images: [{image: 'redis:7', platforms: [linux/arm64]}]")
    kept = tuple(
        LockedPlatform(platform=Platform.parse(p), digest=B, size=1) for p in ("linux/arm64/v8", "unknown/unknown")
    )
    original = Descriptor(digest=C, media_type=OCI_INDEX, size=9)
    lock = replace(lock_for(old, image(platforms=kept, original=original)), manifest_digest=C)
    assert [f.message for f in staleness(old, lock)] == ["the manifest has changed since the lock was made"]
