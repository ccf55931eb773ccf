"""The examples for people who run it: a nightly look for drift, and a courier's sheet."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from support.tools import tool
from support.trip import Trip, keys, make_trip, run

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
DRIFT = EXAMPLES / "drift-timer"
COURIER = EXAMPLES / "courier"
SECONDS = 60
# systemd's own scale: 10 is exposed to everything; this one has to speak to a registry.
MOST_EXPOSED = 1.6
SCRIPTS = [
    DRIFT / "airgap-drift",
    COURIER / "prepare",
    EXAMPLES / "hold" / "hold-scan-publish",
    EXAMPLES / "brief-link" / "push-until-in",
    *(EXAMPLES / "diode" / name for name in ("send", "receive-stream", "receive-volumes")),
]


@pytest.fixture
def trip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trip]:
    with make_trip(tmp_path, monkeypatch) as made:
        made.one_image(size=1_500_000)
        yield made


def call(trip: Trip, *words: object, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "AIRGAP_POLICY": str(trip.policy),
        "AIRGAP_STATE": str(trip.state),
        **variables,
    }
    return subprocess.run(
        [str(word) for word in words],
        cwd=trip.path,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_shellcheck_finds_nothing_in_the_scripts(script: Path) -> None:
    assert tool("shellcheck", "--severity=warning", script) == ""


# --- Drift ------------------------------------------------------------------------------------------------------------


def metrics(path: Path) -> dict[str, float]:
    families = text_string_to_metric_families(path.read_text())
    return {sample.name: sample.value for family in families for sample in family.samples}


def test_what_drifted_is_in_the_journal_and_in_the_metrics(trip: Trip) -> None:
    trip.pushed(trip.build())
    file = trip.path / "airgap_drift.prom"
    said = call(trip, DRIFT / "airgap-drift", file)
    assert (said.returncode, metrics(file)["airgap_drift_status"]) == (0, 0), said.stderr
    trip.inner.registry.delete_tag(trip.below("acme/app"), "1.0")
    said = call(trip, DRIFT / "airgap-drift", file, "--deep")
    assert (said.returncode, metrics(file)["airgap_drift_status"]) == (1, 1), said.stderr
    assert "acme/app" in said.stdout
    assert [path.name for path in trip.path.glob("*.prom*")] == [file.name]


def test_what_could_not_be_looked_at_does_not_look_like_nothing_wrong(trip: Trip) -> None:
    file = trip.path / "airgap_drift.prom"
    said = call(trip, DRIFT / "airgap-drift", file, AIRGAP_POLICY=str(trip.path / "none.yaml"))
    assert said.returncode == metrics(file)["airgap_drift_status"] > 1
    assert call(trip, DRIFT / "airgap-drift").returncode == 2


@pytest.fixture
def units(tmp_path: Path) -> Path:
    for name in ("airgap-drift.service", "airgap-drift.timer"):
        text = (DRIFT / name).read_text()
        text = re.sub("(?m)^ExecStart=\\S+", f"ExecStart={shutil.which('true') or '/bin/true'}", text)
        (tmp_path / name).write_text(re.sub("(?m)^(User|Group)=.*", r"\1=daemon", text))
    return tmp_path


@pytest.mark.tools("systemd-analyze")
def test_systemd_takes_the_units_and_finds_little_that_they_could_harm(units: Path) -> None:
    assert tool("systemd-analyze", "verify", *sorted(units.glob("airgap-drift.*"))) == ""
    service = units / "airgap-drift.service"
    said = tool("systemd-analyze", "security", "--offline=true", "--no-pager", service)
    exposure = re.search(r"Overall exposure level for \S+: ([0-9.]+)", said)
    assert exposure is not None
    assert float(exposure[1]) <= MOST_EXPOSED, said


def test_the_alerts_name_metrics_that_are_written() -> None:
    rules = [rule for group in yaml.safe_load((DRIFT / "alerts.yaml").read_text())["groups"] for rule in group["rules"]]
    named = {name for rule in rules for name in re.findall(r"airgap_\w+", rule["expr"])}
    assert named == set(re.findall(r"^(airgap_\w+) \$", (DRIFT / "airgap-drift").read_text(), re.MULTILINE))


# --- Courier ----------------------------------------------------------------------------------------------------------


def test_a_second_person_signs_the_inventory_alone_and_the_sheet_says_so(trip: Trip) -> None:
    bundle = trip.build()
    said = call(trip, COURIER / "prepare", bundle, "1MB", trip.path)
    assert (said.returncode, "1 of 2 signatures" in said.stderr) == (3, True)
    inventory = trip.path / "inventory.json"
    assert run("airgap-export", "sign", bundle, "--inventory-only", inventory).status == 0
    signature = inventory.with_name("inventory.json.sig")
    signature.write_bytes(keys().home.sign(inventory.read_bytes(), keys().stranger))
    assert run("airgap-export", "sign", bundle, "--attach", signature).status == 0
    media = [trip.path / name for name in ("stick1", "stick2", "stick3")]
    for medium in media:
        medium.mkdir()
    said = call(trip, COURIER / "prepare", bundle, "1MB", *media)
    assert said.returncode == 0, said.stderr
    described = run("airgap-export", "inspect", bundle, "--format", "json").json
    sheet = bundle.with_name("acme.tar.sheet.txt").read_text()
    assert described["bundleId"] in sheet
    assert re.search(r"^signatures +2$", sheet, re.MULTILINE)
    assert max(map(len, sheet.splitlines())) <= 80
    assert trip.push(media[0]).status == 0


def test_the_courier_is_told_how_it_is_used(trip: Trip) -> None:
    assert call(trip, COURIER / "prepare").returncode == 2
    assert call(trip, COURIER / "prepare", "--help").stdout.startswith("usage: prepare BUNDLE SIZE MEDIUM")


@pytest.mark.parametrize("example", [DRIFT, COURIER], ids=lambda path: path.name)
def test_the_readme_names_each_file(example: Path) -> None:
    text = (example / "README.md").read_text()
    assert [path.name for path in example.iterdir() if path.name not in text and path.name != "README.md"] == []
