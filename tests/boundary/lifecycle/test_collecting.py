"""What `collect` sets free in the storage of the embedded registry, and what receipts keep."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest
from support.deliveries import Site, make_site
from support.images import single_image
from support.trip import run

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
