"""A bill of materials as CycloneDX 1.6 JSON (ECMA-424, first edition). Pure, and the same for the same bundle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airgap_bundle.output.bill import TOOL, encode, numbered

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airgap_bundle.output.bill import Bill, Part

_TYPES = {"image": "container", "chart": "application", "artifact": "data", "attached": "data", "file": "file"}
_BUNDLE = "bundle"


def render(bill: Bill) -> str:
    """The document, with a component for each part."""
    parts = numbered(bill.parts)
    return encode(
        {
            "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
            "bomFormat": "CycloneDX",
            "specVersion": "1.6",
            "serialNumber": f"urn:uuid:{bill.serial}",
            "version": 1,
            "metadata": {
                "timestamp": bill.moment,
                "tools": {"components": [{"type": "application", "name": TOOL, "version": bill.tool_version}]},
                "component": {
                    "type": "application",
                    "bom-ref": _BUNDLE,
                    "name": bill.name,
                    "version": bill.version,
                    "properties": _properties(bill.notes),
                },
            },
            "components": [_component(name, part) for name, part in parts],
            "dependencies": [{"ref": _BUNDLE, "dependsOn": [name for name, _ in parts]}],
        }
    )


def _component(name: str, part: Part) -> dict[str, Any]:
    return {
        "type": _TYPES[part.kind],
        "bom-ref": name,
        "name": part.name,
        "version": part.version or part.digest,
        "hashes": [{"alg": "SHA-256", "content": part.digest.encoded}],
        "purl": part.purl,
        "properties": _properties(part.notes),
    }


def _properties(notes: Mapping[str, Sequence[str]]) -> list[dict[str, str]]:
    return [{"name": f"{TOOL}:{name}", "value": text} for name, texts in notes.items() for text in texts]
