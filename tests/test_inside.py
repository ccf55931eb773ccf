"""The commands of the inside together: as text and as JSON, two at a time, and the example of holding and scanning."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.deliveries import Site, deliveries, make_site
from support.gate import gate_before
from support.images import artifact, single_image
from support.registries import debian_registry, embedded_registry
from support.trip import client, keys, make_trip, run, start

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.trip import Trip

EXAMPLES = Path(__file__).parent.parent / "examples" / "hold"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return make_site(tmp_path)


# --- Words -------------------------------------------------------------------------------------------------------


def test_the_whole_way_in_words_that_fit_a_narrow_terminal(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    first = site.push("acme-1")
    held = site.push("acme-2", "--hold")
    said = [
        site.run("status", policy=False),
        site.run("publish", held, "--dry-run"),
        site.run("publish", held),
        site.run("rollback acme", "--dry-run"),
        site.run("rollback acme"),
        site.run("rollback acme", "--to", first),
        site.run("drift"),
        site.run("prune acme"),
        site.run("promote", first, site.dest, f"dir:{site.path / 'production'}", "--dry-run"),
        site.run("promote", first, site.dest, f"dir:{site.path / 'production'}"),
        site.run("holdings -o", site.path / "holdings.json"),
        site.run("audit verify", policy=False),
    ]
    assert [one.status for one in said] == [0] * len(said), [one.text for one in said]
    text = " ".join(one.text for one in said)
    for words in (
        "acme 1.0 is current in",
        "acme 2.0 is held in",
        "2 tags would move",
        "Published acme 2.0",
        "Would go back to",
        "1 tag moved, 1 tag removed",
        "is at acme 1.0 already; nothing to do",
        "Everything is as the ledger says",
        "Nothing to prune",
        "Would promote",
        "Promoted acme 1.0",
        "is whole",
    ):
        assert words in text, words


@pytest.mark.parametrize("command", ["status", "publish", "rollback", "promote", "drift", "holdings", "prune"])
def test_every_command_has_help_with_examples(command: str) -> None:
    said = run("airgap-import", command, "--help")
    assert said.status == 0
    assert f"airgap-import {command}" in said.out
    assert max(map(len, said.out.splitlines())) <= 80


def test_status_of_nothing_says_so(site: Site) -> None:
    assert "Nothing has been imported yet" in site.run("status", policy=False).text


def test_neither_trail_nor_receipt_holds_a_secret(site: Site, tmp_path: Path) -> None:
    receipt = site.push("acme-1", "--hold")
    evidence = tmp_path / "scan password=hunter2"
    evidence.write_bytes(b"x")
    site.done("publish", receipt, "--evidence", evidence)
    for file in (site.state / "audit.jsonl", site.state / "receipts" / f"{receipt}.json"):
        assert "hunter2" not in file.read_text()


# --- Two at a time -----------------------------------------------------------------------------------------------


def test_while_one_works_on_a_product_another_is_told_who_it_is(tmp_path: Path) -> None:
    site = make_site(tmp_path)
    with embedded_registry(tmp_path / "registry") as server, gate_before(server.address) as gate:
        dest = f"{gate.address}/mirror"
        site.push("acme-1", dest=dest)
        gate.open.clear()
        bundle = deliveries().bundle("acme-2")
        arguments = ["push", bundle, dest, "--policy", site.policy, "--state", site.state]
        with start("airgap-import", *arguments) as pushing:
            deadline = time.monotonic() + 30
            # The product's name is known, and the lock taken, when receipts are asked for.
            while not _locked(site) and time.monotonic() < deadline:
                gate.open.set()
                time.sleep(0.001)
                gate.open.clear()
            message = site.refused("rollback acme", status=6, code="AB-STATE-BUSY")
            assert str(pushing.pid) in message
            gate.open.set()
            assert pushing.wait(60) == 0
            pushing.communicate()
        assert site.done("rollback acme", "--wait-lock", "5")["moved"] == 1


def _locked(site: Site) -> bool:
    file = site.state / "lock" / "acme"
    return file.exists() and file.stat().st_size > 0


def test_two_products_are_imported_at_the_same_time(site: Site) -> None:
    processes = [
        start(
            "airgap-import",
            *["push", deliveries().bundle(name), site.dest, "--policy", site.policy, "--state", site.state],
        )
        for name in ("acme-1", "other-1")
    ]
    said = [process.communicate(timeout=60)[1].decode() for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    assert {one["product"] for one in site.status()["current"]} == {"acme", "other"}
    assert site.run("audit verify", policy=False).status == 0
    assert site.tags()["redis:7"] in {"redis-1", "redis-other"}
    assert site.done("drift")["drifted"] == []


# --- Refusals ----------------------------------------------------------------------------------------------------


def test_each_refusal_is_one_record(site: Site) -> None:
    receipt = site.push("acme-1", "--hold")
    before = len(site.audit())
    site.policy.write_text(site.policy.read_text() + "\n# changed\n")
    site.refused("publish", receipt, status=3, code="AB-LEDGER-POLICY")
    assert site.events()[before:] == ["refused"]
    assert site.audit()[-1]["details"]["code"] == "AB-LEDGER-POLICY"


def test_nothing_goes_back_to_a_bundle_that_was_revoked_since(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GNUPGHOME", str(keys().home.path))
    first = site.push("acme-1")
    bundle = site.status()["current"][0]["bundleId"]
    site.push("acme-2")
    new = site.path / "policy-2.yaml"
    said = run("airgap-import", "policy", "revoke", "--policy", site.policy, "--bundle", bundle, "-o", new)
    assert said.status == 0, said.err
    subprocess.run(["gpg", "--batch", "-u", keys().release, "--detach-sign", new], check=True, capture_output=True)
    said = run(
        "airgap-import",
        "policy",
        "update",
        new,
        "--signature",
        f"{new}.sig",
        "--old",
        site.policy,
        "--state",
        site.state,
    )
    assert said.status == 0, said.err
    site.policy.write_bytes(new.read_bytes())
    message = site.refused("rollback acme", status=3, code="AB-TRUST-REVOKED-BUNDLE")
    assert first in message
    assert site.tags()["redis:7"] == "redis-2"


def test_a_ledger_of_a_newer_version_is_refused_by_every_command(site: Site) -> None:
    site.push("acme-1")
    with closing(sqlite3.connect(site.state / "ledger.sqlite3")) as database:
        database.execute("PRAGMA user_version = 99")
    for command in ("status", "audit verify"):
        said = site.run(command, "--format", "json", policy=False)
        assert (said.status, said.json["error"]["code"]) == (6, "AB-LEDGER-NEWER")
    for command in ("rollback acme", "drift", "prune acme"):
        site.refused(command, status=6, code="AB-LEDGER-NEWER")


def test_a_torn_last_line_of_the_trail_is_put_aside_and_noted(site: Site) -> None:
    site.push("acme-1")
    with (site.state / "audit.jsonl").open("ab") as file:
        file.write(b'{"_type":"torn')
    assert site.run("audit verify", policy=False).status == 0
    site.push("acme-2")
    assert "audit.torn-line" in site.events()
    assert site.run("audit verify", policy=False).status == 0


@pytest.mark.parametrize("command", ["push", "publish", "rollback"])
def test_where_the_disk_is_too_full_for_the_trail_nothing_changes(site: Site, command: str) -> None:
    site.push("acme-1")
    receipt = site.push("acme-2", *(["--hold"] if command == "publish" else []))
    arguments = {
        "push": ["push", deliveries().bundle("acme-3"), site.dest],
        "publish": ["publish", receipt],
        "rollback": ["rollback", "acme"],
    }[command]
    before, records, status = site.tags(), site.events(), site.status()
    limit = (site.state / "audit.jsonl").stat().st_size + 10
    code = "\n".join(
        (
            "import resource, sys",
            f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))",
            "from airgap_bundle.cli.boundary import main",
            "main()",
        )
    )
    command_line = [sys.executable, "-c", code, *arguments, "--policy", site.policy, "--state", site.state]
    done = subprocess.run(list(map(str, command_line)), capture_output=True, text=True, check=False)
    assert done.returncode == 6, done.stderr
    assert "audit trail" in done.stderr
    assert (site.tags(), site.events(), site.status()) == (before, records, status)
    assert site.run("audit verify", policy=False).status == 0


@pytest.mark.parametrize("edit", ["change", "cut", "swap"])
def test_a_trail_that_was_edited_is_found_out(site: Site, edit: str) -> None:
    site.push("acme-1")
    trail = site.state / "audit.jsonl"
    lines = trail.read_bytes().splitlines(keepends=True)
    if edit == "change":
        lines[1] = lines[1].replace(b"push-sent", b"push-lost")
    elif edit == "cut":
        lines = lines[:-1]
    else:
        lines[1], lines[2] = lines[2], lines[1]
    trail.write_bytes(b"".join(lines))
    assert site.run("audit verify", policy=False).status == 1


# --- Another registry --------------------------------------------------------------------------------------------


@pytest.mark.tools
def test_debians_registry_is_rolled_back_too(tmp_path: Path) -> None:
    """It does not delete tags by name, so the new one stays, and that is said."""
    site = make_site(tmp_path)
    with debian_registry(tmp_path / "debian") as address, client(address) as registry:
        dest = f"{address}/mirror"
        site.push("acme-1", dest=dest)
        site.push("acme-2", dest=dest)
        said = site.run("rollback acme", "--format", "json")
        assert said.status in {0, 1}
        stuck = said.json["stuck"]
        listed = registry.list_tags(f"mirror/{site.repository('app')}")
        tags = {tag for tag in listed if not tag.startswith(("airgap-", "sha256-"))}
        assert tags - {"1.0"} == ({"2.0"} if stuck else set())
        found = registry.head_manifest(f"mirror/{site.repository('redis')}", "7")
        assert found is not None
        assert found.digest == deliveries().images["redis-1"].digest
        assert site.done("drift", "--deep")["drifted"] == []
        promoted = site.done("promote", site.status()["current"][0]["receipt"], dest, f"{address}/production")
        assert promoted["blobs"]["pushed"] == 0


# --- The example -------------------------------------------------------------------------------------------------


@pytest.fixture
def trip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trip]:
    with make_trip(tmp_path, monkeypatch) as made:
        yield made


def with_sbom(trip: Trip, packages: list[dict[str, str]]) -> Path:
    image = single_image("app")
    sbom = artifact(
        "sbom",
        artifact_type="application/spdx+json",
        files={"sbom.json": json.dumps({"spdxVersion": "SPDX-2.3", "packages": packages}).encode()},
        subject=image.root,
    )
    trip.manifest_of_images(*trip.put({("acme/app", "1.0"): image.with_referrers(sbom)}))
    return trip.build()


def hold_scan_publish(trip: Trip, bundle: Path, advisories: dict[str, list[str]]) -> subprocess.CompletedProcess[str]:
    (trip.path / "advisories.json").write_text(json.dumps(advisories))
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.run(
        [EXAMPLES / "hold-scan-publish", bundle, trip.dest, trip.path / "advisories.json"],
        capture_output=True,
        text=True,
        check=False,
        cwd=trip.path,
        env={**os.environ, "PATH": path, "AIRGAP_POLICY": str(trip.policy), "AIRGAP_STATE": str(trip.state)},
    )


@pytest.mark.tools("bash", "python3")
def test_the_example_publishes_what_its_scanner_finds_nothing_in(trip: Trip) -> None:
    bundle = with_sbom(trip, [{"name": "openssl", "versionInfo": "3.0.15"}])
    done = hold_scan_publish(trip, bundle, {"openssl": ["1.1.1k"]})
    assert done.returncode == 0, done.stdout + done.stderr
    assert trip.inner_tags() == {trip.below("acme/app"): ["1.0"]}
    assert "evidence: acme-" in " ".join(run("airgap-import", "status", "--state", trip.state).out.split())


@pytest.mark.tools("bash", "python3")
def test_the_example_holds_back_what_its_scanner_objects_to(trip: Trip) -> None:
    bundle = with_sbom(trip, [{"name": "openssl", "versionInfo": "1.1.1k"}])
    done = hold_scan_publish(trip, bundle, {"openssl": ["1.1.1k"]})
    assert done.returncode == 1, done.stdout + done.stderr
    assert "openssl 1.1.1k" in done.stdout
    assert trip.inner_tags() == {}


@pytest.mark.tools("bash", "python3")
def test_the_example_does_not_take_an_image_without_an_sbom_for_a_good_one(trip: Trip) -> None:
    trip.one_image()
    done = hold_scan_publish(trip, trip.build(), {})
    assert done.returncode == 1, done.stdout + done.stderr
    assert "has no SBOM" in done.stdout
    assert trip.inner_tags() == {}
