"""`airgap-import relocate`: which receipts, where the files go, and what a person and a machine are told."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from support.images import single_image
from support.trip import Trip, make_trip, run

from airgap_bundle.boundary.receipts.documents import dump_receipt
from airgap_bundle.boundary.relocation.consumers import Consumer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.trip import Said

MARK = "# Made by airgap-import relocate"


@pytest.fixture
def trip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trip]:
    with make_trip(tmp_path, monkeypatch) as made:
        yield made


def relocate(trip: Trip, *arguments: object) -> Said:
    return run("airgap-import", "relocate", "-o", trip.path / "out", "--state", trip.state, *arguments)


def push(trip: Trip, *options: object, dest: str = "", version: str = "1.0.0") -> str:
    """One image brought in; the id of the receipt."""
    references = trip.put({("acme/app", version): single_image(version)})
    trip.manifest_of_images(*references, version=version)
    bundle = trip.build(f"{version}.tar", "--relock")
    return str(trip.pushed(bundle, dest, *options)["receipt"])


def every_consumer() -> list[str]:
    return [part for consumer in Consumer for part in ("--for", consumer)]


def test_nothing_imported_is_said_and_no_failure(trip: Trip) -> None:
    said = relocate(trip, "--for", "helm")
    assert (said.status, said.out) == (0, "Nothing is current here, so there is nothing to relocate\n")
    said = relocate(trip, "--for", "helm", "--for", "k3s", "--format", "json")
    assert [one["for"] for one in said.json["formats"]] == ["helm", "k3s"]
    assert not (trip.path / "out").exists()


def test_all_that_is_current_counts_and_a_receipt_that_is_named_counts_alone(trip: Trip) -> None:
    first = push(trip)
    second = push(trip, version="2.0.0")
    said = relocate(trip, *every_consumer(), "--format", "json")
    assert said.status == 0
    assert (said.json["receipts"], said.json["destination"], said.json["registry"]) == ([second], trip.dest, trip.dest)
    said = relocate(trip, first, "--for", "kustomize")
    assert "is not what is current" in said.text
    assert first in (trip.path / "out" / "kustomization.yaml").read_text()


def test_a_format_with_nothing_in_it_is_said_and_no_failure(trip: Trip) -> None:
    push(trip)
    said = relocate(trip, "--for", "compose", "--for", "helm")
    assert said.status == 0
    assert said.out == ""
    assert "nothing for compose in 1 receipt" in said.text
    assert "nothing for helm" in said.text
    assert not (trip.path / "out").exists()


def test_the_same_again_gives_the_same_bytes_and_replaces_what_is_ours(trip: Trip) -> None:
    push(trip)
    assert relocate(trip, *every_consumer()).status == 0
    files = {path: path.read_bytes() for path in (trip.path / "out").rglob("*") if path.is_file()}
    assert len(files) == 7
    next(iter(files)).write_text(f"{MARK}, long ago\n")
    assert relocate(trip, *every_consumer()).status == 0
    assert {path: path.read_bytes() for path in (trip.path / "out").rglob("*") if path.is_file()} == files


@pytest.mark.parametrize("kind", ["file", "link", "directory", "parent", "pipe"])
def test_what_somebody_else_put_there_is_never_replaced_and_nothing_else_is_written(trip: Trip, kind: str) -> None:
    push(trip)
    target = trip.path / "out" / "registries.conf.d" / "50-airgap.conf"
    target.parent.parent.mkdir()
    if kind == "parent":
        target.parent.symlink_to(trip.path)
    else:
        target.parent.mkdir()
        (trip.path / "elsewhere").write_text(f"{MARK}\n")
        if kind == "file":
            target.write_text("unqualified-search-registries = []\n")
        elif kind == "link":
            target.symlink_to(trip.path / "elsewhere")
        elif kind == "pipe":
            os.mkfifo(target)
        else:
            target.mkdir()
    said = relocate(trip, "--for", "containerd", "--for", "crio")
    assert (said.status, "AB-USAGE-FILES-EXIST" in said.text) == (2, True)
    assert not (trip.path / "out" / "certs.d").exists()
    assert not (trip.path / "50-airgap.conf").exists()


def test_files_of_an_earlier_run_that_nothing_stands_for_are_named(trip: Trip) -> None:
    push(trip)
    old = trip.path / "out" / "certs.d" / "old.example"
    old.mkdir(parents=True)
    (old / "hosts.toml").write_text(f"{MARK}, long ago\n")
    (trip.path / "out" / "mine.values.yaml").write_text("a: 1\n")
    said = relocate(trip, "--for", "containerd", "--format", "json")
    assert said.json["leftovers"] == ["certs.d/old.example/hosts.toml"]


def test_files_that_another_run_made_for_others_are_no_leftovers(trip: Trip) -> None:
    push(trip)
    assert relocate(trip, "--for", "containerd").status == 0
    (trip.path / "out" / "gone.values.yaml").write_text(f"{MARK}, long ago\n")
    said = relocate(trip, "--for", "crio", "--format", "json")
    assert (said.json["leftovers"], said.err) == ([], "")
    said = relocate(trip, "--for", "helm", "--format", "json")
    assert said.json["leftovers"] == ["gone.values.yaml"]


def test_several_destinations_have_to_be_told_apart(trip: Trip) -> None:
    push(trip)
    push(trip, dest=f"{trip.inner.address}/production")
    said = relocate(trip, "--for", "crio")
    assert (said.status, "AB-USAGE-WHICH-DESTINATION" in said.text) == (2, True)
    said = relocate(trip, "--for", "crio", "--dest", f"{trip.inner.address}/production")
    assert said.status == 0
    assert "/production/" in (trip.path / "out" / "registries.conf.d" / "50-airgap.conf").read_text()
    said = relocate(trip, "--for", "crio", "--dest", "registry.internal")
    assert (said.status, "AB-USAGE-NOT-IMPORTED" in said.text) == (2, True)


def test_a_directory_needs_the_address_that_serves_it(trip: Trip) -> None:
    receipt = push(trip, dest=f"dir:{trip.path}/store")
    said = relocate(trip, "--for", "crio")
    assert (said.status, "--registry" in said.text) == (2, True)
    said = relocate(trip, receipt, "--for", "crio", "--registry", "registry.internal:5000", "--ca-file", "/etc/ca.crt")
    assert said.status == 0
    text = (trip.path / "out" / "registries.conf.d" / "50-airgap.conf").read_text()
    assert 'location = "registry.internal:5000/127.0.0.1_' in text
    assert "insecure" not in text


@pytest.mark.parametrize("name", ["evil.example/../x", 'x"\n', "https://x", "-"])
def test_an_address_that_is_none_is_refused(trip: Trip, name: str) -> None:
    push(trip)
    said = relocate(trip, "--for", "crio", "--registry", name)
    assert (said.status, "AB-USAGE-DESTINATION" in said.text) == (2, True)


@pytest.mark.parametrize("path", ['/etc/"x', "/etc/x\ny"])
def test_a_certificate_path_that_could_act_is_refused(trip: Trip, path: str) -> None:
    push(trip)
    said = relocate(trip, "--for", "containerd", "--ca-file", path)
    assert (said.status, "AB-USAGE-VALUE" in said.text) == (2, True)


def test_what_is_held_has_no_tags_and_is_said(trip: Trip) -> None:
    receipt = push(trip, "--hold")
    assert "Nothing is current" in relocate(trip, "--for", "crio").out
    assert "is held: its tags are not there" in relocate(trip, receipt, "--for", "crio").text


def test_a_receipt_of_another_machine_is_not_believed(trip: Trip) -> None:
    from support.receipts import receipt  # noqa: PLC0415 - used here alone

    push(trip)
    (trip.path / "receipt.json").write_bytes(dump_receipt(receipt()))
    said = relocate(trip, trip.path / "receipt.json", "--for", "crio")
    assert (said.status, "AB-RECEIPT-UNKNOWN" in said.text) == (3, True)


def test_what_is_no_image_is_named(trip: Trip) -> None:
    (trip.path / "licence.txt").write_text("free")
    references = trip.put({("acme/app", "1"): single_image("1")})
    trip.manifest_of_images(*references, more=("files:", "  - {path: licence.txt}"))
    trip.pushed(trip.build())
    said = relocate(trip, "--for", "crio")
    assert "no images, so in none of these files: files/acme:1.0.0" in said.text


def test_a_disk_that_takes_nothing_is_an_error_of_this_machine(trip: Trip) -> None:
    push(trip)
    (trip.path / "out").write_text("a file")
    said = relocate(trip, "--for", "crio")
    assert said.status == 6
    assert "cannot be written" in said.text
