"""What a signature made elsewhere says of itself, before anybody verifies it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.fake_sigstore import FakeSigstore

from airgap_bundle.core.errors import DocumentError, TrustError
from airgap_bundle.trust import keyless
from airgap_bundle.trust.openpgp import read_public_key
from airgap_bundle.trust.received import KnownKeys, receive
from airgap_bundle.trust.signature_packet import armor_signature, could_be_over, read_signature

if TYPE_CHECKING:
    from pathlib import Path

    from support.keys import GnuPgHome

DATA = b'{"_type":"something"}'


@pytest.mark.parametrize("armor", ["--armor", "--no-armor"])
def test_armored_or_binary_it_says_whose_it_is(home: GnuPgHome, alice: str, armor: str) -> None:
    raw = home.sign(DATA, alice, armor)
    claims = read_signature(raw)
    assert (claims.unverified_issuer, claims.binary[0] & 0x80) == (alice, 0x80)
    assert receive(raw, DATA, "a.sig", KnownKeys()).name == f"openpgp-{alice}.sig"


@pytest.mark.parametrize("algorithm", ["ed25519", "rsa2048"])
@pytest.mark.parametrize("digest", ["SHA256", "SHA384", "SHA512", "SHA224"])
def test_other_bytes_are_noticed_without_a_key(home: GnuPgHome, algorithm: str, digest: str) -> None:
    name = f"{algorithm}@example.com"
    key = home.fingerprints(name)[0] if name in home.gpg("-k").decode() else home.make_key(name, algorithm=algorithm)
    claims = read_signature(home.sign(DATA, key, "--digest-algo", digest))
    assert could_be_over(claims, DATA)
    assert not all(could_be_over(claims, DATA + bytes([n])) for n in range(4))


def test_a_signature_over_other_bytes_is_not_received(home: GnuPgHome, alice: str) -> None:
    with pytest.raises(TrustError, match="over other bytes"):
        receive(home.sign(DATA, alice), DATA + b" ", "a.sig", KnownKeys())


def test_a_subkey_is_named_by_its_primary_key_where_that_is_known(home: GnuPgHome) -> None:
    primary = home.make_key("Received <received@example.com>")
    subkey = home.add_subkey(primary)
    raw = home.sign(DATA, f"{subkey}!")
    assert receive(raw, DATA, "a.sig", KnownKeys()).name == f"openpgp-{subkey}.sig"
    known = KnownKeys(openpgp=(read_public_key(home.public_key(primary)),))
    assert receive(raw, DATA, "a.sig", known).name == f"openpgp-{primary}.sig"
    assert receive(raw, DATA, "a.sig", KnownKeys(primary_of=lambda _: primary)).unverified_who == primary


def test_a_keyless_one_is_named_by_its_certificate() -> None:
    raw = FakeSigstore().sign_blob(DATA, identity="ci@example.test", issuer="https://issuer.test").encode()
    received = receive(raw, DATA, "a.json", KnownKeys())
    assert received.name == keyless.file_name("https://issuer.test", "ci@example.test")
    with pytest.raises(TrustError):
        receive(raw, DATA + b" ", "a.json", KnownKeys())


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"junk",
        b"{}",
        b"[]",
        b"\x88\x00",
        b"\xc2\x03\x04\x00\x01",
        b"-----BEGIN PGP SIGNATURE-----\n\n!\n",
        b"{" * 9000,
    ],
)
def test_junk_is_one_clear_error(raw: bytes) -> None:
    with pytest.raises(DocumentError) as caught:
        receive(raw, DATA, "a.sig", KnownKeys())
    assert caught.value.code == "AB-SIGNATURE-FILE"


def test_broken_packets_never_break_the_reader(home: GnuPgHome, alice: str) -> None:
    raw = home.sign(DATA, alice)
    for at in range(len(raw)):
        for change in (0x01, 0x80, 0xFF):
            broken = raw[:at] + bytes([raw[at] ^ change]) + raw[at + 1 :]
            try:
                receive(broken, DATA, "a.sig", KnownKeys())
            except (DocumentError, TrustError):
                continue


def test_armor_holds_the_signature_and_gpg_takes_it(home: GnuPgHome, alice: str, tmp_path: Path) -> None:
    binary = home.sign(DATA, alice)
    text = armor_signature(binary)
    (tmp_path / "data").write_bytes(DATA)
    (tmp_path / "data.asc").write_text(text)
    home.gpg("--verify", str(tmp_path / "data.asc"), str(tmp_path / "data"))
    assert read_signature(text.encode()).binary == binary
    assert max(map(len, text.splitlines())) <= 64
