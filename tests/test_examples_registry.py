"""The units and the manifest in `examples/registry` are what systemd and Kubernetes take, and what `serve` knows."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.certificates import authority
from support.passwords import write_users
from support.tools import tool
from support.trip import run

EXAMPLES = Path(__file__).resolve().parent.parent / "examples" / "registry"
PROGRAM = "/opt/airgap-bundle/bin/airgap-import"
UNITS = ["airgap-registry.service", "airgap-registry-collect.service", "airgap-registry-collect.timer"]
# systemd's own scale: 10 is exposed to everything. A service that listens on the network cannot get to 0.
MOST_EXPOSED = 1.5


def documents() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((EXAMPLES / "kubernetes.yaml").read_text()))


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units, with a program that is there."""
    for name in UNITS:
        text = (EXAMPLES / name).read_text().replace(PROGRAM, shutil.which("true") or "/bin/true")
        (tmp_path / name).write_text(re.sub("(?m)^(User|Group)=.*", r"\1=root", text))
    return tmp_path


@pytest.mark.tools("systemd-analyze")
def test_systemd_takes_the_units(units: Path) -> None:
    assert tool("systemd-analyze", "verify", *(units / name for name in UNITS)) == ""


@pytest.mark.tools("systemd-analyze")
@pytest.mark.parametrize("name", UNITS[:2])
def test_systemd_finds_little_that_the_services_could_harm(units: Path, name: str) -> None:
    text = (units / name).read_text().replace("=root", "=daemon")
    (units / name).write_text(text)
    said = tool("systemd-analyze", "security", "--offline=true", "--no-pager", units / name)
    exposure = re.search(r"Overall exposure level for \S+: ([0-9.]+)", said)
    assert exposure is not None
    assert float(exposure[1]) <= MOST_EXPOSED, said


def test_kubernetes_takes_the_manifest() -> None:
    validator = pytest.importorskip("kubernetes_validate")
    for document in documents():
        validator.validate(document, "1.30", strict=True)


def test_the_pods_may_do_nothing_that_they_need_not() -> None:
    found = {document["kind"]: document for document in documents()}
    pods = [
        found["Deployment"]["spec"]["template"]["spec"],
        found["CronJob"]["spec"]["jobTemplate"]["spec"]["template"]["spec"],
    ]
    for pod in pods:
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["automountServiceAccountToken"] is False
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
        assert {mount["name"] for one in pod["containers"] for mount in one["volumeMounts"]} == {
            volume["name"] for volume in pod["volumes"]
        }
    assert found["NetworkPolicy"]["spec"]["egress"] == []


def unit_command(name: str) -> list[str]:
    text = (EXAMPLES / name).read_text()
    return shlex.split(text.partition("ExecStart=")[2].partition("\n")[0])[1:]


def container_command(kind: str) -> list[str]:
    document = next(one for one in documents() if one["kind"] == kind)
    spec = document["spec"] if kind == "Deployment" else document["spec"]["jobTemplate"]["spec"]
    (container,) = spec["template"]["spec"]["containers"]
    assert container["command"] == ["airgap-import"]
    return list(container["args"])


def test_serve_takes_what_the_examples_say_and_only_wants_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The address is one of nobody's: with everything else right, it is what cannot be had."""
    made = authority(tmp_path / "authority")
    certificate, key = made.issue("server")
    users = write_users(tmp_path / "users", publisher="x")
    files = {"tls.crt": certificate, "tls.key": key, "users": users}
    variables = dict(
        line.split("=", 1) for line in (EXAMPLES / "environment").read_text().splitlines() if not line.startswith("#")
    )

    def here(word: str) -> str:
        word = re.sub(
            r"/(?:etc/airgap-registry|tls|users)/(tls\.crt|tls\.key|users)$", lambda m: str(files[m[1]]), word
        )
        word = re.sub(r"^(/var/lib/airgap-registry|/data)$", str(tmp_path / "registry"), word)
        return word.replace("0.0.0.0:5000", "192.0.2.1:5000")

    said = run("airgap-import", *map(here, container_command("Deployment")))
    assert "AB-SERVE-ADDRESS-IN-USE" in said.err, said.err
    for name, value in variables.items():
        monkeypatch.setenv(name, here(value))
    said = run("airgap-import", *map(here, unit_command("airgap-registry.service")))
    assert "AB-SERVE-ADDRESS-IN-USE" in said.err, said.err
    for command in (unit_command("airgap-registry-collect.service"), container_command("CronJob")):
        assert run("airgap-import", *map(here, command)).status == 0


def test_what_the_readme_names_is_there() -> None:
    text = (EXAMPLES / "README.md").read_text()
    for path in EXAMPLES.iterdir():
        assert path.name == "README.md" or path.name in text
    options = set(re.findall(r"--[a-z][a-z-]+", text)) - {"--cert", "--key", "--from-file", "--now"}
    helps = "".join(run("airgap-import", command, "--help").out for command in ("serve", "collect", "relocate"))
    assert options - set(re.findall(r"--[a-z-]+", helps)) == set()
