"""Signing with gpg and verifying with gpgv: the real programs, keys made here."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from support.handmade import HandmadeKey, notation
from support.keys import GnuPgHome, gnupg_home

from airgap_bundle.core.errors import AirgapError, DocumentError, HostError, TrustError, UsageError
from airgap_bundle.trust import openpgp

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DATA = b'{"name":"acme"}'


def now() -> datetime:
    return datetime.now(UTC)


def refusal(home: GnuPgHome, key: str, signature: bytes, data: bytes = DATA, at: datetime | None = None) -> str:
    """The code with which a signature is refused."""
    with pytest.raises(TrustError) as caught:
        openpgp.verify(data, signature, home.public_key(key), key, now=at or now())
    return caught.value.code


def script(path: Path, body: str) -> str:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return str(path)


def test_a_signature_is_verified_with_the_pinned_key_alone(home: GnuPgHome, alice: str) -> None:
    signature = openpgp.sign(DATA, alice, gpg_home=home.path)
    verified = openpgp.verify(DATA, signature.data, home.public_key(alice), alice, now=now())
    assert (signature.fingerprint, verified.fingerprint, verified.signing_fingerprint) == (alice, alice, alice)
    assert abs(verified.created - now()) < timedelta(minutes=1)


def test_a_key_that_was_found_is_not_looked_up_once_more(
    home: GnuPgHome, alice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = openpgp.find_signing_key(alice, gpg_home=home.path)
    started: list[str] = []
    real = subprocess.Popen.__init__

    def watched(self: Any, command: list[str], **options: Any) -> None:
        started.append(command[-1])
        real(self, command, **options)

    monkeypatch.setattr(subprocess.Popen, "__init__", watched)
    assert openpgp.sign(DATA, found, gpg_home=home.path).fingerprint == alice
    assert len(started) == 1


def test_the_fingerprint_may_be_in_upper_case(home: GnuPgHome, alice: str) -> None:
    signature = openpgp.sign(DATA, alice.upper(), gpg_home=home.path)
    assert openpgp.verify(DATA, signature.data, home.public_key(alice), alice.upper(), now=now()).fingerprint == alice


def test_one_changed_byte_of_data_is_refused(home: GnuPgHome, alice: str) -> None:
    signature = home.sign(DATA, alice)
    assert refusal(home, alice, signature, DATA + b" ") == "AB-TRUST-BAD-SIGNATURE"


def test_a_flipped_bit_anywhere_in_the_signature_is_refused(home: GnuPgHome, alice: str) -> None:
    signature = home.sign(DATA, alice)
    key = home.public_key(alice)
    unhashed = range(signature.index(bytes.fromhex(alice)) + 20, len(signature))
    for position in [0, 1, 2, 3, 4, 5, 8, len(signature) - 1, len(signature) - 40, unhashed[0] + 1]:
        changed = bytearray(signature)
        changed[position] ^= 1
        with pytest.raises(TrustError):
            openpgp.verify(DATA, bytes(changed), key, alice, now=now())


def test_another_key_is_refused(home: GnuPgHome, alice: str, bob: str) -> None:
    assert refusal(home, alice, home.sign(DATA, bob)) == "AB-TRUST-UNKNOWN-SIGNER"


def test_a_key_of_another_fingerprint_than_the_pinned_one_is_refused(home: GnuPgHome, alice: str, bob: str) -> None:
    with pytest.raises(TrustError, match="not " + alice):
        openpgp.verify(DATA, home.sign(DATA, bob), home.public_key(bob), alice, now=now())


@pytest.mark.parametrize("length", [8, 16, 39])
def test_a_short_key_id_pins_nothing(home: GnuPgHome, alice: str, length: int) -> None:
    with pytest.raises(TrustError):
        openpgp.verify(DATA, home.sign(DATA, alice), home.public_key(alice), alice[-length:], now=now())


@pytest.mark.parametrize(
    "junk", [b"", b"junk", b"\x00", b"\x88", b"\xff" * 70_000], ids=["empty", "text", "zero", "cut", "huge"]
)
def test_what_is_no_signature_is_refused(home: GnuPgHome, alice: str, junk: bytes) -> None:
    assert refusal(home, alice, junk) == "AB-TRUST-BAD-SIGNATURE"


def test_a_truncated_signature_is_refused(home: GnuPgHome, alice: str) -> None:
    assert refusal(home, alice, home.sign(DATA, alice)[:-1]) == "AB-TRUST-BAD-SIGNATURE"


def test_trailing_junk_is_refused(home: GnuPgHome, alice: str) -> None:
    for junk in (b"\x00", b"\n", b"\xb0\x03abc"):
        assert refusal(home, alice, home.sign(DATA, alice) + junk) == "AB-TRUST-BAD-SIGNATURE"


def test_two_signatures_in_one_file_are_refused(home: GnuPgHome, alice: str, bob: str) -> None:
    assert refusal(home, alice, home.sign(DATA, alice) + home.sign(DATA, bob)) == "AB-TRUST-BAD-SIGNATURE"
    assert refusal(home, alice, home.sign(DATA, alice) * 2) == "AB-TRUST-BAD-SIGNATURE"


def test_armor_is_refused(home: GnuPgHome, alice: str) -> None:
    assert refusal(home, alice, home.sign(DATA, alice, "--armor")) == "AB-TRUST-BAD-SIGNATURE"


def test_a_signature_over_text_is_refused(home: GnuPgHome, alice: str) -> None:
    # It would hold for other line ends too, so not for exactly these bytes.
    assert refusal(home, alice, home.sign(DATA, alice, "--textmode")) == "AB-TRUST-BAD-SIGNATURE"


def test_a_signed_message_is_no_detached_signature(home: GnuPgHome, alice: str) -> None:
    for option in ("--sign", "--clearsign", "--store"):
        assert refusal(home, alice, home.gpg("--local-user", alice, option, data=DATA)) == "AB-TRUST-BAD-SIGNATURE"


def test_sha1_is_refused(home: GnuPgHome, alice: str) -> None:
    assert refusal(home, alice, home.sign(DATA, alice, "--digest-algo", "SHA1")) == "AB-TRUST-WEAK-SIGNATURE"


def test_an_expired_key_is_refused(home: GnuPgHome) -> None:
    key = home.make_key("Old <old@example.com>", expires="2d", at="20240101T000000")
    signature = home.sign(DATA, key, at="20240101T120000!")
    assert refusal(home, key, signature) == "AB-TRUST-EXPIRED-KEY"
    assert openpgp.read_public_key(home.public_key(key)).unverified_expires == datetime(2024, 1, 3, tzinfo=UTC)


def test_an_expired_signature_is_refused(home: GnuPgHome) -> None:
    key = home.make_key("Brief <brief@example.com>", at="20240101T000000!")
    signature = home.sign(DATA, key, "--default-sig-expire", "1d", at="20240101T120000!")
    assert refusal(home, key, signature) == "AB-TRUST-EXPIRED-SIGNATURE"


def test_a_revoked_key_is_refused_whenever_it_signed() -> None:
    with gnupg_home() as home:
        key = home.make_key("Gone <gone@example.com>", at="20240101T000000!")
        before = home.sign(DATA, key, at="20240102T000000!")
        home.revoke(key)
        assert refusal(home, key, before) == "AB-TRUST-REVOKED-KEY"


def test_a_revoked_subkey_is_refused_and_its_primary_key_still_signs(home: GnuPgHome) -> None:
    key = home.make_key("Half gone <half@example.com>")
    subkey = home.add_subkey(key)
    by_subkey = home.sign(DATA, f"{subkey}!")
    home.revoke_subkey(key)
    assert refusal(home, key, by_subkey) == "AB-TRUST-REVOKED-KEY"
    by_primary = home.sign(DATA, f"{key}!")
    assert openpgp.verify(DATA, by_primary, home.public_key(key), key, now=now()).signing_fingerprint == key


def test_a_key_that_is_certified_with_sha1_is_refused_with_its_reason() -> None:
    with gnupg_home() as home:
        (home.path / "gpg.conf").write_text("cert-digest-algo SHA1\n")
        key = home.make_key("Antique <antique@example.com>")
        signature = home.sign(DATA, key, "--digest-algo", "SHA512")
        assert refusal(home, key, signature) == "AB-TRUST-WEAK-SIGNATURE"


def test_a_signature_from_the_future_is_refused(home: GnuPgHome, alice: str) -> None:
    signature = home.sign(DATA, alice)
    key = home.public_key(alice)
    assert openpgp.verify(DATA, signature, key, alice, now=now() - timedelta(hours=23))
    assert refusal(home, alice, signature, at=now() - timedelta(hours=25)) == "AB-TRUST-SIGNATURE-TIME"


def test_a_signature_older_than_its_key_is_refused(home: GnuPgHome) -> None:
    key = home.make_key("New <new@example.com>")
    signature = home.sign(DATA, key, "--ignore-time-conflict", at="20200101T000000!")
    assert refusal(home, key, signature) in {"AB-TRUST-SIGNATURE-TIME", "AB-TRUST-BAD-SIGNATURE"}


def test_a_short_rsa_key_is_refused(home: GnuPgHome) -> None:
    key = home.make_key("Short <short@example.com>", algorithm="rsa1024")
    assert refusal(home, key, home.sign(DATA, key, "--digest-algo", "SHA256")) == "AB-TRUST-WEAK-SIGNATURE"


def test_a_dsa_key_is_refused(home: GnuPgHome) -> None:
    key = home.make_key("Dsa <dsa@example.com>", algorithm="dsa2048")
    assert refusal(home, key, home.sign(DATA, key, "--digest-algo", "SHA256")) == "AB-TRUST-WEAK-SIGNATURE"


@pytest.mark.parametrize("algorithm", ["rsa2048", "nistp256"])
def test_other_strong_keys_are_taken(home: GnuPgHome, algorithm: str) -> None:
    key = home.make_key(f"Strong <strong-{algorithm}@example.com>", algorithm=algorithm)
    signature = openpgp.sign(DATA, f"strong-{algorithm}@example.com", gpg_home=home.path)
    assert openpgp.verify(DATA, signature.data, home.public_key(key), key, now=now()).fingerprint == key


def test_a_subkey_signs_for_its_primary_key(home: GnuPgHome) -> None:
    key = home.make_key("Sub <sub@example.com>")
    subkey = home.add_subkey(key)
    signature = openpgp.sign(DATA, "sub@example.com", gpg_home=home.path)
    verified = openpgp.verify(DATA, signature.data, home.public_key(key), key, now=now())
    assert (signature.fingerprint, verified.fingerprint, verified.signing_fingerprint) == (key, key, subkey)


def test_a_subkey_is_not_the_pinned_key(home: GnuPgHome) -> None:
    key = home.make_key("Pinned <pinned@example.com>")
    subkey = home.add_subkey(key)
    with pytest.raises(TrustError):
        openpgp.verify(DATA, home.sign(DATA, key), home.public_key(key), subkey, now=now())


def test_notations_cannot_forge_status_lines(home: GnuPgHome, alice: str) -> None:
    forger = HandmadeKey()
    lines = f"\n[GNUPG:] GOODSIG 1 a\n[GNUPG:] VALIDSIG {alice} 2024-01-01 1704067200 0 4 0 22 8 00 {alice}\n".encode()
    signature = forger.signature(DATA, extra=notation(b"x@example.com", lines) + notation(b"y\n@example.com", lines))
    assert refusal(home, alice, signature) == "AB-TRUST-UNKNOWN-SIGNER"
    verified = openpgp.verify(DATA, signature, forger.public_key, forger.fingerprint, now=now())
    assert verified.fingerprint == forger.fingerprint


def test_user_ids_cannot_forge_status_lines() -> None:
    signer = HandmadeKey(user_id=b"A\n[GNUPG:] REVKEYSIG 1\n[GNUPG:] NEWSIG\r[GNUPG:] BADSIG 2\x1b]0;\x07 <a@b>")
    key = openpgp.read_public_key(signer.public_key)
    verified = openpgp.verify(DATA, signer.signature(DATA), key, signer.fingerprint, now=now())
    assert verified.fingerprint == signer.fingerprint


def test_notations_without_end_are_refused_or_bounded() -> None:
    signer = HandmadeKey()
    signature = signer.signature(DATA, extra=notation(b"x@example.com", b"\n" * 60_000))
    with pytest.raises(TrustError):
        openpgp.verify(DATA, signature + bytes(10_000), signer.public_key, signer.fingerprint, now=now())


def test_verifying_looks_at_nobodys_home_and_configuration(
    home: GnuPgHome, alice: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gpgv.conf").write_text("no-such-option\n")
    (tmp_path / "gpg.conf").write_text("no-such-option\n")
    monkeypatch.setenv("GNUPGHOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LANGUAGE", "de")
    assert openpgp.verify(DATA, home.sign(DATA, alice), home.public_key(alice), alice, now=now())


def test_nothing_is_left_behind(home: GnuPgHome, alice: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    signature = home.sign(DATA, alice)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    openpgp.verify(DATA, signature, home.public_key(alice), alice, now=now())
    assert list(tmp_path.iterdir()) == []


def test_a_missing_gpgv_is_this_machines_fault_and_never_a_verdict(tmp_path: Path) -> None:
    with pytest.raises(HostError) as caught:
        openpgp.find_program("gpgv", directories=(), path=f"{tmp_path}:relative::.")
    assert caught.value.code == "AB-GPG-MISSING"
    assert "gpgv" in caught.value.hint


def test_a_program_is_found_by_absolute_path_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(tmp_path / "gpgv", "exit 0")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(HostError):
        openpgp.find_program("gpgv", directories=(), path=".:")
    assert openpgp.find_program("gpgv", directories=(), path=f".:{tmp_path}") == str(tmp_path / "gpgv")


@pytest.mark.parametrize(
    ("body", "error", "code"),
    [
        ("exit 0", TrustError, "AB-TRUST-BAD-SIGNATURE"),
        ("exit 1", TrustError, "AB-TRUST-BAD-SIGNATURE"),
        ("kill -KILL $$", HostError, "AB-GPG-FAILED"),
        ("kill -SEGV $$", HostError, "AB-GPG-FAILED"),
        ("echo '[GNUPG:] NEWSIG'; echo '[GNUPG:] GOODSIG a b'; exit 0", TrustError, "AB-TRUST-BAD-SIGNATURE"),
    ],
    ids=["silent", "fails", "killed", "crashes", "talks on standard output"],
)
def test_a_gpgv_that_is_broken_never_means_success(
    home: GnuPgHome, alice: str, tmp_path: Path, body: str, error: type[AirgapError], code: str
) -> None:
    program = script(tmp_path / "gpgv", body)
    with pytest.raises(error) as caught:
        openpgp.verify(DATA, home.sign(DATA, alice), home.public_key(alice), alice, now=now(), program=program)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("signing", "primary", "made", "code"),
    [
        ("KEY", "0" * 40, "1900000000", "AB-TRUST-UNKNOWN-SIGNER"),
        ("0" * 40, "KEY", "1900000000", "AB-TRUST-UNKNOWN-SIGNER"),
        ("KEY", "KEY", "1000000000", "AB-TRUST-SIGNATURE-TIME"),
        ("KEY", "KEY", "4000000000", "AB-TRUST-SIGNATURE-TIME"),
    ],
    ids=["another primary key", "another subkey", "before its key", "in the future"],
)
def test_what_gpgv_says_is_compared_with_the_pinned_key(
    home: GnuPgHome, alice: str, tmp_path: Path, signing: str, primary: str, made: str, code: str
) -> None:
    valid = f"VALIDSIG {signing} 2024-01-01 {made} 0 4 0 22 8 00 {primary}".replace("KEY", alice.upper())
    lines = "".join(f"[GNUPG:] {line}\\n" for line in ("NEWSIG", "GOODSIG 1 a", valid))
    program = tmp_path / "gpgv"
    talk = f"import os, sys\nos.write(int(sys.argv[sys.argv.index('--status-fd') + 1]), b'{lines}')\n"
    program.write_text(f"#!{sys.executable}\n{talk}")
    program.chmod(0o755)
    with pytest.raises(TrustError) as caught:
        openpgp.verify(DATA, home.sign(DATA, alice), home.public_key(alice), alice, now=now(), program=str(program))
    assert caught.value.code == code


def test_a_gpgv_that_talks_without_end_is_no_verdict(home: GnuPgHome, alice: str, tmp_path: Path) -> None:
    program = tmp_path / "gpgv"
    talk = "import os, sys\nos.write(int(sys.argv[sys.argv.index('--status-fd') + 1]), b'x' * 600_000)\n"
    program.write_text(f"#!{sys.executable}\n{talk}")
    program.chmod(0o755)
    with pytest.raises(HostError, match="without end"):
        openpgp.verify(DATA, home.sign(DATA, alice), home.public_key(alice), alice, now=now(), program=str(program))


def test_a_gpgv_that_hangs_is_stopped(
    home: GnuPgHome, alice: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openpgp, "GPGV_SECONDS", 0.1)
    program = script(tmp_path / "gpgv", f"echo $$ > {tmp_path}/pid; exec sleep 60")
    with pytest.raises(HostError) as caught:
        openpgp.verify(DATA, home.sign(DATA, alice), home.public_key(alice), alice, now=now(), program=program)
    assert caught.value.code == "AB-GPG-TIMEOUT"
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_a_gpgv_that_cannot_be_run_is_this_machines_fault(home: GnuPgHome, alice: str, tmp_path: Path) -> None:
    (tmp_path / "gpgv").write_text("not a program")
    with pytest.raises(HostError):
        openpgp.verify(
            DATA, home.sign(DATA, alice), home.public_key(alice), alice, now=now(), program=str(tmp_path / "gpgv")
        )


def test_a_key_is_found_by_address_fingerprint_and_long_id(home: GnuPgHome, alice: str) -> None:
    for text in ("alice@example.com", "ALICE@example.com", "<alice@example.com>", alice, f"0x{alice}", alice[-16:]):
        assert openpgp.find_signing_key(text, gpg_home=home.path).fingerprint == alice


def test_an_ambiguous_key_is_refused_and_the_candidates_named(home: GnuPgHome) -> None:
    first = home.make_key("Twin one <twin@example.com>")
    second = home.make_key("Twin two <twin@example.com>")
    with pytest.raises(UsageError) as caught:
        openpgp.find_signing_key("twin@example.com", gpg_home=home.path)
    assert first in caught.value.message
    assert second in caught.value.message


@pytest.mark.parametrize("text", ["lice@example.com", "alice", "example.com", "ABCD1234", "nobody@example.com"])
def test_a_part_of_a_name_names_no_key(home: GnuPgHome, alice: str, text: str) -> None:
    with pytest.raises(UsageError, match="no secret key"):
        openpgp.find_signing_key(text, gpg_home=home.path)


@pytest.mark.parametrize("text", ["", "--version", "-a", "a@example.com\n--yes", " alice@example.com", "a" * 500])
def test_text_that_gpg_could_take_for_something_else_is_refused(home: GnuPgHome, text: str) -> None:
    with pytest.raises(UsageError, match="not the name of a key"):
        openpgp.find_signing_key(text, gpg_home=home.path)


def test_a_key_that_cannot_sign_now_is_refused_before_work_starts(home: GnuPgHome) -> None:
    home.make_key("Late <late@example.com>", expires="1d", at="20240101T000000!")
    with pytest.raises(UsageError, match="cannot sign"):
        openpgp.find_signing_key("late@example.com", gpg_home=home.path)


def test_an_expired_key_beside_a_good_one_is_no_ambiguity(home: GnuPgHome) -> None:
    home.make_key("Before <rotated@example.com>", expires="1d", at="20240101T000000!")
    good = home.make_key("After <rotated@example.com>")
    assert openpgp.find_signing_key("rotated@example.com", gpg_home=home.path).fingerprint == good


def test_a_public_key_without_its_secret_cannot_sign(home: GnuPgHome) -> None:
    key = home.make_key("Public <public@example.com>")
    home.delete_secret(key)
    with pytest.raises(UsageError, match="no secret key"):
        openpgp.find_signing_key(key, gpg_home=home.path)


def test_a_home_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no GnuPG home"):
        openpgp.find_signing_key("a@example.com", gpg_home=tmp_path / "none")


def test_settings_in_gpg_conf_do_not_change_the_kind_of_signature() -> None:
    with gnupg_home() as home:
        key = home.make_key("Conf <conf@example.com>")
        (home.path / "gpg.conf").write_text("armor\ntextmode\ndigest-algo SHA1\n")
        signature = openpgp.sign(DATA, key, gpg_home=home.path)
        (home.path / "gpg.conf").unlink()
        assert openpgp.verify(DATA, signature.data, home.public_key(key), key, now=now())


def test_a_passphrase_that_nobody_gives_is_one_clear_error() -> None:
    with gnupg_home() as home:
        arguments = (
            "--pinentry-mode",
            "loopback",
            "--passphrase",
            "secret",
            "--quick-gen-key",
            "Locked <l@example.com>",
        )
        home.gpg(*arguments, "ed25519", "sign", "0")
        (home.path / "gpg-agent.conf").write_text("pinentry-program /bin/false\n")
        home.stop_agent()
        with pytest.raises(HostError) as caught:
            openpgp.sign(DATA, "l@example.com", gpg_home=home.path)
        assert caught.value.code == "AB-GPG-SIGN"


def test_a_secret_key_is_refused_where_a_public_one_belongs(home: GnuPgHome, alice: str) -> None:
    for options in ((), ("--armor",)):
        secret = home.gpg(*options, "--export-secret-keys", alice)
        with pytest.raises(DocumentError, match="secret key"):
            openpgp.read_public_key(secret)


def damaged(change: Callable[[bytes], bytes], home: GnuPgHome, alice: str) -> bytes:
    return change(home.gpg("--export", alice))


@pytest.mark.parametrize(
    "change",
    [
        lambda _: b"",
        lambda key: key[:-1],
        lambda key: key[1:],
        lambda key: key + b"\x00",
        lambda key: key * 2,
        lambda key: key * 4000,
        lambda _: b"hello",
        lambda key: key + b"\xcb\x05b\x00\x00\x00\x00",
    ],
    ids=["empty", "cut", "headless", "trailing zero", "twice", "huge", "text", "literal data"],
)
def test_what_is_not_one_public_key_is_refused(home: GnuPgHome, alice: str, change: Callable[[bytes], bytes]) -> None:
    with pytest.raises(DocumentError) as caught:
        openpgp.read_public_key(damaged(change, home, alice))
    assert caught.value.code == "AB-GPG-PUBLIC-KEY"


def test_armor_is_read_as_gpg_writes_it_and_written_as_gpg_reads_it(home: GnuPgHome, alice: str) -> None:
    binary = openpgp.read_public_key(home.gpg("--export", alice))
    armored = home.gpg("--armor", "--comment", "Alice's key", "--export", alice)
    for text in (armored, armored.replace(b"\n", b"\r\n"), b"\n" + armored + b"\n", binary.armored.encode()):
        assert openpgp.read_public_key(text) == binary
    assert binary.fingerprint == alice
    assert binary.unverified_user_ids == ("Alice <alice@example.com>",)
    shown = home.gpg("--with-colons", "--show-keys", data=binary.armored.encode()).decode()
    assert alice.upper() in shown


@pytest.mark.parametrize("around", [b"text\n%s", b"%stext\n", b"%s%s"], ids=["before", "behind", "two blocks"])
def test_text_around_an_armored_key_is_refused(home: GnuPgHome, alice: str, around: bytes) -> None:
    armored = home.public_key(alice).encode()
    with pytest.raises(DocumentError):
        openpgp.read_public_key(around.replace(b"%s", armored))


def test_a_large_inventory_is_verified_without_a_copy_on_disk(home: GnuPgHome, alice: str) -> None:
    data = bytes(8 * 1024 * 1024)
    signature = openpgp.sign(data, alice, gpg_home=home.path)
    assert openpgp.verify(data, signature.data, home.public_key(alice), alice, now=now())


def test_the_public_part_of_a_key_is_exported_and_nothing_else(home: GnuPgHome, alice: str) -> None:
    exported = openpgp.export_public_key(alice, gpg_home=home.path)
    assert exported.fingerprint == alice
    assert openpgp.read_public_key(exported.armored).keys == exported.keys


def test_a_key_that_is_not_there_cannot_be_exported(home: GnuPgHome) -> None:
    with pytest.raises(HostError) as caught:
        openpgp.export_public_key("0" * 40, gpg_home=home.path)
    assert caught.value.code == "AB-GPG-FAILED"
