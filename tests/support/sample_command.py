"""A console script whose one command does whatever its argument says; run as a program and imported by tests."""

import errno
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Annotated

import typer

from airgap_bundle.cli import frame, options
from airgap_bundle.cli.explain import add_explain
from airgap_bundle.core.errors import DocumentError, TrustError
from airgap_bundle.core.report import (
    BytesMoved,
    Finding,
    ItemFinished,
    ItemStarted,
    PhaseFinished,
    PhaseStarted,
    Place,
    Remark,
    Severity,
)
from airgap_bundle.output.terminal import Terminal

app = frame.make_app("airgap-sample", "Do what the argument says.")
group = frame.add_group(app, "policy", "Look after the policy.")
add_explain(app)


def _refuse(_: Terminal) -> None:
    raise TrustError("AB-TRUST-SAMPLE", "the bundle is not signed\x1b[2J", hint="sign it\nerror: forged")


def _document(_: Terminal) -> None:
    file = os.environ.get("SAMPLE_FILE", "acme.yaml")
    findings = [
        Finding(code="AGM1", severity=Severity.ERROR, message="a typo", place=Place(file=file, line=2, column=3)),
        Finding(code="AGM2", severity=Severity.WARNING, message="unwise", place=Place(file=file, line=1), hint="do"),
    ]
    raise DocumentError("AB-SAMPLE-DOCUMENT", f"{file} is not a manifest", findings=findings)


def _stop(_: Terminal) -> None:
    raise KeyboardInterrupt


def _bug(_: Terminal) -> None:
    raise LookupError("odd\x1b[2J")


def _missing(_: Terminal) -> None:
    with open("/nonexistent/\x1b[2Jfile", "rb"):  # noqa: PTH123 - the plainest way to the error
        pass


def _full(_: Terminal) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/mnt/acme.tar")


def _forbidden(_: Terminal) -> None:
    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), b"/mnt/\xff", None, "/mnt/b")


def _network(_: Terminal) -> None:
    raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))


def _memory(_: Terminal) -> None:
    raise MemoryError


def _work(terminal: Terminal) -> None:
    report = terminal.report
    report(PhaseStarted(title="Fetching", total_bytes=8_000_000, total_items=8))
    for n in range(8):
        name = f"docker.io/library/[link=x]image{n}\x1b[2J@sha256:{'ab' * 32}"
        report(ItemStarted(name=name, size=1_000_000))
        time.sleep(0.12)
        report(BytesMoved(name=name, count=1_000_000))
        report(ItemFinished(name=name, outcome="fetched"))
    report(Remark(severity=Severity.NOTE, message="all signatures travel"))
    report(Remark(severity=Severity.WARNING, message="not signed :x:"))
    report(PhaseFinished(title="Fetching"))
    terminal.say("Wrote acme.tar: 8 images")
    terminal.show("data")


def _ready_and_wait(terminal: Terminal) -> None:
    terminal.show("ready")
    sys.stdout.flush()
    time.sleep(30)


def _hang(terminal: Terminal) -> None:
    try:
        terminal.show("ready")
        sys.stdout.flush()
        time.sleep(30)
    except KeyboardInterrupt:
        # Work that does not come to an end although it was told to.
        terminal.show("stopping")
        sys.stdout.flush()
        time.sleep(30)
        raise


def _flood(terminal: Terminal) -> None:
    for _ in range(100_000):
        terminal.show("a line that nobody reads any more")


def _show(terminal: Terminal) -> None:
    if terminal.json:
        terminal.emit({"said": "caf\u00e9\x1b\udcff"})
    else:
        terminal.show("caf\u00e9 \x1b[2J")


def _claim(terminal: Terminal) -> None:
    terminal.claim_output().write(b"bundle")


def _findings(_: Terminal) -> int:
    return 1


def _terminate(_: Terminal) -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(30)


ACTIONS: dict[str, Callable[[Terminal], int | None]] = {
    "refuse": _refuse,
    "document": _document,
    "stop": _stop,
    "bug": _bug,
    "missing": _missing,
    "full": _full,
    "forbidden": _forbidden,
    "network": _network,
    "memory": _memory,
    "work": _work,
    "wait": _ready_and_wait,
    "hang": _hang,
    "flood": _flood,
    "show": _show,
    "claim": _claim,
    "findings": _findings,
    "terminate": _terminate,
}


@frame.command(
    app, "act", examples="airgap-sample act show\nairgap-sample act work -v\n\nIn CI:\n  airgap-sample act work -q"
)
def act(
    action: Annotated[str, typer.Argument(metavar="ACTION")],
    jobs: options.Jobs = None,
    plain_http: options.PlainHttp = None,
    *,
    terminal: Terminal,
) -> int | None:
    """Do one thing.

    And explain it at length.
    """
    if action == "options":
        terminal.emit({"jobs": jobs, "plain_http": plain_http or []})
        return None
    return ACTIONS[action](terminal)


@frame.command(group, "init")
def policy_init(*, terminal: Terminal) -> None:
    """Write one."""
    terminal.show(f"{terminal.program} wrote one")


if __name__ == "__main__":
    sys.exit(frame.run_app(app))
