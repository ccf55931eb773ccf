"""The guides in the package do what they say: their `sh` blocks run in order, their documents are valid.

A block marked `sh` is run here. One marked `console` needs a network, a root shell or a drive: it is only compared with
`--help` (in `test_docs`).
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.images import multi_arch_image
from support.keys import GnuPgHome, gnupg_home
from support.registries import embedded_registry

from airgap_bundle.cli import explain
from airgap_bundle.core.errors import DocumentError
from airgap_bundle.manifest.convert import convert_document
from airgap_bundle.manifest.model import parse_manifest
from airgap_bundle.manifest.overlay import parse_overlay
from airgap_bundle.trust.policy import parse_policy

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
GUIDES = ROOT / "airgap_bundle" / "guides"
IMAGES = ROOT / "examples" / "small_images.py"
# Written from the code; `tests/cli/test_reference.py` compares them.
REFERENCE = {"commands", "errors", "rules"}
PEOPLE = {"release-engineer", "boundary-admin", "ci", "auditor", "security-officer"}
TASKS = {"media", "overlays", "comparison", "migrate-hauler", "migrate-zarf", "migrate-oc-mirror"}
# A page that somebody finishes.
MAX_LINES = 150
SECONDS = 100
EXAMPLE_RECEIPT = "acme-1763800000-0123456789ab-01234567"
# What a guide finds when its reader begins: nothing, a bundle, or what was imported.
BEGINS_WITH = {
    "release-engineer": "manifest",
    "ci": "lock",
    "boundary-admin": "earlier",
    "media": "bundle",
    "security-officer": "bundle",
    "overlays": "manifest",
    "auditor": "imported",
}
MANIFEST = """\
apiVersion: airgap-bundle/v1
name: acme
version: 1.0.0
expires: 90d
images:
  - registry.example.com/acme/app:1.0
  - registry.example.com/acme/worker:1.0
charts:
  - {chart: oci://registry.example.com/charts/acme, version: 1.0.0, images: none}
files:
  - {path: acme.lic, as: licences/acme.lic}
"""
CODE = re.compile(r"^\| (AB-[A-Z0-9-]+) \|", re.MULTILINE)
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.mark.slow
@pytest.mark.tools("bash", "gpg", "gpgv")
def test_five_minutes_by_hand_end_with_a_verified_push(tmp_path: Path) -> None:
    """The two blocks of README, with a registry on loopback in the place of Docker Hub."""
    script = "".join(text for kind, text in BLOCK.findall((ROOT / "README.md").read_text()) if kind == "sh")
    with embedded_registry(tmp_path / "source") as source:
        multi_arch_image("busybox").push_to(source.registry, "library/busybox", "1.37.0")
        done = subprocess.run(
            ["bash", "-c", f"set -euo pipefail\n{script}\ngpgconf --kill all; rm -r $GNUPGHOME"],
            cwd=tmp_path,
            env={
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
                "HOME": str(tmp_path),
                "AIRGAP_MIRROR": f"docker.io={source.address}",
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    assert done.returncode == 0, done.stdout
    assert "hello 1.0.0 is current in dir:" in done.stdout


def blocks(topic: str, language: str) -> list[str]:
    """The blocks of a guide in one language."""
    return [text for kind, text in BLOCK.findall((GUIDES / f"{topic}.md").read_text()) if kind == language]


@contextlib.contextmanager
def stage(path: Path) -> Iterator[dict[str, str]]:
    """A directory as a reader has it, with registries and keys; the environment to work in."""
    for name in ("media/stick", "customers"):
        (path / name).mkdir(parents=True)
    (path / "acme.lic").write_text("Licence of acme\n")
    (path / "acme.yaml").write_text(MANIFEST)
    (path / "base.yaml").write_text(MANIFEST)
    with (
        gnupg_home() as home,
        embedded_registry(path / "source") as source,
        embedded_registry(path / "inner") as inner,
        embedded_registry(path / "staging") as staging,
    ):
        _keys(home, path)
        subprocess.run([sys.executable, IMAGES, "fill", source.address], check=True, capture_output=True)
        yield {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(path),
            "LC_ALL": "C.UTF-8",
            "GNUPGHOME": str(home.path),
            "AIRGAP_STATE": str(path / "state"),
            "AIRGAP_MIRROR": f"registry.example.com={source.address}",
            "INNER": inner.address,
            "STAGING": staging.address,
        }


def _keys(home: GnuPgHome, path: Path) -> None:
    for name in ("release", "officer"):
        key = home.make_key(f"{name} <{name}@example.com>")
        (path / f"{name}.asc").write_text(home.public_key(key))


PREPARATIONS = {
    "manifest": "",
    "lock": "airgap-manifest lock acme.yaml && cp acme.lock.yaml base.lock.yaml\n",
    "bundle": "airgap-export build acme.yaml -o acme-1.0.0.tar --sign gpg:release@example.com\n"
    "airgap-import policy init --openpgp release.asc -o simple.yaml\n",
}
PREPARATIONS["imported"] = (
    PREPARATIONS["bundle"] + "mv simple.yaml policy.yaml\n"
    "airgap-import push acme-1.0.0.tar registry.internal:5000 --policy policy.yaml\n"
)
PREPARATIONS["earlier"] = (
    "sed 's/1.0.0$/0.9.0/; /worker/d' acme.yaml > early.yaml\n"
    "airgap-export build early.yaml --sign gpg:release@example.com\n"
    # The sequence is the lock's time in seconds.
    "sleep 1.1\n"
    + PREPARATIONS["bundle"]
    + "airgap-import push acme-0.9.0.tar registry.internal:5000/mirror --policy simple.yaml\n"
)
# What a reader has besides, or would put in by hand.
BESIDES = {
    "media": "mv simple.yaml policy.yaml\n",
    "security-officer": "mv simple.yaml policy.yaml\n",
    "overlays": "airgap-import policy init --openpgp release.asc -o any.yaml\n"
    "sed 's/^version: 1$/version: 1\\naudience: north/' any.yaml > north-policy.yaml\n"
    "echo 'Licence for north' > customers/north.lic\n",
}
FUNCTIONS = """\
set -euo pipefail
receipt_of() { grep -lF "\\"destination\\":\\"$1" "$AIRGAP_STATE"/receipts/*.json | head -n 1; }
receipt_name() { basename "$(receipt_of "$1")" .json; }
"""


def as_here(script: str, environment: dict[str, str], path: Path) -> str:
    """What a reader replaces by names of their own."""
    for ours, here in (
        ("registry.internal:5000", environment["INNER"]),
        ("staging.internal:5000", environment["STAGING"]),
        ("/media/stick", str(path / "media" / "stick")),
        ("RECEIPT_OF_STAGING", f'"$(receipt_name {environment["STAGING"]})"'),
        ("RECEIPT_FILE", f'"$(receipt_of {environment["INNER"]})"'),
    ):
        script = script.replace(ours, here)
    return script


def topics() -> list[str]:
    return sorted(set(explain.guide_topics()) - REFERENCE)


@pytest.mark.parametrize("topic", topics())
def test_a_guide_begins_with_its_topic_and_can_be_finished(topic: str) -> None:
    lines = (GUIDES / f"{topic}.md").read_text().splitlines()
    assert re.fullmatch(rf"# {topic}: [A-Z].*[^.]", lines[0])
    limit = MAX_LINES if topic in PEOPLE | TASKS else MAX_LINES * 2
    assert len(lines) <= limit


def test_there_is_a_guide_for_each_person_and_task() -> None:
    assert set(topics()) >= PEOPLE | TASKS


@pytest.mark.parametrize("topic", topics())
def test_code_in_a_guide_fits_a_terminal(topic: str) -> None:
    code = "\n".join(text for kind, text in BLOCK.findall((GUIDES / f"{topic}.md").read_text()) if kind != "yaml")
    assert [line for line in code.splitlines() if len(line) > 80] == []


@pytest.mark.parametrize("topic", topics())
def test_manifests_and_overlays_in_a_guide_are_valid(topic: str) -> None:
    for text in blocks(topic, "yaml"):
        kind = re.match(r"apiVersion: airgap-bundle/(\S+)", text)
        with contextlib.suppress(KeyError):
            parse = {"v1": parse_manifest, "overlay.v1": parse_overlay}[kind[1] if kind else ""]
            try:
                parse(text.encode(), "guide.yaml")
            except DocumentError as error:
                pytest.fail("; ".join(finding.message for finding in error.findings))


@pytest.mark.tools("gpg")
def test_the_policies_that_are_shown_can_be_read() -> None:
    (officer,) = blocks("security-officer", "yaml")
    (ci,) = [text for text in blocks("ci", "yaml") if text.startswith("signers:")]
    names = re.findall(r"^  ([a-z-]+):$", ci, re.MULTILINE)
    head = "apiVersion: airgap-bundle/policy.v1\nversion: 1\n"
    roles = f"roles: {{root: {{signers: {names}, threshold: 1}}}}\nproducts: {{}}\n".replace("'", "")
    with gnupg_home() as home:
        for name in ("alice", "bob"):
            key = home.make_key(f"{name} <{name}@example.com>")
            officer = officer.replace("<40 hex>", key, 1).replace(
                '"<armored key>"', json.dumps(home.public_key(key)), 1
            )
    ci = ci.replace("<its sha256sum>", "ab" * 32)
    for text in (officer, f"{head}{ci}{roles}"):
        assert parse_policy(text.encode(), "policy.yaml").signers


def test_the_security_officer_is_told_the_status_that_each_code_has() -> None:
    told = re.findall(r"\| (\d) (AB-[A-Z-]+) \|", (GUIDES / "security-officer.md").read_text())
    sections = re.split(r"^## (\d+): .*$", (GUIDES / "errors.md").read_text(), flags=re.MULTILINE)
    status = {
        code: number for number, text in zip(sections[1::2], sections[2::2], strict=True) for code in CODE.findall(text)
    }
    assert len(told) > 10
    assert [(code, number) for number, code in told if status.get(code) != number] == []


@pytest.mark.parametrize(
    ("tool", "file", "name"),
    [("hauler", "hauler.yaml", ""), ("zarf", "zarf.yaml", ""), ("oc-mirror", "isc.yaml", "acme")],
)
def test_a_manifest_of_another_tool_becomes_what_the_guide_shows(tool: str, file: str, name: str) -> None:
    theirs, ours, *_ = blocks(f"migrate-{tool}", "yaml")
    converted = convert_document(theirs.encode(), file, name=name, release="1.0.0")
    assert converted.kind == tool
    assert "".join(line for line in converted.text.splitlines(keepends=True) if not line.startswith("#")) == ours
    said = " ".join(blocks(f"migrate-{tool}", "text")[0].split())
    assert said == " ".join(f"warning: not carried over: {each}" for each in converted.lost)


def test_the_list_of_oc_mirror_is_one_that_convert_reads(tmp_path: Path) -> None:
    digest = f"sha256:{'ab' * 32}"
    (tmp_path / "mapping.txt").write_text(f"docker://quay.io/a/b@{digest}=docker://localhost:5000/a/b:1\n")
    command = next(line for line in "".join(blocks("migrate-oc-mirror", "console")).splitlines() if "sed" in line)
    subprocess.run(["bash", "-c", command.removeprefix("$ ")], cwd=tmp_path, check=True)
    assert f"  - quay.io/a/b@{digest}\n" in convert_document((tmp_path / "images.txt").read_bytes(), "images.txt").text


@pytest.mark.slow
@pytest.mark.tools("bash", "gpg", "gpgv", "tar", "sha256sum")
@pytest.mark.parametrize("topic", sorted(BEGINS_WITH))
def test_what_a_guide_tells_to_type_works(topic: str, tmp_path: Path) -> None:
    with stage(tmp_path) as environment:
        for text in blocks(topic, "yaml"):
            if text.startswith("apiVersion: airgap-bundle/overlay.v1"):
                (tmp_path / "customers" / "north.yaml").write_text(text)
                south = re.sub("(?s)north(?=])", "south", text.partition("remove:")[0])
                (tmp_path / "customers" / "south.yaml").write_text(south)
        parts = [FUNCTIONS, PREPARATIONS[BEGINS_WITH[topic]], BESIDES.get(topic, ""), "set -x\n", *blocks(topic, "sh")]
        done = subprocess.run(
            ["bash", "-c", as_here("".join(parts), environment, tmp_path)],
            cwd=tmp_path,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    assert done.returncode == 0, done.stdout
