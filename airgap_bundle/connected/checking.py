"""Checks one file: a manifest with the lock beside it, or an overlay; with discovery and registries where asked."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from airgap_bundle.connected.check_discovery import with_discovery
from airgap_bundle.connected.project import open_project
from airgap_bundle.core.errors import DocumentError, UsageError
from airgap_bundle.core.report import Finding, Place, Severity
from airgap_bundle.manifest import mending, suppression
from airgap_bundle.manifest.model import Manifest, load_manifest, parse_manifest, read_document
from airgap_bundle.manifest.overlay import Overlay, load_manifest_or_overlay
from airgap_bundle.manifest.rules import RULES, Context, check_overlay, run_rules

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from airgap_bundle.connected.project import Project
    from airgap_bundle.connected.workshop import Workshop

TITLES = {**{rule.code: rule.title for rule in RULES}, suppression.CODE: suppression.TITLE}


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """What a check looks at beside the manifest itself.

    `select` and `ignore` are codes, or how codes begin; empty `select` means all. A manifest is looked at as `overlay`
    changes it. `shop` is there where registries may be asked.
    """

    now: int
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    base: Path | None = None
    overlay: Path | None = None
    allowed_registries: tuple[str, ...] = ()
    allowed_hosts: tuple[str, ...] = ()
    discover: bool = False
    readiness: bool = False
    volume_bytes: int = 0
    shop: Workshop | None = field(default=None)

    def takes(self, code: str) -> bool:
        """Whether findings of this code are wanted. What is no rule's, such as AB-YAML-…, always is."""
        if code not in TITLES:
            return True
        selected = not self.select or any(code.startswith(one) for one in self.select)
        return selected and not any(code.startswith(one) for one in self.ignore)


def check_file(path: Path, wanted: Wanted) -> tuple[Finding, ...]:
    """The findings for a file; `DocumentError` where it is neither manifest nor overlay."""
    document = load_manifest_or_overlay(path)
    comments = _comments(path)
    if isinstance(document, Overlay):
        found = check_overlay(document)
    else:
        project = open_project(path, wanted.overlay)
        found = run_rules(_context(project, wanted))
        if wanted.overlay is not None:
            comments += _comments(wanted.overlay)
    chosen = [finding for finding in found if wanted.takes(finding.code)]
    # A comment about a rule that was not asked for is no mistake.
    comments = tuple(one for one in comments if not one.codes or any(wanted.takes(code) for code in one.codes))
    left, _ = suppression.apply(chosen, comments, TITLES)
    return tuple(finding for finding in left if wanted.takes(finding.code) and not _needs_more(finding, wanted))


def fix_file(path: Path) -> list[str]:
    """Mend what can be mended without changing what the manifest means; a sentence for each change."""
    raw = read_document(path)
    document = load_manifest_or_overlay(path)
    if not isinstance(document, Manifest):
        return []
    text, done = mending.mend(raw.decode("utf-8"), document)
    # What was mended has to mean what it meant, duplicates aside.
    parse_manifest(text.encode(), str(path))
    if done:
        path.write_bytes(text.encode())
    return done


def check_codes(codes: Iterable[str]) -> None:
    """`UsageError` for a code that no rule has."""
    for code in codes:
        if not code or not any(known.startswith(code) for known in TITLES):
            raise UsageError(
                "AB-USAGE-RULE", f"{code!r} is no rule", hint="rules are AGM001 and so on; AGM alone means all"
            )


def _comments(path: Path) -> tuple[suppression.Suppression, ...]:
    text = read_document(path).decode("utf-8").replace("\r\n", "\n")
    return suppression.suppressions(text, str(path))


def _needs_more(finding: Finding, wanted: Wanted) -> bool:
    """A suppression of what only a wider check finds is no mistake of this narrower one."""
    wide = ("AGM018", "AGM019", "AGM020", "AGM022", "AGM023", "AGM03")
    full = wanted.shop is not None and wanted.discover and wanted.readiness and wanted.base is not None
    return finding.code == suppression.CODE and not full and any(code in finding.message for code in wide)


def _context(project: Project, wanted: Wanted) -> Context:
    manifest = project.manifest
    context = Context(
        manifest=manifest,
        lock=project.lock,
        now=wanted.now,
        overlay=str(wanted.overlay or ""),
        base=load_manifest(wanted.base) if wanted.base is not None else None,
        allowed_registries=wanted.allowed_registries,
        volume_bytes=wanted.volume_bytes,
    )
    if wanted.discover or wanted.readiness:
        context = with_discovery(
            context,
            images=wanted.discover,
            readiness=wanted.readiness,
            allowed_hosts=wanted.allowed_hosts,
            sources=wanted.shop.sources if wanted.shop is not None else None,
        )
    if wanted.shop is not None:
        from airgap_bundle.connected.check_online import answers, total_bytes  # noqa: PLC0415 - HTTP, without a network

        context = replace(context, answers=answers(manifest, wanted.shop))
        if wanted.volume_bytes and project.lock is not None:
            wanted.shop.sources.directory = manifest.directory
            context = replace(context, total_bytes=total_bytes(project.lock, wanted.shop))
    return context


def invalid(error: DocumentError, path: Path) -> Sequence[Finding]:
    """What makes a file no manifest, as findings."""
    if error.findings:
        return error.findings
    return [
        Finding(
            code=error.code,
            severity=Severity.ERROR,
            message=error.message,
            place=Place(file=str(path)),
            hint=error.hint,
        )
    ]
