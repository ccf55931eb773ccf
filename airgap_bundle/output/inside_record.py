"""What stands inside for programs: the document of `report --format json`. Lists are whole here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airgap_bundle.core.moments import moment_text

if TYPE_CHECKING:
    from datetime import datetime

    from airgap_bundle.core.inside_report import Change, DriftCheck, Import, InsideReport, Place, Store, Trail


def inside_record(report: InsideReport) -> dict[str, Any]:
    """The document, in the shape of version 1."""
    return {
        "version": 1,
        "made": moment_text(report.made),
        "tool": report.tool,
        "places": [_place(one) for one in report.places],
        "imports": [_import(one) for one in report.imports],
        "hasEarlierImports": report.has_more,
        "months": [{"month": one.month, "imports": one.imports, "bytesSent": one.bytes_sent} for one in report.months],
        "unfinished": [
            {
                "kind": one.kind,
                "product": one.product,
                "destination": one.destination,
                "receipt": one.receipt,
                "started": moment_text(one.started),
                "worker": one.worker or None,
                "tags": one.tags,
            }
            for one in report.unfinished
        ],
        "audit": _trail(report.trail) if report.trail is not None else None,
        "policyVersion": report.policy_version,
        "endings": [
            {
                "kind": one.what.value,
                "name": one.name,
                "at": moment_text(one.at),
                "destination": one.destination or None,
            }
            for one in report.endings
        ],
        "drift": [_drift(one) for one in report.drift],
        "logins": [
            {
                "name": one.name,
                "state": one.state,
                "scopes": list(one.scopes),
                "made": moment_text(one.made),
                "until": moment_text(one.until),
                "lastUsed": _moment(one.last_used),
                "note": one.note,
            }
            for one in report.logins
        ],
        "store": _store(report.store) if report.store is not None else None,
        "problems": list(report.problems),
    }


def _import(one: Import) -> dict[str, Any]:
    return {
        "receipt": one.receipt,
        "product": one.product,
        "release": one.release,
        "destination": one.destination,
        "bundleId": one.bundle,
        "sequence": one.sequence,
        "created": moment_text(one.created),
        "expires": _moment(one.expires),
        "finished": moment_text(one.finished),
        "standing": one.standing.value,
        "signatures": [
            {"signer": by.signer, "method": by.method, "key": by.key, "roles": list(by.roles)} for by in one.signatures
        ],
        "items": one.items,
        "bytes": one.bytes,
        "bytesSent": one.bytes_sent,
        "policyVersion": one.policy_version,
        "published": _moment(one.published),
        "approvals": list(one.approvals),
        "promotedFrom": one.promoted_from or None,
        "overrides": [{"option": option, "reason": reason} for option, reason in one.overrides],
    }


def _place(one: Place) -> dict[str, Any]:
    return {
        "product": one.product,
        "destination": one.destination,
        "current": _import(one.current) if one.current is not None else None,
        "items": [
            {
                "kind": item.kind,
                "source": item.source,
                "path": item.path,
                "tag": item.tag or None,
                "digest": item.digest,
                "attached": item.attached,
            }
            for item in one.items
        ],
        "hosts": [{"host": host, "items": count} for host, count in one.hosts],
        "waiting": [_import(waiting) for waiting in one.waiting],
        "change": _change(one.change) if one.change is not None else None,
    }


def _change(one: Change) -> dict[str, Any]:
    return {
        "before": one.before.receipt,
        "after": one.after.receipt,
        "same": one.same,
        "changed": [
            {"path": item.path, "before": item.before or None, "after": item.after or None} for item in one.changed
        ],
    }


def _trail(one: Trail) -> dict[str, Any]:
    return {
        "whole": not one.problems,
        "problems": list(one.problems),
        "records": one.records,
        "last": _moment(one.last),
        "refused": one.refused,
        "stopped": one.stopped,
        "tokensRefused": one.tokens_refused,
        "refusals": [
            {
                "record": refusal.number,
                "at": moment_text(refusal.at),
                "event": refusal.event,
                "product": refusal.product or None,
                "destination": refusal.destination or None,
                "code": refusal.code or None,
                "reason": refusal.reason,
            }
            for refusal in one.refusals
        ],
    }


def _drift(one: DriftCheck) -> dict[str, Any]:
    return {
        "destination": one.destination,
        "products": list(one.products),
        "at": moment_text(one.at),
        "deep": one.deep,
        "count": one.count,
        "found": [
            {
                "repository": thing.repository,
                "kind": thing.kind,
                "name": thing.name,
                "expected": thing.expected,
                "found": thing.found,
            }
            for thing in one.found
        ],
    }


def _store(one: Store) -> dict[str, Any]:
    return {
        "repositories": one.count,
        "listed": [
            {"name": item.name, "tags": list(item.tags), "tagCount": item.tag_count} for item in one.repositories
        ],
        "freeBytes": one.free_bytes,
    }


def _moment(moment: datetime | None) -> str | None:
    return moment_text(moment) if moment is not None else None
