"""Overlays: what one customer's delivery differs in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from airgap_bundle.core.errors import DocumentError
from airgap_bundle.manifest.model import Manifest, parse_manifest
from airgap_bundle.manifest.overlay import Overlay, load_manifest_or_overlay, merge, parse_overlay
from airgap_bundle.manifest.rules import check_overlay

if TYPE_CHECKING:
    from pathlib import Path

MANIFEST = parse_manifest(
    b"""\
apiVersion: airgap-bundle/v1
name: plane
version: 1.7.0
platforms: [linux/amd64]
images: [docker.io/library/redis:7, a.example/b:1, a.example/c:1]
files: [{path: a.lic, as: plane.lic}]
""",
    "plane.yaml",
)


def overlay(text: str) -> bytes:
    return f"apiVersion: airgap-bundle/overlay.v1\n{text}\n".encode()


def test_an_empty_overlay_changes_nothing() -> None:
    assert merge(MANIFEST, parse_overlay(overlay(""), "o.yaml")) == MANIFEST


def test_entries_are_removed_replaced_where_they_stand_and_added_at_the_end() -> None:
    text = """\
remove: {images: [redis:7]}
images: [d.example/d:1, {image: "a.example/b:1", as: b}]
files: [{path: customer.lic, as: plane.lic}]
"""
    merged = merge(MANIFEST, parse_overlay(overlay(text), "o.yaml"))
    assert [image.target for image in merged.images] == [("b", "1"), ("a.example/c", "1"), ("d.example/d", "1")]
    assert [(file.path, file.name) for file in merged.files] == [("customer.lic", "plane.lic")]
    assert merged.images[0].place.file == "o.yaml"
    assert merged.digest != MANIFEST.digest


def test_single_values_replace_those_of_the_manifest() -> None:
    text = (
        "version: '2'\naudience: [site-a]\nplatforms: [linux/arm64]\nexpires: 1d\nforeignLayers: carry\nreferrers: none"
    )
    merged = merge(MANIFEST, parse_overlay(overlay(text), "o.yaml"))
    assert (merged.version, merged.audience, merged.expires_seconds) == ("2", ("site-a",), 86400)
    assert [str(platform) for platform in merged.platforms] == ["linux/arm64"]
    assert (merged.foreign_layers, merged.referrers) == ("carry", "none")


@pytest.mark.parametrize("text", ["name: other", "remove: {images: [a.example/x:1]}", "remove: {files: [a.lic]}"])
def test_an_overlay_that_does_not_fit_is_refused(text: str) -> None:
    with pytest.raises(DocumentError) as caught:
        merge(MANIFEST, parse_overlay(overlay(text), "o.yaml"))
    assert caught.value.code == "AB-OVERLAY-CONFLICT"
    assert caught.value.findings[0].place.file == "o.yaml"


@pytest.mark.parametrize("text", ["imges: []", "remove: [a]", "remove: {image: []}", "images: [a b]", "expires: x"])
def test_a_bad_overlay_is_refused_with_its_place(text: str) -> None:
    with pytest.raises(DocumentError) as caught:
        parse_overlay(overlay(text), "o.yaml")
    assert caught.value.code == "AB-OVERLAY-INVALID"
    assert caught.value.findings[0].place.line == 2


def test_an_overlay_can_be_checked_alone(tmp_path: Path) -> None:
    path = tmp_path / "o.yaml"
    path.write_bytes(overlay("remove: {images: [redis:7]}"))
    alone = load_manifest_or_overlay(path)
    assert isinstance(alone, Overlay)
    assert check_overlay(alone) == ()
    path.write_bytes(overlay("images: [redis:8]\nfiles: [{path: none}]"))
    alone = load_manifest_or_overlay(path)
    assert isinstance(alone, Overlay)
    assert [finding.code for finding in check_overlay(alone)] == ["AGM003"]


def test_what_says_that_it_is_a_manifest_is_read_as_one(tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    path.write_text("apiVersion: airgap-bundle/v1\nname: plane\nversion: 1.0\n")
    assert isinstance(load_manifest_or_overlay(path), Manifest)
    path.write_text("- a\n")
    with pytest.raises(DocumentError) as caught:
        load_manifest_or_overlay(path)
    assert caught.value.code == "AB-MANIFEST-INVALID"


def test_paths_of_an_overlay_alone_are_left_to_the_check_with_its_manifest() -> None:
    alone = parse_overlay(overlay("files: [{path: customers/north.lic}]"), "customers/north.yaml")
    assert check_overlay(alone) == ()
