"""The only door to GnuPG: python-gnupg signs with the user's own keys, `gpgv` verifies against one pinned key.

Verifying never looks at a keyring, a configuration file or an agent of the person who runs it, and never reaches a
network: `gpgv` with a home of its own that holds one key and is gone afterwards. `gpg --verify` would obey a gpg.conf
that fetches keys. Whether the key may be believed is the policy's question, not this module's.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from datetime import timedelta
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airgap_bundle.core.errors import DocumentError, HostError, InvalidValueError, TrustError, UsageError
from airgap_bundle.core.text import printable
from airgap_bundle.trust import gpgv_status
from airgap_bundle.trust.packets import PublicKey, check_single_signature, parse_public_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

# Looked at before PATH: where Linux distributions, Homebrew, MacPorts and NixOS put it.
_DIRECTORIES = ("/usr/bin", "/usr/local/bin", "/opt/homebrew/bin", "/opt/local/bin", "/run/current-system/sw/bin")
# gpgv needs 5 ms, and a second for 64 MiB on a slow machine; a minute is a machine in trouble.
GPGV_SECONDS = 60
# One good signature prints less than 1 KB; notations may add up to the size of the signature, escaped threefold.
_MAX_STATUS_BYTES = 512 * 1024
_MAX_KEY_TEXT = 400
_MIN_KEY_ID_DIGITS = 16
_FULL_LENGTHS = (40, 64)
# The clock of a signer may run ahead of ours by this much.
CLOCK_TOLERANCE = timedelta(days=1)
_SIGNING_OPTIONS = (
    "--no-armor", "--no-textmode", "--digest-algo", "SHA512", "--disable-dirmngr", "--no-auto-key-retrieve",
)  # fmt: skip
# gpg's validity letters for keys that cannot be used: invalid, disabled, revoked, expired, not valid.
_UNUSABLE = frozenset("idren")
# In place of a token: the secret part is not on this machine.
_ABSENT = "#"


@dataclass(frozen=True, kw_only=True, slots=True)
class SigningKey:
    """A key of the user that can sign now: the fingerprint of its primary key, and its user ids."""

    fingerprint: str
    user_ids: tuple[str, ...]
    subkeys: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenPgpSignature:
    """A detached, binary signature, and the fingerprint (lower case) of the primary key it was made with."""

    data: bytes
    fingerprint: str


@dataclass(frozen=True, kw_only=True, slots=True)
class VerifiedOpenPgp:
    """A signature that `gpgv` accepts, by the pinned key. `created` is the signer's word."""

    fingerprint: str
    signing_fingerprint: str
    created: datetime


def find_program(name: str, *, directories: Sequence[str] = _DIRECTORIES, path: str | None = None) -> str:
    """The absolute path of `gpg` or `gpgv`, never a relative one; `HostError` where there is none."""
    entries = (os.environ.get("PATH", "") if path is None else path).split(os.pathsep)
    for directory in (*directories, *entries):
        candidate = str(Path(directory) / name)
        if directory.startswith("/") and shutil.which(candidate):
            return candidate
    raise HostError(
        "AB-GPG-MISSING",
        f"this machine has no {name}, which OpenPGP signatures need",
        hint=f"install GnuPG; on Debian and Ubuntu the package is {'gpgv' if name == 'gpgv' else 'gnupg'}",
    )


@cache
def _gpgv() -> str:
    return find_program("gpgv")


def read_public_key(data: bytes | str) -> PublicKey:
    """The one public key in `data`, armored or binary; `DocumentError` for anything else."""
    try:
        return parse_public_key(data.encode() if isinstance(data, str) else data)
    except InvalidValueError as error:
        raise DocumentError(
            "AB-GPG-PUBLIC-KEY",
            f"not an OpenPGP public key to trust: {error}",
            hint="export one key with `gpg --armor --export FINGERPRINT`",
        ) from error


def verify(
    data: bytes,
    signature: bytes,
    public_key: bytes | str | PublicKey,
    fingerprint: str,
    *,
    now: datetime,
    name: str = "the OpenPGP signature",
    program: str = "",
    over_text: bool = False,
) -> VerifiedOpenPgp:
    """Check a detached signature over `data` by the one key that is pinned. `TrustError` where it does not hold.

    1. The pinned key is one public key with exactly the fingerprint asked for.
    2. The signature is one binary signature packet and nothing else; over binary data, or with `over_text` over text.
    3. `gpgv`, in a home of its own with this one key, reports exactly one good signature (see `gpgv_status`).
    4. Its primary key is the pinned one, and the key that signed is part of it and not weak.
    5. It was made neither before its key nor more than a day ahead of `now`.

    What the caller must still do: ask the policy whose key it is and whether it is revoked there. Signing times are
    the signer's word. `HostError` if `gpgv` is missing, hangs, or dies: that is never "not signed".
    """
    # 1.
    key = public_key if isinstance(public_key, PublicKey) else read_public_key(public_key)
    pinned = fingerprint.lower()
    if len(pinned) not in _FULL_LENGTHS or key.fingerprint != pinned:
        raise TrustError(
            "AB-TRUST-UNKNOWN-SIGNER", f"{name}: the key has the fingerprint {key.fingerprint}, not {pinned}"
        )
    # 2.
    try:
        check_single_signature(signature, over_text=over_text)
    except InvalidValueError as error:
        raise TrustError("AB-TRUST-BAD-SIGNATURE", f"{name} is not one binary signature: {error}") from error
    # 3.
    status, exit_status = _run_gpgv(data, signature, key, program or _gpgv())
    good = gpgv_status.judge(status, exit_status, name, over_text=over_text)
    # 4.
    if good.fingerprint != pinned:
        raise TrustError("AB-TRUST-UNKNOWN-SIGNER", f"{name} was made by {good.fingerprint}, not by {pinned}")
    signer = key.key(good.signing_fingerprint)
    if signer is None:
        raise TrustError("AB-TRUST-UNKNOWN-SIGNER", f"{name} was made by a subkey that the pinned key does not have")
    if signer.weakness or key.keys[0].weakness:
        raise TrustError("AB-TRUST-WEAK-SIGNATURE", f"{name} was made with {signer.weakness or key.keys[0].weakness}")
    # 5.
    if good.created < signer.created:
        raise TrustError("AB-TRUST-SIGNATURE-TIME", f"{name} says it was made before its own key")
    if good.created > now + CLOCK_TOLERANCE:
        raise TrustError(
            "AB-TRUST-SIGNATURE-TIME",
            f"{name} says it was made on {good.created:%Y-%m-%d}, which is in the future",
            hint="check the clock of this machine, then that of the signer",
        )
    return VerifiedOpenPgp(fingerprint=pinned, signing_fingerprint=good.signing_fingerprint, created=good.created)


def _run_gpgv(data: bytes, signature: bytes, key: PublicKey, program: str) -> tuple[str, int]:
    """Status lines and exit status of `gpgv`. The status has a file of its own: other output cannot forge it."""
    try:
        with tempfile.TemporaryDirectory(prefix="airgap-gpgv-") as name:
            home = Path(name).resolve()
            (home / "pinned.gpg").write_bytes(key.binary)
            (home / "signature.sig").write_bytes(signature)
            with (home / "status").open("w+b") as status:
                command = [
                    program, "--homedir", str(home), "--keyring", str(home / "pinned.gpg"),
                    "--weak-digest", "SHA1", "--weak-digest", "MD5", "--weak-digest", "RIPEMD160",
                    "--status-fd", str(status.fileno()), "--", str(home / "signature.sig"), "-",
                ]  # fmt: skip
                exit_status = _run(command, data, status.fileno(), home)
                status.seek(0)
                said = status.read(_MAX_STATUS_BYTES + 1)
    except OSError as error:
        raise HostError("AB-GPG-FAILED", f"gpgv could not be run: {error.strerror or error}") from error
    if len(said) > _MAX_STATUS_BYTES:
        raise HostError("AB-GPG-FAILED", "gpgv talks without end")
    if exit_status < 0:
        raise HostError("AB-GPG-FAILED", f"gpgv died of signal {-exit_status}")
    return said.decode("utf-8", "replace"), exit_status


def _run(command: list[str], data: bytes, status_fd: int, home: Path) -> int:
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        # Nothing is said there. Its end is heard at once, where a wait with a limit looks up ever more rarely.
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        pass_fds=(status_fd,),
        cwd=home,
        env={"LC_ALL": "C", "HOME": str(home), "GNUPGHOME": str(home), "PATH": "/usr/bin:/bin"},
    ) as process:
        try:
            process.communicate(data, timeout=GPGV_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise HostError(
                "AB-GPG-TIMEOUT",
                f"gpgv did not answer within {GPGV_SECONDS} s and was stopped; nothing was verified",
                hint="look at the load of this machine, then run the command again",
            ) from error
        finally:
            process.kill()
        return process.returncode


def find_signing_key(key: str, *, gpg_home: str | Path | None = None) -> SigningKey:
    """The one key of the user that `key` (fingerprint, long key id, or e-mail address) names and that can sign now.

    Cheap, so ask before long work. `UsageError` where none or several fit; the sentence names the candidates.
    """
    wanted = _checked_key_text(key)
    found = [item for item in _secret_keys(_gnupg(gpg_home)) if _matches(item, wanted)]
    usable = [item for item in found if _can_sign(item)]
    if len(usable) == 1:
        return _signing_key(usable[0])
    shown = printable(key)
    if usable:
        candidates = ", ".join(item["fingerprint"].lower() for item in usable)
        raise UsageError(
            "AB-GPG-KEY",
            f"{shown} fits several secret keys: {candidates}",
            hint="give the fingerprint of the one you mean",
        )
    if found:
        raise UsageError(
            "AB-GPG-KEY",
            f"the key {shown} cannot sign: it is expired, revoked, or has no secret signing part here",
            hint="look at `gpg --list-secret-keys`; insert the smartcard if the key lives on one",
        )
    raise UsageError(
        "AB-GPG-KEY",
        f"GnuPG has no secret key for {shown}",
        hint="look at `gpg --list-secret-keys`, and check GNUPGHOME if it should be there",
    )


def find_primary(fingerprint: str, *, gpg_home: str | Path | None = None) -> str:
    """The primary key, in the user's own keyring, that a key or subkey belongs to; empty where it is not there."""
    listing: Iterable[Mapping[str, Any]] = _gnupg(gpg_home).list_keys(keys=[fingerprint])
    for item in listing:
        primary = str(item["fingerprint"]).lower()
        if fingerprint in {primary, *(str(subkey[2]).lower() for subkey in item["subkeys"])}:
            return primary
    return ""


def export_public_key(fingerprint: str, *, gpg_home: str | Path | None = None) -> PublicKey:
    """The public part of a key of the user, without what others certified about it. `HostError` where gpg fails."""
    exported = _gnupg(gpg_home).export_keys(fingerprint.upper(), armor=False, minimal=True)
    if not exported:
        raise HostError("AB-GPG-FAILED", f"gpg did not export the public key {fingerprint}")
    return read_public_key(exported)


def sign(data: bytes, key: str | SigningKey, *, gpg_home: str | Path | None = None) -> OpenPgpSignature:
    """A detached binary signature over `data`, made by the user's own gpg with its agent, smartcard and pinentry.

    `key` names the key as `find_signing_key` takes it, or is what that has found: then it is not looked up once more.
    Waits as long as the person needs for passphrase or touch. `UsageError` for the key, `HostError` where gpg fails.
    """
    signing_key = key if isinstance(key, SigningKey) else find_signing_key(key, gpg_home=gpg_home)
    result = _gnupg(gpg_home).sign(
        data,
        keyid=signing_key.fingerprint.upper(),
        detach=True,
        clearsign=False,
        binary=True,
        extra_args=list(_SIGNING_OPTIONS),
    )
    made_by = str(result.fingerprint or "").lower()
    if result.returncode != 0 or not made_by:
        reason = printable(str(result.status_detail or result.status or "no reason given"))
        raise HostError(
            "AB-GPG-SIGN",
            f"gpg did not sign with {signing_key.fingerprint}: {reason}",
            hint="try `gpg --detach-sign` by hand; without a window, `export GPG_TTY=$(tty)` helps pinentry",
        )
    if made_by not in {signing_key.fingerprint, *signing_key.subkeys}:
        raise HostError("AB-GPG-SIGN", f"gpg signed with {made_by}, which is not part of {signing_key.fingerprint}")
    try:
        check_single_signature(result.data)
    except InvalidValueError as error:
        raise HostError(
            "AB-GPG-SIGN", f"gpg made something else than one detached signature: {error}", hint="look at gpg.conf"
        ) from error
    return OpenPgpSignature(data=result.data, fingerprint=signing_key.fingerprint)


def _checked_key_text(key: str) -> str:
    """Text that can stand in an argument list: never an option, never a second line."""
    text = key.strip()
    if not text or len(text) > _MAX_KEY_TEXT or text.startswith("-") or not text.isprintable() or key != text:
        raise UsageError(
            "AB-GPG-KEY",
            f"not the name of a key: {printable(key[:80])!r}",
            hint="give a fingerprint or an e-mail address",
        )
    return text


def _gnupg(gpg_home: str | Path | None) -> Any:
    """python-gnupg on the user's own home, or the one given."""
    environment: dict[str, str] = dict(os.environ)
    if "GPG_TTY" not in environment and sys.stdin is not None and sys.stdin.isatty():
        environment["GPG_TTY"] = os.ttyname(sys.stdin.fileno())
    if gpg_home is not None and not Path(gpg_home).is_dir():
        raise UsageError("AB-GPG-KEY", f"there is no GnuPG home {printable(str(gpg_home))}")
    home = None if gpg_home is None else str(Path(gpg_home).resolve())
    return _gnupg_of(home, tuple(sorted(environment.items())))


@lru_cache(maxsize=1)
def _gnupg_of(home: str | None, environment: tuple[tuple[str, str], ...]) -> Any:
    """Kept, because each new one runs gpg to learn its version."""
    import gnupg  # noqa: PLC0415 - heavy, and only signing needs it

    try:
        gpg = gnupg.GPG(gpgbinary=find_program("gpg"), gnupghome=home, env=dict(environment))
    except (OSError, ValueError) as error:
        raise HostError("AB-GPG-FAILED", f"gpg could not be run: {printable(str(error))}") from error
    gpg.encoding = "utf-8"
    return gpg


def _secret_keys(gpg: Any) -> Iterable[Mapping[str, Any]]:
    listing: Iterable[Mapping[str, Any]] = gpg.list_keys(secret=True)
    return listing


def _matches(item: Mapping[str, Any], wanted: str) -> bool:
    digits = wanted.removeprefix("0x").replace(" ", "").upper()
    if len(digits) >= _MIN_KEY_ID_DIGITS and not set(digits) - set("0123456789ABCDEF"):
        fingerprints = [item["fingerprint"], *(subkey[2] for subkey in item["subkeys"])]
        return any(str(fingerprint).endswith(digits) for fingerprint in fingerprints)
    address = wanted.strip("<>").casefold()
    return "@" in address and any(_address(uid) == address for uid in item["uids"])


def _address(user_id: str) -> str:
    """The e-mail address of a user id, which may be nothing but that."""
    _, bracket, rest = user_id.rpartition("<")
    return (rest.partition(">")[0] if bracket else user_id).strip().casefold()


def _can_sign(item: Mapping[str, Any]) -> bool:
    """A capital S says that some part may sign; the token of that part says whether its secret is here (# is not)."""
    if "S" not in item["cap"] or item["trust"][:1] in _UNUSABLE:
        return False
    parts = [item, *item.get("subkey_info", {}).values()]
    return any("s" in part["cap"] and part["token"] != _ABSENT and part["trust"][:1] not in _UNUSABLE for part in parts)


def _signing_key(item: Mapping[str, Any]) -> SigningKey:
    return SigningKey(
        fingerprint=item["fingerprint"].lower(),
        user_ids=tuple(item["uids"]),
        subkeys=tuple(str(subkey[2]).lower() for subkey in item["subkeys"]),
    )
