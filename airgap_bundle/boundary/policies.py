"""Makes the first policy of a boundary."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from airgap_bundle.bundle.writer import cannot_write
from airgap_bundle.core.errors import UsageError
from airgap_bundle.manifest.model import read_document
from airgap_bundle.trust import openpgp
from airgap_bundle.trust.policy import parse_policy
from airgap_bundle.trust.policy_files import initial_policy

if TYPE_CHECKING:
    from pathlib import Path

    from airgap_bundle.trust.policy_model import Policy

# A key with many signatures on it is some 100 kB; what is larger has been flooded.
_MAX_KEY_BYTES = 4 * 1024 * 1024


def write_initial_policy(key_file: Path, output: Path, signer: str) -> Policy:
    """Write the simplest policy for the OpenPGP key in a file; the policy as it was read back.

    An existing file is not replaced (`UsageError`): it may be what a boundary relies on.
    """
    key = openpgp.read_public_key(read_document(key_file, max_bytes=_MAX_KEY_BYTES))
    raw = initial_policy(key, signer)
    policy = parse_policy(raw, str(output))
    try:
        # 0644 whatever the umask gives away: a policy that others can change is refused when it is read.
        descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        with os.fdopen(descriptor, "wb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError as error:
        raise UsageError(
            "AB-USAGE-OUTPUT-EXISTS",
            f"{output} exists already",
            hint="choose another name: a policy is never overwritten",
        ) from error
    except OSError as error:
        raise cannot_write(output, error) from error
    return policy
