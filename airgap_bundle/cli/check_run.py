"""How `airgap-manifest check` runs: every file looked at, every finding shown, whatever is wrong with one of them."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from airgap_bundle.bundle.volumes.naming import parse_volume_size
from airgap_bundle.cli.failures import source_line
from airgap_bundle.connected import checking
from airgap_bundle.connected.workshop import workshop
from airgap_bundle.core.errors import DocumentError, UsageError
from airgap_bundle.core.report import Severity
from airgap_bundle.core.text import count_text
from airgap_bundle.output.records import error_record, finding_record

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from airgap_bundle.core.report import Finding
    from airgap_bundle.output.terminal import Terminal
    from airgap_bundle.registry.options import ClientOptions

_FINDINGS_STATUS = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """One run of the command."""

    files: Sequence[Path]
    strict: bool
    fix: bool
    wanted: checking.Wanted


def wanted(
    *,
    now: int,
    select: Sequence[str] | None,
    ignore: Sequence[str] | None,
    base: Path | None,
    overlay: Path | None,
    allowed_registries: tuple[str, ...],
    allowed_hosts: tuple[str, ...],
    discover: bool,
    readiness: bool,
    volume_size: str,
    online: bool,
) -> checking.Wanted:
    """The options, checked; `UsageError` for what cannot be meant."""
    selected, ignored = _words(select), _words(ignore)
    checking.check_codes((*selected, *ignored))
    if volume_size and not online:
        raise UsageError(
            "AB-USAGE-VALUE",
            "--volume-size compares with sizes that only the registries know",
            hint="add --online, or run airgap-export plan --volume-size",
        )
    return checking.Wanted(
        now=now,
        select=selected,
        ignore=ignored,
        base=base,
        overlay=overlay,
        allowed_registries=allowed_registries,
        allowed_hosts=allowed_hosts,
        discover=discover,
        readiness=readiness,
        volume_bytes=parse_volume_size(volume_size) if volume_size else 0,
    )


def run(asked: Asked, client: ClientOptions | None, terminal: Terminal) -> int:
    """Check every file and show what was found; the exit status is the same in every format.

    A file that is no manifest is a finding like others in the formats of CI systems; in text it is the error that ends
    the command, after the findings of the other files.
    """
    findings: list[Finding] = []
    failures: list[DocumentError] = []
    with ExitStack() as stack:
        shop = stack.enter_context(workshop(client, None, terminal.report)) if client is not None else None
        for file in asked.files:
            try:
                if asked.fix:
                    for change in checking.fix_file(file):
                        terminal.say(f"{file}: {change}")
                findings += checking.check_file(file, replace(asked.wanted, shop=shop))
            except DocumentError as error:
                failures.append(error)
                if terminal.output_format != "text":
                    findings += checking.invalid(error, file)
    _show(asked, findings, failures, terminal)
    if failures:
        if terminal.output_format == "text":
            raise failures[0]
        return DocumentError.exit_status
    failing = {Severity.ERROR, Severity.WARNING} if asked.strict else {Severity.ERROR}
    return _FINDINGS_STATUS if any(finding.severity in failing for finding in findings) else 0


def _show(asked: Asked, findings: Sequence[Finding], failures: Sequence[DocumentError], terminal: Terminal) -> None:
    names = [str(file) for file in asked.files]
    if terminal.json:
        document = {"version": 1, "files": names, "findings": [finding_record(one) for one in findings]}
        terminal.emit({**document, **(error_record(failures[0]) if failures else {})})
    elif terminal.output_format != "text":
        from airgap_bundle.output.ci import FORMATS  # noqa: PLC0415 - with XML comes all of HTTP

        terminal.write(FORMATS[terminal.output_format](findings, names, checking.TITLES))
    elif findings:
        terminal.show_findings(findings, source_line)
    elif not failures:
        terminal.say(f"{count_text(len(names), 'file')} checked, nothing to complain of")
    if terminal.output_format == "text":
        # The first one ends the command and is shown then.
        for failure in failures[1:]:
            terminal.show_findings(failure.findings, source_line)


def _words(options: Sequence[str] | None) -> tuple[str, ...]:
    return tuple(word.strip().upper() for option in options or () for word in option.split(",") if word.strip())
