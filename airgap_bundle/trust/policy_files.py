"""Where the policy comes from: finding it, reading it safely, and writing the first one.

Never from the working directory and never from the medium: whoever brings a bundle must not bring what is believed.
Design section 7.
"""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from airgap_bundle.core.content import Digest
from airgap_bundle.core.errors import DocumentError, HostError, TrustError, UsageError
from airgap_bundle.core.text import printable
from airgap_bundle.trust.policy import API_VERSION, MAX_POLICY_BYTES, parse_policy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airgap_bundle.trust.packets import PublicKey
    from airgap_bundle.trust.policy_model import Policy

SYSTEM_POLICY = "/etc/airgap-bundle/policy.yaml"
VARIABLE = "AIRGAP_POLICY"


def policy_location(option: str | None, environ: Mapping[str, str], *, system: str = SYSTEM_POLICY) -> str:
    """The path of the policy: the system's where it exists, then `--policy`, then `AIRGAP_POLICY`.

    The system's wins so that whoever runs the command cannot bring a policy of their own. `TrustError` where there is
    none: without a policy nothing is believed.
    """
    if os.path.lexists(system):
        return system
    path = option or environ.get(VARIABLE, "")
    if not path:
        raise TrustError(
            "AB-TRUST-NO-POLICY",
            "there is no policy, so nothing can be believed",
            hint="make one with `airgap-import policy init --openpgp KEY.asc -o policy.yaml`, then give --policy",
        )
    return path


def load_policy(path: str | Path, *, is_proven: bool = False) -> Policy:
    """Read the policy in a file of at most 4 MiB that nobody but its owner's circle can change.

    `is_proven`: who may change the file does not matter, because its content is compared with a digest or signatures
    before it is believed, as that of a new policy on a medium.

    Refused (`TrustError`): a file or a directory of it that every user of the machine may write, and a file or a
    symbolic link owned by somebody who is neither root nor the one who runs this. `DocumentError` where it is no
    policy, `HostError` where it cannot be read.
    """
    file = Path(path)
    policy = parse_policy(_read(file, MAX_POLICY_BYTES, is_proven=is_proven), str(path))
    pinned = {who.trusted_root_digest: who.trusted_root_file for who in policy.identities}
    return replace(
        policy,
        trusted_roots={digest: _root(file, name, digest, is_proven=is_proven) for digest, name in pinned.items()},
    )


def _root(policy: Path, name: str, digest: Digest, *, is_proven: bool) -> bytes:
    """A trusted root that the policy pins: whoever wrote the file, its digest decides."""
    from airgap_bundle.trust.keyless import MAX_ROOT_BYTES  # noqa: PLC0415 - few policies pin one

    raw = _read(policy.parent / name, MAX_ROOT_BYTES, is_proven=is_proven)
    if Digest.of(raw) != digest:
        raise DocumentError(
            "AB-POLICY-KEY",
            f"the trusted root {printable(name)} is not the one that the policy {printable(str(policy))} pins",
            hint="a root is replaced together with its sha256 in the policy",
        )
    return raw


def _read(path: Path, max_bytes: int, *, is_proven: bool) -> bytes:
    name = printable(str(path))
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError as error:
        raise UsageError("AB-POLICY-FILE", f"there is no policy {name}") from error
    except OSError as error:
        raise HostError("AB-POLICY-UNREADABLE", f"the policy {name} cannot be read: {error.strerror}") from error
    try:
        state = os.fstat(descriptor)
        if not stat.S_ISREG(state.st_mode):
            raise UsageError("AB-POLICY-FILE", f"the policy {name} is not a regular file")
        if not is_proven:
            _check_owner(path, state, name)
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            raw = file.read(max_bytes + 1)
    except OSError as error:
        raise HostError("AB-POLICY-UNREADABLE", f"the policy {name} cannot be read: {error.strerror}") from error
    finally:
        os.close(descriptor)
    if len(raw) > max_bytes:
        raise DocumentError("AB-POLICY-INVALID", f"the policy {name} has more than {max_bytes} bytes")
    return raw


def _check_owner(path: Path, state: os.stat_result, name: str) -> None:
    """Whoever can change the policy decides what is believed."""
    trusted = {0, os.geteuid()}
    link = path.lstat()
    directory = path.resolve().parent.stat()
    shared = directory.st_mode & stat.S_IWOTH and not directory.st_mode & stat.S_ISVTX
    if state.st_mode & stat.S_IWOTH or shared:
        raise TrustError(
            "AB-POLICY-WRITABLE",
            f"every user of this machine can change the policy {name}",
            hint=f"chmod o-w {name}, and the directory it lies in",
        )
    if state.st_uid not in trusted or link.st_uid not in trusted:
        raise TrustError(
            "AB-POLICY-WRITABLE",
            f"the policy {name} belongs to somebody else (user {state.st_uid}), who can change it",
            hint="copy it to a place of your own after looking at it, or let root own it",
        )


def initial_policy(key: PublicKey, signer: str = "release") -> bytes:
    """The simplest policy: one signer who holds every role, every product, every repository."""
    ids = ", ".join(printable(user_id) for user_id in key.unverified_user_ids[:3]) or "no user id"
    armored = "".join(f"        {line}\n".replace("        \n", "\n") for line in key.armored.splitlines())
    return f"""\
# What this boundary believes. Whoever can change this file decides what comes in: keep it with root,
# for instance as {SYSTEM_POLICY}, and never on the medium.
apiVersion: {API_VERSION}
version: 1
# audience: site-a                 # then bundles for other audiences are refused
signers:
  {signer}:                          # {ids}
    openpgp:
      # Compare it with the person: by telephone, not by the way this key came.
      fingerprint: {key.fingerprint}
      publicKey: |-
{armored}    # until: 2030-12-31            # from the day after, nothing of theirs counts
roles:
  root: {{signers: [{signer}], threshold: 1}}       # may change this policy
  release: {{signers: [{signer}], threshold: 1}}
products:
  "*":                             # every product that has no entry of its own
    require: [release]
    repositories: ["**"]           # below the destination; "**" is every one
    overrides: [release]           # whose signature allows --allow-older and --allow-expired
    # maxAge: 180d
    # hold: {{wait: 24h, approvals: [release]}}       # tags move with publish, not with push
    # upstream:                    # signatures of publishers that have to be in the bundle, checked again here
    #   - match: "ghcr.io/acme/**"
    #     publicKey: |-            # cosign.pub; or keyless: {{issuer, identity, trustedRoot}}
    #       -----BEGIN PUBLIC KEY----- …
""".encode()
