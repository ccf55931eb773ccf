"""What `collect` sets free in the storage of the embedded registry, and what receipts keep."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from support.deliveries import Site, make_site
from support.images import single_image
from support.registries import embedded_registry
from support.trip import run

from airgap_bundle.boundary.ledger.ledger import Ledger
from airgap_bundle.boundary.lifecycle.collecting import plan_collecting
from airgap_bundle.boundary.receipts.documents import dump_receipt, parse_receipt
from airgap_bundle.boundary.receipts.kept import keep_receipt
from airgap_bundle.boundary.state import StateDirectory
from airgap_bundle.core.content import Digest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return make_site(tmp_path)


def let_everything_be_old(root: Path) -> None:
    then = time.time() - 30 * 24 * 3600
    for path in root.rglob("*"):
        if path.is_file():
            os.utime(path, (then, then))


def storage(site: Site) -> Path:
    return site.registry.storage.root


def test_what_the_last_receipts_need_stays_even_without_tag_and_anchor(site: Site) -> None:
    site.push("acme-1")
    repository = site.repository("app")
    image = site.registry.head_manifest(repository, "1.0")
    assert image is not None
    for tag in site.registry.list_tags(repository):
        site.registry.delete_tag(repository, tag)
    stray = single_image("stray")
    stray.push_to(site.registry, "stray/app", "1")
    site.registry.delete_tag("stray/app", "1")
    let_everything_be_old(storage(site))

    planned = run("airgap-import", "collect", storage(site), "--dry-run", "--format", "json").json
    assert [waste["repository"] for waste in planned["repositories"]] == ["stray/app"]
    assert site.registry.get_manifest("stray/app", stray.digest) is not None

    done = run("airgap-import", "collect", f"dir:{storage(site)}", "--format", "json").json
    assert (done["bytes"], done["dryRun"], done["damaged"]) == (planned["bytes"], False, [])
    assert site.registry.get_manifest("stray/app", stray.digest) is None
    assert site.registry.get_manifest(repository, image.digest) is not None


def test_a_directory_that_is_no_registry_is_refused(tmp_path: Path) -> None:
    said = run("airgap-import", "collect", tmp_path / "nowhere")
    assert (said.status, "AB-COLLECT-NO-STORAGE" in said.err) == (2, True)
    assert not (tmp_path / "nowhere").exists()


def untagged(site: Site, name: str, tag: str) -> Digest:
    """An image of ours that no tag names any more."""
    repository = site.repository(name)
    image = site.registry.head_manifest(repository, tag)
    assert image is not None
    for each in site.registry.list_tags(repository):
        site.registry.delete_tag(repository, each)
    return image.digest


def collected(site: Site, *options: object) -> dict[str, Any]:
    let_everything_be_old(storage(site))
    said = run("airgap-import", "collect", storage(site), "--format", "json", *options)
    assert said.status == 0, said.err
    return said.json


def forget_receipts(site: Site) -> None:
    """As somebody may who can push to `airgap-receipts/`."""
    for tag in site.registry.list_tags("airgap-receipts/acme"):
        site.registry.delete_tag("airgap-receipts/acme", tag)


def test_receipts_that_were_removed_from_the_storage_still_count_where_the_ledger_has_them(site: Site) -> None:
    site.push("acme-1")
    image = untagged(site, "app", "1.0")
    forget_receipts(site)
    assert collected(site, "--state", site.state)["ledger"] is True
    assert site.registry.get_manifest(site.repository("app"), image) is not None
    # What is left: without the ledger nothing speaks for the image.
    done = collected(site)
    assert done["ledger"] is False
    assert site.registry.get_manifest(site.repository("app"), image) is None


def test_forged_receipts_of_newer_imports_push_nothing_out_that_the_ledger_has(site: Site) -> None:
    receipt = site.push("acme-1")
    image = untagged(site, "app", "1.0")
    real = parse_receipt((site.state / "receipts" / f"{receipt}.json").read_bytes())
    for n in (1, 2, 3):
        forged = replace(real, sequence=real.sequence + n, bundle_id=Digest.of(bytes([n])), items=real.items[1:])
        keep_receipt(site.registry, "", "acme", forged.id, dump_receipt(forged))
    collected(site, "--state", site.state)
    assert site.registry.get_manifest(site.repository("app"), image) is not None


def test_what_was_pushed_to_the_storage_under_the_name_that_it_is_served_by_counts_too(tmp_path: Path) -> None:
    with embedded_registry(tmp_path / "registry") as server:
        site = replace(make_site(tmp_path), dest=f"{server.address}/mirror")
        site.push("acme-1")
    below = f"mirror/{site.repository('app')}"
    image = site.registry.head_manifest(below, "1.0")
    assert image is not None
    for repository in (below, "mirror/airgap-receipts/acme"):
        for tag in site.registry.list_tags(repository):
            site.registry.delete_tag(repository, tag)
    collected(site, "--state", site.state)
    assert site.registry.get_manifest(below, image.digest) is not None


def test_what_the_ledger_says_of_another_directory_keeps_nothing_here(site: Site) -> None:
    site.push("acme-1")
    site.push("acme-1", dest=f"dir:{site.path / 'other'}")
    with Ledger.open(StateDirectory.open(site.state)) as ledger:
        there = plan_collecting(site.path / "other", grace_seconds=3600, ledger=ledger)
        here = plan_collecting(storage(site), grace_seconds=3600, ledger=ledger)
        assert (there.receipts, here.receipts, here.has_ledger) == (1, 1, True)
        forget_receipts(site)
        assert plan_collecting(storage(site), grace_seconds=3600, ledger=ledger).receipts == 1
        assert plan_collecting(storage(site), grace_seconds=3600).receipts == 0


def test_where_there_is_no_ledger_that_is_said_and_none_is_made(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.push("acme-1")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "nobody"))
    said = run("airgap-import", "collect", storage(site))
    assert "no ledger was at hand (--state)" in said.text
    assert not (tmp_path / "nobody").exists()
    named = run("airgap-import", "collect", storage(site), "--state", tmp_path / "typed-wrongly")
    assert (named.status, "there is no ledger in" in named.err) == (0, True)
    assert not (tmp_path / "typed-wrongly").exists()
    monkeypatch.setenv("AIRGAP_STATE", str(site.state))
    assert "no ledger" not in run("airgap-import", "collect", storage(site)).text


def test_a_ledger_that_cannot_be_read_stops_it(site: Site) -> None:
    site.push("acme-1")
    (site.state / "ledger.sqlite3").write_bytes(b"not a database, but long enough to look at" * 100)
    said = run("airgap-import", "collect", storage(site), "--state", site.state)
    assert (said.status, "AB-LEDGER-DAMAGED" in said.err) == (6, True), said.err
