"""What went wrong, as one of our errors: the machine's complaints, interruption, wrong usage, and our own bugs."""

import errno
import os
import select
import stat
import sys
import traceback
from pathlib import Path
from typing import ClassVar

import typer

from airgap_bundle.cli.signals import INTERRUPTED_STATUS
from airgap_bundle.core.errors import AirgapError, HostError, RegistryError, UsageError
from airgap_bundle.core.report import Place
from airgap_bundle.core.text import printable

# Documents of ours are at most 4 MiB; of anything larger no line is quoted.
_MAX_SOURCE_BYTES = 4 * 1024 * 1024
# The innermost calls are what a maintainer reads first.
_TRACEBACK_CALLS = 12
_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_PERMISSION = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_USAGE_CODES = {
    "NoSuchOption": "AB-USAGE-OPTION",
    "MissingParameter": "AB-USAGE-MISSING",
    "BadParameter": "AB-USAGE-VALUE",
    "BadOptionUsage": "AB-USAGE-VALUE",
}


class StoppedError(AirgapError):
    """Ctrl-C or SIGTERM. Nothing is wrong, and nothing is finished."""

    exit_status: ClassVar[int] = INTERRUPTED_STATUS


class BugError(AirgapError):
    """Something that nobody thought of."""


def stopped() -> AirgapError:
    """The command was told to stop."""
    return StoppedError("AB-INTERRUPTED", "interrupted; run the same command again to continue")


def from_os(error: OSError) -> AirgapError:
    """A complaint of the operating system that no library function has turned into an error of its own.

    It names the file and what the system says; where the system named none, that alone.
    """
    text = error.strerror or str(error) or type(error).__name__
    names = [os.fsdecode(name) for name in (error.filename, error.filename2) if isinstance(name, str | bytes)]
    place = f"{' → '.join(names)}: " if names else ""
    if isinstance(error, ConnectionError | TimeoutError) or type(error).__module__ in {"socket", "ssl"}:
        return RegistryError("AB-NETWORK", f"the network failed: {place}{text}", hint="run the same command again")
    if error.errno in _SPACE:
        return HostError("AB-HOST-SPACE", f"no space left: {place}{text}", hint="make room and run it again")
    if error.errno in _PERMISSION:
        hint = "check who owns it, its mode, and whether the medium is read-only"
        return HostError("AB-HOST-PERMISSION", f"not allowed: {place}{text}", hint=hint)
    return HostError("AB-HOST-IO", f"this machine could not read or write: {place}{text}")


def out_of_memory() -> AirgapError:
    """There was no memory left."""
    return HostError("AB-HOST-MEMORY", "no memory left", hint="use fewer --jobs, or end something else")


def from_usage(error: typer.TyperException, *, program: str) -> AirgapError:
    """What typer says about the command line, in our words and with our status."""
    message = " ".join(error.format_message().split()).removesuffix(".")
    if not message and (name := getattr(error, "option_name", "")):
        message = f"No such option: {name}"
    context = getattr(error, "ctx", None)
    hint = f"see {program if context is None else context.command_path} --help"
    if possibilities := getattr(error, "possibilities", None):
        message = message.partition(" (Possible options:")[0]
        hint = f"did you mean {' or '.join(sorted(possibilities))}?"
    elif " Did you mean " in message:
        message, _, rest = message.partition(". Did you mean ")
        hint = f"did you mean {rest}"
    return UsageError(_USAGE_CODES.get(type(error).__name__, "AB-USAGE-COMMAND"), message, hint=hint)


def from_bug(error: Exception, *, debug: bool) -> tuple[AirgapError, str]:
    """The error for something that nobody thought of, and its traceback (empty unless `debug`).

    AIRGAP_DEBUG names a file to which the traceback is added. It may quote what was read, so neither is the default.
    """
    trace = "".join(traceback.format_exception(error, limit=-_TRACEBACK_CALLS))
    file = os.environ.get("AIRGAP_DEBUG", "")
    hint = "report it with the same command and --debug added; what was being read may be quoted there"
    if file:
        try:
            with Path(file).open("a", encoding="utf-8", errors="backslashreplace") as log:
                log.write(trace)
            hint = f"report it with what was added to {file}; what was being read may be quoted there"
        except OSError as failure:
            hint = f"report it with --debug added; {file} cannot be written: {failure.strerror}"
    what = f"this is a bug in airgap-bundle: {type(error).__name__}: {error}".rstrip(": ")
    return BugError("AB-BUG", what, hint=hint), printable(trace, keep="\n") if debug else ""


def output_is_closed() -> bool:
    """Whether whoever read our standard output has left (`… | head`)."""
    try:
        poll = select.poll()
        poll.register(sys.__stdout__.fileno() if sys.__stdout__ else 1, select.POLLOUT)
        return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))
    except (OSError, ValueError):
        return True


def discard_output() -> None:
    """Send the rest of standard output nowhere, so that flushing it at the end complains no more."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)


def source_line(place: Place) -> str | None:
    """The line that a finding is about, to be shown under it; None where it cannot be had."""
    try:
        path = Path(place.file)
        status = path.stat()
        if not place.line or not stat.S_ISREG(status.st_mode) or status.st_size > _MAX_SOURCE_BYTES:
            return None
        # Split as YAML counts lines, not as Unicode does.
        lines = path.read_bytes()[:_MAX_SOURCE_BYTES].replace(b"\r\n", b"\n").split(b"\n")
    except (OSError, ValueError):
        return None
    return lines[place.line - 1].decode("utf-8", "replace") if place.line <= len(lines) else None
