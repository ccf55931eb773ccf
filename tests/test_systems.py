"""What holds for every ready-made system of `manifests/`: it passes our own rules, and its policy is one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from support.systems import MANIFESTS, fill_policy, person
from support.trip import keys, run

if TYPE_CHECKING:
    from pathlib import Path

SYSTEMS = sorted(path.name for path in MANIFESTS.iterdir() if path.is_dir())
# Commands are broken at 80 columns, which makes a page long; who has to turn more than this does not read it.
GUIDE_LINES = 150
TEMPLATES = sorted(str(path.relative_to(MANIFESTS)) for path in MANIFESTS.rglob("*.template.yaml"))


def names_in(template: Path) -> list[str]:
    return sorted(set(re.findall(r"REPLACE-KEY-([a-z0-9-]+)$", template.read_text(), re.MULTILINE)))


def key_files(template: Path, path: Path) -> dict[str, Path]:
    """A key of each signer of a template: OpenPGP where it asks for a fingerprint, else PEM."""
    files = {}
    for name in names_in(template):
        files[name] = path / f"{name}.key"
        if f"REPLACE-FINGERPRINT-{name}\n" in template.read_text():
            files[name].write_text(keys().home.public_key(person(f"{name}@systems.example")))
        else:
            public = ec.generate_private_key(ec.SECP256R1()).public_key()
            files[name].write_bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return files


@pytest.mark.parametrize("name", SYSTEMS)
def test_each_system_has_a_manifest_a_policy_and_a_guide_of_one_page(name: str) -> None:
    directory = MANIFESTS / name
    assert (directory / f"{name}.yaml").is_file()
    assert list(directory.rglob("*.template.yaml"))
    assert len((directory / "README.md").read_text().splitlines()) <= GUIDE_LINES
    assert f"[{name}]({name}/README.md)" in (MANIFESTS / "README.md").read_text()


@pytest.mark.parametrize("name", SYSTEMS)
def test_nothing_in_a_system_is_complained_of(name: str) -> None:
    said = run("airgap-manifest", "check", "--strict", "--discover", "--readiness", MANIFESTS / name / f"{name}.yaml")
    assert said.status == 0, said.text


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_with_keys_in_it_is_a_policy(name: str, tmp_path: Path) -> None:
    template = MANIFESTS / name
    files = key_files(template, tmp_path)
    filled = fill_policy(template, *(f"{signer}={file}" for signer, file in files.items()))
    assert filled.returncode == 0, filled.stderr
    fingerprints = [
        person(f"{signer}@systems.example") for signer, file in files.items() if b"PGP" in file.read_bytes()
    ]
    assert [line.split(": ")[1] for line in filled.stderr.splitlines()] == fingerprints
    (tmp_path / "policy.yaml").write_text(filled.stdout)
    shown = run("airgap-import", "policy", "show", "--policy", tmp_path / "policy.yaml")
    assert shown.status == 0, shown.text


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_is_no_policy_as_long_as_a_key_is_missing(name: str, tmp_path: Path) -> None:
    template = MANIFESTS / name
    said = run("airgap-import", "policy", "show", "--policy", template)
    assert said.status == 2, said.text
    files = key_files(template, tmp_path)
    for missing in files:
        others = [f"{signer}={file}" for signer, file in files.items() if signer != missing]
        filled = fill_policy(template, *others)
        assert (filled.returncode, filled.stdout) == (2, "")
        assert missing in filled.stderr or not others


def test_fill_policy_refuses_what_is_no_single_key(tmp_path: Path) -> None:
    template = MANIFESTS / "api-gateway" / "policy.template.yaml"
    key = keys().home.public_key(keys().release)
    (tmp_path / "one.asc").write_text(key)
    (tmp_path / "two.asc").write_text(key + keys().home.public_key(keys().stranger))
    (tmp_path / "none.asc").write_text("no key\n")
    for pair, why in (
        ("release=two.asc", "more than one key"),
        ("release=none.asc", "no OpenPGP key"),
        ("release=gone.asc", "cannot read"),
        ("nobody=one.asc", "has no place for nobody"),
        ("release", "not NAME=FILE"),
    ):
        filled = fill_policy(template, pair.replace("=", f"={tmp_path}/"))
        assert (filled.returncode, filled.stdout) == (2, ""), pair
        assert why in filled.stderr
