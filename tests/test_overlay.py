"""One release for many customers: an overlay, a lock and a bundle each, and nobody sees what another one gets."""

from __future__ import annotations

import tarfile
from typing import TYPE_CHECKING

import pytest
from support.images import single_image
from support.trip import Trip, make_trip, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OVERLAY = "apiVersion: airgap-bundle/overlay.v1\n"


@pytest.fixture
def trip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trip]:
    with make_trip(tmp_path, monkeypatch) as made:
        made.put({("acme/app", "1.0"): single_image("app"), ("acme/extra", "1.0"): single_image("extra")})
        made.manifest_of_images(*(f"{made.source.address}/acme/{name}:1.0" for name in ("app", "extra")))
        customers = tmp_path / "customers"
        customers.mkdir()
        extra = f"{made.source.address}/acme/extra:1.0"
        (customers / "north.yaml").write_text(f"{OVERLAY}audience: [north]\nremove: {{images: ['{extra}']}}\n")
        (customers / "south.yaml").write_text(f"{OVERLAY}audience: [south]\n")
        yield made


def test_each_customer_has_a_lock_and_a_bundle_of_its_own(trip: Trip, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = trip.path / "acme.yaml"
    monkeypatch.chdir(trip.path)
    built = {}
    for name in ("north", "south"):
        overlay = trip.path / "customers" / f"{name}.yaml"
        assert run("airgap-manifest", "lock", manifest, "--overlay", overlay).status == 0
        assert run("airgap-manifest", "lock", manifest, "--overlay", overlay, "--check").status == 0
        assert run("airgap-export", "build", manifest, "--overlay", overlay).status == 0
        built[name] = trip.path / f"acme-1.0.0-{name}.tar"
    assert {file.name for file in trip.path.glob("*.lock.yaml")} == {"acme.north.lock.yaml", "acme.south.lock.yaml"}
    north, south = (run("airgap-export", "inspect", built[name], "--format", "json").json for name in built)
    assert [item["source"].rpartition("/")[2] for item in north["items"]] == ["app:1.0"]
    assert len(south["items"]) == 2
    assert (north["audience"], south["audience"]) == (["north"], ["south"])


def test_what_an_overlay_takes_out_is_nowhere_in_the_bundle(trip: Trip) -> None:
    out = trip.path / "north.tar"
    said = run(
        "airgap-export", "build", trip.path / "acme.yaml", "--overlay", trip.path / "customers/north.yaml", "-o", out
    )
    assert said.status == 0, said.text
    assert b"acme/extra" not in out.read_bytes()
    # What travels as the manifest is one that can be checked and locked by itself.
    inside = trip.path / "inside.yaml"
    assert run("airgap-export", "inspect", out, "--check").status == 0
    with tarfile.open(out) as archive:
        member = archive.extractfile("airgap/manifest.yaml")
        assert member is not None
        inside.write_bytes(member.read())
    assert run("airgap-manifest", "check", inside).status == 0


def test_a_changed_overlay_makes_its_lock_stale_and_no_other_one(trip: Trip) -> None:
    manifest = trip.path / "acme.yaml"
    north, south = (trip.path / "customers" / f"{name}.yaml" for name in ("north", "south"))
    for overlay in (north, south):
        assert run("airgap-manifest", "lock", manifest, "--overlay", overlay).status == 0
    north.write_text(f"{OVERLAY}audience: [north, north-2]\n")
    assert run("airgap-manifest", "lock", manifest, "--overlay", north, "--check").status == 1
    assert run("airgap-manifest", "lock", manifest, "--overlay", south, "--check").status == 0
    said = run("airgap-export", "build", manifest, "--overlay", north, "-o", trip.path / "x.tar", "--format", "json")
    assert (said.status, said.json["error"]["code"]) == (2, "AB-LOCK-STALE")
    # Without the overlay the hint would make another lock.
    assert f"airgap-manifest lock --overlay {north}" in said.json["error"]["hint"]
    checked = run("airgap-manifest", "check", manifest, "--overlay", north, "--format", "json")
    hints = {finding["hint"] for finding in checked.json["findings"] if finding["code"] == "AGM011"}
    assert hints == {f"run: airgap-manifest lock --overlay {north}"}


def test_an_overlay_that_does_not_fit_is_exit_2_and_names_its_line(trip: Trip) -> None:
    wrong = trip.path / "customers" / "wrong.yaml"
    wrong.write_text(f"{OVERLAY}remove: {{images: [a.example/none:1]}}\n")
    for command in (("airgap-manifest", "lock"), ("airgap-manifest", "check"), ("airgap-export", "plan")):
        said = run(*command, trip.path / "acme.yaml", "--overlay", wrong)
        assert said.status == 2, said.text
        assert "a.example/none:1" in said.text
        assert "wrong.yaml:2:" in said.text


def test_check_looks_at_both_together(trip: Trip) -> None:
    twice = trip.path / "customers" / "short.yaml"
    twice.write_text(f"{OVERLAY}images: [redis:7]\n")
    assert run("airgap-manifest", "check", trip.path / "acme.yaml").status == 0
    said = run("airgap-manifest", "check", trip.path / "acme.yaml", "--overlay", twice)
    assert said.status == 1
    assert "short.yaml:2:" in said.text
