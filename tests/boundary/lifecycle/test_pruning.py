"""Anchors that nothing needs any more: first a plan, then exactly that plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.deliveries import Site, make_site
from support.gate import gate_before
from support.registries import embedded_registry

from airgap_bundle.boundary.lifecycle import pruning

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return make_site(tmp_path)


def anchors(site: Site) -> int:
    return sum(
        tag.startswith("airgap-") for name in ("app", "redis") for tag in site.registry.list_tags(site.repository(name))
    )


@pytest.fixture
def one_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """Building five releases takes long; keeping one instead of three shows the same."""
    monkeypatch.setattr(pruning.anchors_to_keep, "__defaults__", (1,))


def test_what_the_last_three_receipts_need_stays(site: Site) -> None:
    for n in (1, 2, 3):
        site.push(f"acme-{n}")
    planned = site.done("prune acme")
    assert (planned["anchors"], planned["kept"]) == ([], 6)
    assert "Nothing to prune" in site.run("prune acme").text


@pytest.mark.usefixtures("one_is_enough")
def test_a_plan_deletes_nothing_and_its_id_carries_it_out(site: Site) -> None:
    site.push("acme-1")
    site.push("acme-2")
    planned = site.done("prune acme")
    assert (len(planned["anchors"]), anchors(site)) == (2, 4)
    done = site.done("prune acme", "--delete", planned["plan"])
    assert (done["stuck"], anchors(site)) == ([], 2)
    assert site.events()[-2:] == ["prune-begun", "prune-finished"]
    assert site.done("drift")["drifted"] == []
    # The tag of the first release still names its image; only the anchor is gone.
    assert site.tags()["app:1.0"] == "app-1"


@pytest.mark.usefixtures("one_is_enough")
def test_another_plan_than_the_one_that_was_shown_is_not_carried_out(site: Site) -> None:
    site.push("acme-1")
    site.push("acme-2")
    planned = site.done("prune acme")
    site.push("acme-3")
    site.refused("prune acme", "--delete", planned["plan"], status=2, code="AB-USAGE-PLAN")
    assert anchors(site) == 6


@pytest.mark.usefixtures("one_is_enough")
def test_what_is_current_after_a_rollback_keeps_its_anchors(site: Site) -> None:
    first = site.push("acme-1")
    site.push("acme-2")
    site.push("acme-3")
    site.done("rollback acme", "--to", first)
    assert len(site.done("prune acme")["anchors"]) == 2
    assert site.done("prune acme")["kept"] == 4


def test_a_registry_without_delete_keeps_them_and_that_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning.anchors_to_keep, "__defaults__", (1,))
    site = make_site(tmp_path)
    with embedded_registry(tmp_path / "registry") as server, gate_before(server.address) as gate:
        site.push("acme-1", dest=gate.address)
        site.push("acme-2", dest=gate.address)
        gate.rule = lambda method, _target: 405 if method == "DELETE" else None
        planned = site.done("prune acme")
        done = site.done("prune acme", "--delete", planned["plan"], status=1)
        assert len(done["stuck"]) == 2


def test_anchors_of_another_product_are_not_ours(site: Site) -> None:
    site.push("acme-1")
    site.push("other-1")
    assert site.done("prune other")["kept"] == 1
