"""Writes policies: the first one of a boundary, and successors that revoke something."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from airgap_bundle.bundle.writer import cannot_write
from airgap_bundle.core.errors import InvalidValueError, UsageError
from airgap_bundle.core.whole_files import write_new
from airgap_bundle.manifest.fields import ComplaintError
from airgap_bundle.trust import openpgp, policy_edit, policy_words
from airgap_bundle.trust.files import read_file
from airgap_bundle.trust.policy import parse_policy
from airgap_bundle.trust.policy_files import initial_policy, load_policy

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from airgap_bundle.core.content import Digest
    from airgap_bundle.trust.policy_model import Policy

# A key with many signatures on it is some 100 kB; what is larger has been flooded.
_MAX_KEY_BYTES = 4 * 1024 * 1024

# It is written into YAML as it is: no spaces, colons or quotes.
_SIGNER = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,63}")


def write_initial_policy(key_file: Path, output: Path, signer: str) -> Policy:
    """Write the simplest policy for the OpenPGP key in a file; the policy as it was read back.

    An existing file is not replaced (`UsageError`): it may be what a boundary relies on.
    """
    if _SIGNER.fullmatch(signer) is None:
        raise UsageError(
            "AB-USAGE-SIGNER",
            f"--signer takes a plain name, not {signer!r}",
            hint="letters, digits, dots, dashes and underscores, such as release or alice",
        )
    key = openpgp.read_public_key(read_file(key_file, "key", max_bytes=_MAX_KEY_BYTES))
    raw = initial_policy(key, signer)
    policy = parse_policy(raw, str(output))
    _write(output, raw)
    return policy


def write_revocation(
    policy: Policy, keys: Sequence[str], bundles: Sequence[Digest], since: str | None, output: Path
) -> Policy:
    """Write the successor of a policy that revokes keys (see `policy_edit.find_key`) and bundles, ready to be signed.

    The new policy. It is not believed by anybody before the root role of the old one has signed it.
    """
    if not keys and not bundles:
        raise UsageError("AB-USAGE-KEY", "nothing to revoke was named", hint="add --key KEY or --bundle BUNDLE_ID")
    try:
        day = None if since is None else policy_words.day(since)
    except (ComplaintError, InvalidValueError) as error:
        raise UsageError("AB-USAGE-VALUE", f"--since takes a date: {error}", hint="such as 2027-06-30") from error
    revoked = [key for text in keys for key in policy_edit.find_key(policy, text, day)]
    raw = policy_edit.revoke(policy, revoked, bundles)
    successor = parse_policy(raw, str(output))
    _write(output, raw)
    return successor


def read_old_policy(path: Path) -> Policy:
    """A policy that counted before. Who may change its file does not matter: the ledger has its digest."""
    return load_policy(path, is_proven=True)


def _write(output: Path, raw: bytes) -> None:
    try:
        # 0644 whatever the umask gives away: a policy that others can change is refused when it is read.
        write_new(output, raw, mode=0o644)
    except FileExistsError as error:
        raise UsageError(
            "AB-USAGE-OUTPUT-EXISTS",
            f"{output} exists already",
            hint="choose another name: a policy is never overwritten",
        ) from error
    except OSError as error:
        raise cannot_write(output, error) from error
