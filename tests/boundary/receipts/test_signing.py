"""Receipts signed with the site's own key."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from support.deliveries import Site, make_site
from support.trip import STRANGER, keys

from airgap_bundle.boundary.receipts.signing import SIGNATURE_TYPE

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setenv("GNUPGHOME", str(keys().home.path))
    return make_site(tmp_path)


def is_signed(site: Site, receipt: str) -> bool:
    file = site.state / "receipts" / f"{receipt}.json"
    done = subprocess.run(["gpg", "--batch", "--verify", f"{file}.sig", file], capture_output=True, check=False)
    return done.returncode == 0


def test_a_signature_lies_beside_the_receipt_and_refers_to_it_in_the_registry(site: Site) -> None:
    receipt = site.push("acme-1", "--sign-receipt", f"gpg:{keys().stranger}")
    assert is_signed(site, receipt)
    repository = "airgap-receipts/acme"
    kept = site.registry.head_manifest(repository, receipt)
    assert kept is not None
    (signature,) = site.registry.list_referrers(repository, kept.digest)
    document = site.registry.get_manifest(repository, signature.digest)
    assert document is not None
    assert document.artifact_type == SIGNATURE_TYPE
    raw = (site.state / "receipts" / f"{receipt}.json.sig").read_bytes()
    assert site.registry.has_blob(repository, document.layers[0].digest, len(raw))
    # Receipts are read back before each import; the signature beside one is no receipt.
    site.push("acme-2")


def test_what_is_published_or_promoted_is_signed_too(site: Site) -> None:
    key = f"gpg:{STRANGER.partition('<')[2].rstrip('>')}"
    receipt = site.push("acme-1", "--hold", "--sign-receipt", key)
    assert is_signed(site, receipt)
    site.done("publish", receipt)
    # That signature was over the receipt of the hold.
    assert not (site.state / "receipts" / f"{receipt}.json.sig").exists()
    site.done("publish", receipt, "--sign-receipt", key)
    assert is_signed(site, receipt)
    there = site.done("promote", receipt, site.dest, f"dir:{site.path / 'production'}", "--sign-receipt", key)
    assert is_signed(site, str(there["receipt"]))


def test_a_key_that_cannot_sign_is_found_out_before_anything_is_done(site: Site) -> None:
    bundle = ("push", "nothing.tar", site.dest)
    site.refused(*bundle, "--sign-receipt", "gpg:nobody@example.com", status=2, code="AB-GPG-KEY")
    site.refused(*bundle, "--sign-receipt", "key:file.pem", status=2, code="AB-USAGE-SIGN-RECEIPT")
