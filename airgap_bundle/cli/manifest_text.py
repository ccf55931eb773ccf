"""What `airgap-manifest` says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.cli.failures import source_line
from airgap_bundle.core.text import count_text
from airgap_bundle.output.records import finding_record

if TYPE_CHECKING:
    from airgap_bundle.connected.project import Project
    from airgap_bundle.manifest.locked import Lock
    from airgap_bundle.output.terminal import Terminal

_FINDINGS_STATUS = 1


def show_staleness(project: Project, terminal: Terminal) -> int:
    """Whether the lock fits; 1 where it does not, or is missing."""
    findings = project.staleness()
    fits = project.lock is not None and not findings
    if terminal.json:
        terminal.emit(
            {
                "version": 1,
                "lock": str(project.lock_path),
                "exists": project.lock is not None,
                "fits": fits,
                "findings": [finding_record(one) for one in findings],
            }
        )
    elif project.lock is None:
        terminal.show(f"{project.lock_path} does not exist; make it with {project.lock_command}")
    elif findings:
        terminal.show_findings(findings, source_line)
    else:
        terminal.say(f"{project.lock_path} fits {project.path}")
    return 0 if fits else _FINDINGS_STATUS


def show_lock(project: Project, lock: Lock, terminal: Terminal, *, changed: bool) -> None:
    """What was locked."""
    if terminal.json:
        terminal.emit(
            {
                "version": 1,
                "lock": str(project.lock_path),
                "changed": changed,
                "sequence": lock.sequence,
                "items": [
                    {
                        "kind": item.kind,
                        "source": item.source,
                        "digest": item.digest,
                        "attached": len(item.attached),
                        "platforms": [str(entry.platform) for entry in item.platforms],
                    }
                    for item in lock.items
                ],
            }
        )
        return
    attached = sum(len(item.attached) for item in lock.items)
    what = count_text(len(lock.items), "item") + (f" with {count_text(attached, 'attachment')}" if attached else "")
    lead = f"Wrote {project.lock_path}" if changed else f"{project.lock_path} stays as it is"
    terminal.show(f"{lead}: {what}, sequence {lock.sequence}")
