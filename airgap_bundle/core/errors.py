"""The one root error, and a class for each exit status.

Every error carries a stable code with a page that `explain CODE` prints, says what happened and where, and what to do
next. Library code raises; only `cli` turns errors into text and exit statuses. Design section 9 lists the statuses.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airgap_bundle.core.report import Finding

_CODE = re.compile(r"AB-[A-Z0-9]+(-[A-Z0-9]+)*")


class InvalidValueError(ValueError):
    """Text or bytes that cannot become one of our values.

    Raised by the value types of `core`, which do not know where the text came from. The edge that does know turns it
    into one of the errors below, chained.
    """


class AirgapError(Exception):
    """The root: everything that this package raises on purpose.

    `message` says what happened, where and why in one sentence; `hint` what to do next. Both may quote text from
    outside, so whoever shows them escapes them (`core.text.printable`).
    """

    exit_status: ClassVar[int] = 70

    def __init__(self, code: str, message: str, *, hint: str = "") -> None:
        if _CODE.fullmatch(code) is None:
            raise ValueError(code)
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint


class UsageError(AirgapError):
    """The command line asks for something that cannot be."""

    exit_status = 2


class DocumentError(AirgapError):
    """A manifest, lock or policy is not one. `findings` has every complaint, each with its place."""

    exit_status = 2

    def __init__(self, code: str, message: str, *, hint: str = "", findings: Sequence[Finding] = ()) -> None:
        super().__init__(code, message, hint=hint)
        self.findings = tuple(findings)


class TrustError(AirgapError):
    """Refused: signature, policy, revocation, audience or freshness."""

    exit_status = 3


class BundleError(AirgapError):
    """The bundle is damaged, incomplete or malformed, or its base is missing."""

    exit_status = 4


class RegistryError(AirgapError):
    """A registry or the network did not do what was asked of it."""

    exit_status = 5


class HostError(AirgapError):
    """This machine: space, permission, input and output, a missing program, or someone else is at it."""

    exit_status = 6
