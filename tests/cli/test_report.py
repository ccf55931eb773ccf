"""`airgap-import report`: what it writes, when it asks a registry, and what it refuses."""

from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families
from support.deliveries import make_site
from support.registries import embedded_registry
from support.trip import run

if TYPE_CHECKING:
    from pathlib import Path

    from support.deliveries import Site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return make_site(tmp_path)


def metrics(path: Path) -> dict[str, float]:
    return {
        sample.name.removeprefix("airgap_import_"): sample.value
        for family in text_string_to_metric_families(path.read_text())
        for sample in family.samples
    }


def test_a_page_metrics_and_json_come_from_one_look(site: Site, tmp_path: Path) -> None:
    site.push("acme-1")
    site.push("acme-2", "--hold")
    page, prom = tmp_path / "out.html", tmp_path / "out.prom"
    document = site.done("report", "-o", page, "--metrics", prom)
    place = document["places"][0]  # type: ignore[index]  # a list
    assert (place["current"]["release"], place["waiting"][0]["release"]) == ("1.0", "2.0")
    assert "acme 2.0 is held" not in page.read_text()
    assert "is held: it waits for publish" in page.read_text()
    found = metrics(prom)
    assert (found["audit_ok"], found["current_items"], found["current_sequence"]) == (
        1,
        2,
        place["current"]["sequence"],
    )
    assert "drifted" not in found


def test_it_says_what_it_wrote_in_a_line_each(site: Site, tmp_path: Path) -> None:
    site.push("acme-1")
    said = site.run("report", "-o", tmp_path / "out.html", "--metrics", tmp_path / "out.prom")
    assert (said.status, said.err) == (0, "")
    assert [line.partition(": ")[2] for line in said.out.splitlines()] == ["1 product in effect with 2 items"] * 2


def test_nothing_to_write_is_a_mistake(site: Site) -> None:
    said = run("airgap-import", "report", "--state", site.state)
    assert (said.status, "AB-USAGE-REPORT" in said.err) == (2, True)


def test_without_a_policy_it_says_what_it_cannot_know(site: Site, tmp_path: Path) -> None:
    site.push("acme-1")
    said = site.run("report", "-o", tmp_path / "out.html", policy=False)
    assert said.status == 0
    assert "No policy was given, so nothing is said about signers" in (tmp_path / "out.html").read_text()


def test_a_policy_that_cannot_be_read_is_refused(site: Site, tmp_path: Path) -> None:
    site.policy.write_text("nonsense: [")
    said = site.run("report", "-o", tmp_path / "out.html")
    assert (said.status, (tmp_path / "out.html").exists()) == (2, False)


def test_a_registry_is_asked_only_where_that_was_said(site: Site, tmp_path: Path) -> None:
    site.push("acme-1")
    site.registry.delete_tag(site.repository("redis"), "7")
    prom = tmp_path / "out.prom"
    assert site.done("report", "--metrics", prom)["drift"] == []
    document = site.done("report", "--metrics", prom, "--drift", site.dest, status=1)
    assert [one["count"] for one in document["drift"]] == [1]  # type: ignore[attr-defined]  # a list
    assert metrics(prom)["drifted"] == 1
    # What was found is what later reports say, and no finding of theirs.
    assert [one["count"] for one in site.done("report")["drift"]] == [1]  # type: ignore[attr-defined]  # a list


def test_a_registry_that_cannot_be_asked_is_an_error_and_nothing_is_written(site: Site, tmp_path: Path) -> None:
    with embedded_registry(site.path / "served") as served:
        site.push("acme-1", dest=served.address)
    said = site.run("report", "-o", tmp_path / "out.html", "--drift", served.address)
    assert (said.status, "AB-NETWORK-" in said.err) == (5, True)
    assert not (tmp_path / "out.html").exists()


def test_a_registry_that_nothing_was_imported_to_is_a_mistake(site: Site, tmp_path: Path) -> None:
    site.push("acme-1")
    said = site.run("report", "-o", tmp_path / "out.html", "--drift", "never.internal")
    assert (said.status, "AB-USAGE-NOT-IMPORTED" in said.err) == (2, True)


def test_a_trail_that_was_changed_is_a_finding(site: Site, tmp_path: Path) -> None:
    site.push("acme-1")
    trail = site.state / "audit.jsonl"
    trail.write_text(trail.read_text().replace("push-begun", "push-gebun"))
    said = site.run("report", "-o", tmp_path / "out.html", "--metrics", tmp_path / "out.prom")
    assert said.status == 1
    assert "the audit trail is not whole" in said.text
    assert "Look now: " in (tmp_path / "out.html").read_text()
    assert metrics(tmp_path / "out.prom")["audit_ok"] == 0


def test_a_file_appears_complete_and_in_place_of_what_was_there(site: Site, tmp_path: Path) -> None:
    prom = tmp_path / "textfile" / "airgap.prom"
    prom.parent.mkdir()
    prom.write_text("old")
    before = prom.stat().st_ino
    assert site.run("report", "--metrics", prom).status == 0
    assert (prom.stat().st_ino != before, prom.read_text().startswith("# HELP ")) == (True, True)
    assert stat.S_IMODE(prom.stat().st_mode) == 0o644
    # A collector reads every file that ends so: none was left beside it.
    assert [one.name for one in prom.parent.iterdir()] == ["airgap.prom"]


@pytest.mark.parametrize("option", ["-o", "--metrics"])
def test_what_cannot_be_written_is_the_machines_fault(site: Site, tmp_path: Path, option: str) -> None:
    (tmp_path / "there").mkdir()
    for target in (tmp_path / "there", tmp_path / "missing" / "out"):
        said = site.run("report", option, target)
        assert said.status == 6, said.text
    assert list((tmp_path / "there").iterdir()) == []


def test_json_on_standard_output_is_one_document_also_where_it_fails(site: Site) -> None:
    (site.state).mkdir(mode=0o700)
    (site.state / "ledger.sqlite3").write_bytes(b"nonsense" * 1000)
    said = site.run("report", "--format", "json")
    assert (said.status, json.loads(said.out)["error"]["code"]) == (6, "AB-LEDGER-DAMAGED")
