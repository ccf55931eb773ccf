"""Reading the small files of trust that a person names: keys, signatures, identity tokens, trust configurations."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from airgap_bundle.core.errors import DocumentError, HostError, UsageError
from airgap_bundle.core.text import printable

if TYPE_CHECKING:
    from pathlib import Path


def read_file(path: str | Path, what: str, *, max_bytes: int) -> bytes:
    """All bytes of a regular file; `what` is what the person calls it, such as "signature".

    `UsageError` where there is none, or a pipe or device in its place; `DocumentError` where it is longer than
    `max_bytes`; `HostError` where it cannot be read.
    """
    name = printable(str(path))
    try:
        # Without O_NONBLOCK opening a FIFO would wait for a writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            is_regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                raw = file.read(max_bytes + 1) if is_regular else b""
        finally:
            os.close(descriptor)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise UsageError("AB-USAGE-FILE", f"there is no {what} {name}", hint="check the path") from error
    except OSError as error:
        raise HostError("AB-HOST-READ", f"the {what} {name} cannot be read: {error.strerror}") from error
    if not is_regular:
        raise UsageError("AB-USAGE-FILE", f"the {what} {name} is not a regular file", hint="copy it into a file first")
    if len(raw) > max_bytes:
        raise DocumentError("AB-SIGNATURE-FILE", f"the {what} {name} has more than {max_bytes} bytes")
    return raw
