"""OpenPGP keys made on the spot, in a GnuPG home that is nobody's."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class GnuPgHome:
    """A GnuPG home with secret keys that have no passphrase."""

    path: Path

    def gpg(self, *arguments: str, data: bytes = b"", at: str = "") -> bytes:
        """What gpg prints; `at` is the time it believes, as `20250101T000000`."""
        # With a `!` the clock stands still, else it runs on from there.
        clock = ("--faked-system-time", at) if at else ()
        command = ["gpg", "--homedir", str(self.path), "--batch", "--quiet", "--no-tty", "--trust-model", "always"]
        done = subprocess.run([*command, *clock, *arguments], input=data, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode("utf-8", "replace")
        return done.stdout

    def make_key(self, user_id: str, *, algorithm: str = "ed25519", expires: str = "0", at: str = "") -> str:
        """The fingerprint, lower case, of a new key that can sign."""
        arguments = ("--pinentry-mode", "loopback", "--passphrase", "", "--quick-gen-key", user_id, algorithm, "sign")
        self.gpg(*arguments, expires, at=at)
        return self.fingerprints(user_id)[0]

    def add_subkey(self, fingerprint: str, *, algorithm: str = "ed25519", usage: str = "sign", at: str = "") -> str:
        """The fingerprint of a new subkey."""
        arguments = ("--pinentry-mode", "loopback", "--passphrase", "", "--quick-add-key", fingerprint)
        self.gpg(*arguments, algorithm, usage, "0", at=at)
        return self.fingerprints(fingerprint)[-1]

    def fingerprints(self, key: str) -> list[str]:
        """Of the primary key and its subkeys, lower case."""
        listing = self.gpg("--with-colons", "--with-subkey-fingerprint", "--list-keys", key).decode()
        return [line.split(":")[9].lower() for line in listing.splitlines() if line.startswith("fpr:")]

    def public_key(self, fingerprint: str) -> str:
        """Armored."""
        return self.gpg("--armor", "--export", fingerprint).decode()

    def sign(self, data: bytes, key: str, *arguments: str, at: str = "") -> bytes:
        """A detached binary signature, with more arguments for gpg."""
        return self.gpg("--local-user", key, *arguments, "--detach-sign", data=data, at=at)

    def revoke(self, fingerprint: str) -> None:
        """Import the revocation that gpg kept when the key was made."""
        stored = self.path / "openpgp-revocs.d" / f"{fingerprint.upper()}.rev"
        self.gpg("--import", data=stored.read_bytes().replace(b":-----BEGIN", b"-----BEGIN"))

    def revoke_subkey(self, fingerprint: str) -> None:
        """Revoke the first subkey of a key."""
        answers = b"key 1\nrevkey\ny\n0\n\ny\nsave\n"
        options = ("--command-fd", "0", "--status-fd", "2", "--pinentry-mode", "loopback", "--passphrase", "")
        self.gpg(*options, "--edit-key", fingerprint, data=answers)

    def stop_agent(self) -> None:
        """End the agent of this home; the next command starts another."""
        subprocess.run(["gpgconf", "--homedir", str(self.path), "--kill", "all"], check=False, capture_output=True)

    def delete_secret(self, fingerprint: str) -> None:
        """Forget the secret part."""
        self.gpg("--yes", "--delete-secret-keys", fingerprint.upper())


@contextmanager
def gnupg_home() -> Iterator[GnuPgHome]:
    """A home with a short path (the agent's socket allows 107 bytes); its agent ends with it."""
    path = Path(tempfile.mkdtemp(prefix="ab-gpg-", dir="/tmp"))
    home = GnuPgHome(path)
    try:
        yield home
    finally:
        home.stop_agent()
        shutil.rmtree(path, ignore_errors=True)
