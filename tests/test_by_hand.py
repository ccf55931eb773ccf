"""An auditor without our tool: the commands of FORMAT.md section 9, on bundles that are signed in every way.

cosign is run where it is on this machine; it is no part of the package, and nothing fetches it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import replace
from importlib import resources
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from support.site import IDENTITY, ISSUER, Site
from support.trip import run

from airgap_bundle.core.content import Digest
from airgap_bundle.trust import keys
from airgap_bundle.trust.received import KnownKeys, receive

if TYPE_CHECKING:
    from pathlib import Path

PRIVATE = {
    "P-256": ec.generate_private_key(ec.SECP256R1()),
    "P-384": ec.generate_private_key(ec.SECP384R1()),
    "P-521": ec.generate_private_key(ec.SECP521R1()),
    "Ed25519": ed25519.Ed25519PrivateKey.generate(),
    "RSA": rsa.generate_private_key(65537, 2048),
}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = Site(path=tmp_path)
    made.write_policy()
    return made


def check(site: Site, bundle: Path, **environment: object) -> subprocess.CompletedProcess[str]:
    """Run the commands of the document on a bundle, in a directory of their own."""
    text = (resources.files("airgap_bundle") / "bundle" / "FORMAT.md").read_text()
    section = re.search(r"^## 9\. .*?(?=^## 10\. )", text, re.MULTILINE | re.DOTALL)
    assert section is not None
    script = "set -euo pipefail\n" + "\n".join(re.findall(r"^```sh\n(.*?)^```", section[0], re.MULTILINE | re.DOTALL))
    directory = site.path / "by-hand"
    directory.mkdir()
    shutil.copyfile(bundle, directory / "acme-1.0.0.tar")
    return subprocess.run(
        ["bash", "-c", script],
        cwd=directory,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(site.path),
            "LC_ALL": "C.UTF-8",
            "GNUPGHOME": str(site.who.home.path),
            **{name: str(value) for name, value in environment.items()},
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def write_keys(directory: Path, kind: str) -> tuple[Path, Path]:
    """A private key and its public half, as files."""
    key: Any = PRIVATE[kind]
    private, public = directory / "signer.pem", directory / "signer.pub"
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    public.write_bytes(
        key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return private, public


@pytest.mark.tools("gpg")
def test_two_people_signed_with_gnupg(site: Site) -> None:
    done = check(site, site.bundle("alice", "bob"))
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "complete"), done.stderr
    assert done.stderr.count("Good signature") == 2


@pytest.mark.tools("gpg")
def test_a_signature_of_another_bundle_is_noticed(site: Site) -> None:
    parts, other = site.parts(seed="a"), site.parts(seed="b")
    bundle = parts.signed_by(lambda _: site.who.signatures(["alice"], other.inventory_bytes)).write(site.path / "x.tar")
    done = check(site, bundle)
    assert (done.returncode, "BAD signature" in done.stderr) == (1, True)


@pytest.mark.tools("gpg")
def test_of_a_delta_all_that_it_holds_is_checked(site: Site) -> None:
    parts = site.parts()
    *kept, layer = parts.inventory.blobs
    parts = replace(parts, blobs={blob.digest: parts.blobs[blob.digest] for blob in kept})
    base = Digest.of(b"an earlier bundle")
    parts = parts.with_inventory(blobs=tuple(kept), assumed=(layer,), base=(base,))
    done = check(site, site.bundle("alice", parts=parts))
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "complete"), done.stderr


@pytest.mark.tools("cosign")
def test_cosign_verifies_an_identity_against_the_root_that_the_policy_pins(site: Site) -> None:
    facts = {"TRUSTED_ROOT": site.path / "trusted_root.json", "IDENTITY": IDENTITY, "ISSUER": ISSUER}
    done = check(site, site.bundle("ci", "bob"), **facts)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "complete"), done.stderr
    assert "Verified OK" in done.stderr


@pytest.mark.tools("cosign")
def test_cosign_refuses_another_identity(site: Site) -> None:
    facts = {"TRUSTED_ROOT": site.path / "trusted_root.json", "IDENTITY": IDENTITY + "x", "ISSUER": ISSUER}
    assert check(site, site.bundle("ci"), **facts).returncode == 1


@pytest.mark.tools("cosign")
@pytest.mark.parametrize("kind", PRIVATE)
def test_cosign_verifies_a_plain_key(site: Site, kind: str) -> None:
    private, public = write_keys(site.path, kind)
    bundle = site.bundle()
    said = run("airgap-export", "sign", bundle, "--sign", f"key:{private}")
    assert said.status == 0, said.err
    done = check(site, bundle, PUBLIC_KEY=public)
    assert (done.returncode, "Verified OK" in done.stderr) == (0, True), done.stderr


@pytest.mark.tools("cosign")
@pytest.mark.parametrize("kind", PRIVATE)
def test_what_cosign_signed_is_attached_and_verified(site: Site, kind: str) -> None:
    private, public = write_keys(site.path, kind)
    parts = site.parts()
    bundle, inventory = parts.write(site.path / "x.tar"), site.path / "inventory.json"
    assert run("airgap-export", "sign", bundle, "--inventory-only", inventory).status == 0
    signature = sign_with_cosign(site.path, private, inventory)
    said = run("airgap-export", "sign", bundle, "--attach", signature, "--key", public)
    assert said.status == 0, said.err
    public_key = keys.read_public_key(public.read_bytes())
    received = receive(signature.read_bytes(), parts.inventory_bytes, "x", KnownKeys(plain=(public_key,)))
    keys.verify(parts.inventory_bytes, received.data, public_key, name=received.name)


def sign_with_cosign(directory: Path, private: Path, file: Path) -> Path:
    """A Sigstore bundle over a file, by a key that cosign has imported."""
    options: dict[str, Any] = {"cwd": directory, "capture_output": True, "timeout": 60}
    environment = {"PATH": os.environ["PATH"], "HOME": str(directory), "COSIGN_PASSWORD": "x"}
    subprocess.run(["cosign", "import-key-pair", "--key", private, "-y"], check=True, env=environment, **options)
    made = directory / "made.json"
    quiet = ["--tlog-upload=false", "--use-signing-config=false", "-y"]
    command = ["cosign", "sign-blob", "--key", directory / "import-cosign.key", "--bundle", made, *quiet, file]
    subprocess.run(command, check=True, env=environment, **options)
    return made
