"""`inspect --extract`: documents, signatures and files as they lie in a bundle, whole or not at all, and unverified."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tarfile
from typing import TYPE_CHECKING

import pytest
from support.images import single_image
from support.trip import Trip, make_trip, run

from airgap_bundle.bundle import layout

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.trip import Said

LICENCE = b"licence of acme" * 100


@pytest.fixture(scope="module")
def delivery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Trip, Path]]:
    """A signed bundle of an image, a file and a directory."""
    with pytest.MonkeyPatch.context() as patch, make_trip(tmp_path_factory.mktemp("trip"), patch) as trip:
        (reference,) = trip.put({("acme/app", "1.0"): single_image("app", size=300_000)})
        (trip.path / "licence.txt").write_bytes(LICENCE)
        (trip.path / "docs" / "de").mkdir(parents=True)
        (trip.path / "docs" / "de" / "guide.txt").write_bytes(b"Anleitung")
        (trip.path / "docs" / "install.sh").write_bytes(b"#!/bin/sh\n")
        (trip.path / "docs" / "install.sh").chmod(0o755)
        files = "files: [{path: licence.txt, as: licences/acme.txt}, {path: docs/}]"
        trip.manifest_of_images(reference, more=(files,))
        yield trip, trip.build()


def extract(bundle: object, into: Path, *options: str) -> Said:
    return run("airgap-export", "inspect", bundle, "--extract", into, "--format", "json", *options)


def content(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def members(bundle: Path) -> dict[str, bytes]:
    """What tar says lies under `airgap/`."""
    found = {}
    with tarfile.open(bundle) as archive:
        for member in archive:
            file = archive.extractfile(member)
            if file is not None and member.name.startswith("airgap/") and member.name != layout.RESERVED:
                found[member.name.removeprefix("airgap/")] = file.read()
    return found


def expected(bundle: Path) -> dict[str, bytes]:
    files = {
        "files/licences/acme.txt": LICENCE,
        "files/docs/de/guide.txt": b"Anleitung",
        "files/docs/install.sh": b"#!/bin/sh\n",
    }
    return members(bundle) | files


def damaged(bundle: Path, target: Path, data: bytes) -> Path:
    raw = bytearray(bundle.read_bytes())
    at = raw.index(data)
    raw[at] ^= 1
    target.write_bytes(raw)
    return target


@pytest.mark.parametrize("is_there", [False, True])
def test_documents_signatures_and_files_come_out_as_they_are(
    delivery: tuple[Trip, Path], tmp_path: Path, *, is_there: bool
) -> None:
    _, bundle = delivery
    into = tmp_path / "look"
    if is_there:
        into.mkdir()
    said = extract(bundle, into)
    assert (said.status, said.err) == (0, "")
    assert content(into) == expected(bundle)
    assert {"manifest.yaml", "lock.yaml", "inventory.json"} < content(into).keys()
    assert sum(name.startswith("signatures/") for name in content(into)) == 1
    assert said.json["extracted"] == {"directory": str(into), "files": sorted(expected(bundle)), "leftOut": []}
    assert said.json["verified"] is False
    assert os.access(into / "files/docs/install.sh", os.X_OK)
    # The bundle id is the digest of the inventory, which whoever looks can compute again.
    inventory = hashlib.sha256((into / "inventory.json").read_bytes()).hexdigest()
    assert said.json["bundleId"] == f"sha256:{inventory}"


def test_a_person_is_told_what_was_written_and_that_nothing_was_verified(
    delivery: tuple[Trip, Path], tmp_path: Path
) -> None:
    _, bundle = delivery
    said = run("airgap-export", "inspect", bundle, "--extract", tmp_path / "look")
    assert "files/licences/acme.txt" in said.out
    assert "verified no more than the rest" in said.text
    assert "Not verified:" in said.out


def test_without_it_nothing_is_extracted(delivery: tuple[Trip, Path]) -> None:
    _, bundle = delivery
    assert run("airgap-export", "inspect", bundle, "--format", "json").json["extracted"] is None


def test_signatures_that_lie_beside_the_bundle_come_along(delivery: tuple[Trip, Path], tmp_path: Path) -> None:
    _, bundle = delivery
    copy = tmp_path / bundle.name
    shutil.copy(bundle, copy)
    beside = tmp_path / f"{bundle.name}.signatures"
    beside.mkdir()
    (own,) = (name for name in members(bundle) if name.startswith("signatures/"))
    (beside / own.removeprefix("signatures/")).write_bytes(b"another")
    (beside / f"openpgp-{'0' * 40}.sig").write_bytes(b"beside")
    said = extract(copy, tmp_path / "look")
    assert said.status == 0, said.text
    assert (tmp_path / "look" / "signatures" / f"openpgp-{'0' * 40}.sig").read_bytes() == b"beside"
    assert (tmp_path / "look" / own).read_bytes() == members(bundle)[own]
    assert [one["name"] for one in said.json["extracted"]["leftOut"]] == [own]
    assert "was not extracted" in said.err


def test_volumes_give_the_same(delivery: tuple[Trip, Path], tmp_path: Path) -> None:
    _, bundle = delivery
    place = tmp_path / "media"
    cut = run("airgap-export", "cut", bundle, "-o", place, "--volume-size", "1200kB")
    assert cut.status == 0, cut.text
    assert (place / "acme.tar.002").exists()
    said = extract(place, tmp_path / "look")
    assert said.status == 0, said.text
    assert content(tmp_path / "look") == expected(bundle)


@pytest.mark.parametrize("is_there", [False, True])
def test_a_damaged_file_leaves_nothing(delivery: tuple[Trip, Path], tmp_path: Path, *, is_there: bool) -> None:
    _, bundle = delivery
    bad = damaged(bundle, tmp_path / "bad.tar", LICENCE)
    into = tmp_path / "look"
    if is_there:
        into.mkdir()
    said = extract(bad, into)
    assert (said.status, said.json["error"]["code"]) == (4, "AB-BUNDLE-BLOB")
    assert into.exists() is is_there
    assert sorted(path.name for path in tmp_path.rglob("*")) == sorted(["bad.tar", *(["look"] if is_there else [])])


def test_a_bundle_that_is_cut_short_leaves_nothing(delivery: tuple[Trip, Path], tmp_path: Path) -> None:
    _, bundle = delivery
    (tmp_path / "bad.tar").write_bytes(bundle.read_bytes()[:-1024])
    said = extract(tmp_path / "bad.tar", tmp_path / "look")
    assert (said.status, said.json["error"]["code"]) == (4, "AB-BUNDLE-TRUNCATED")
    assert not (tmp_path / "look").exists()


@pytest.mark.parametrize("kind", ["full", "file", "link", "no parent"])
def test_only_a_new_or_empty_directory_is_taken(delivery: tuple[Trip, Path], tmp_path: Path, kind: str) -> None:
    _, bundle = delivery
    into = tmp_path / "look"
    if kind == "full":
        into.mkdir()
        (into / ".mine").write_bytes(b"mine")
    elif kind == "file":
        into.write_bytes(b"mine")
    elif kind == "link":
        (tmp_path / "elsewhere").mkdir()
        into.symlink_to(tmp_path / "elsewhere")
    else:
        into = tmp_path / "none" / "look"
    before = sorted(tmp_path.rglob("*"))
    said = extract(bundle, into)
    code = "AB-USAGE-VALUE" if kind == "no parent" else "AB-USAGE-OUTPUT-EXISTS"
    assert (said.status, said.json["error"]["code"]) == (2, code)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_stream_is_refused_before_it_is_read(tmp_path: Path) -> None:
    said = extract("-", tmp_path / "look")
    assert (said.status, said.json["error"]["code"]) == (2, "AB-USAGE-EXTRACT-STREAM")
    assert not (tmp_path / "look").exists()


def test_a_delta_says_which_files_are_in_its_base(delivery: tuple[Trip, Path], tmp_path: Path) -> None:
    trip, bundle = delivery
    trip.build(str(tmp_path / "delta.tar"), "--base", str(bundle), sign="")
    said = extract(tmp_path / "delta.tar", tmp_path / "look")
    assert said.status == 0, said.text
    left = {one["name"] for one in said.json["extracted"]["leftOut"]}
    assert left == {"files/licences/acme.txt", "files/docs"}
    assert not (tmp_path / "look" / "files").exists()
    assert json.loads((tmp_path / "look" / "inventory.json").read_bytes())["assumed"]
