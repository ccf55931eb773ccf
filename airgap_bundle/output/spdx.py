"""A bill of materials as SPDX 2.3 JSON. Pure, and the same for the same bundle.

Everything is a package, files too: an SPDX file needs a SHA-1, which a bundle does not hold.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airgap_bundle.output.bill import TOOL, encode, numbered

if TYPE_CHECKING:
    from airgap_bundle.output.bill import Bill, Part

_PURPOSES = {"image": "CONTAINER", "chart": "APPLICATION", "artifact": "OTHER", "attached": "OTHER", "file": "FILE"}
_DOCUMENT = "SPDXRef-DOCUMENT"
_BUNDLE = "SPDXRef-bundle"


def render(bill: Bill) -> str:
    """The document, with a package for the bundle and for each part."""
    parts = numbered(bill.parts)
    tool = f"Tool: {TOOL}-{bill.tool_version}"
    state = "verified" if bill.verified else "not verified"
    bundle = {
        "SPDXID": _BUNDLE,
        "name": bill.name,
        "versionInfo": bill.version,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        "primaryPackagePurpose": "APPLICATION",
        "comment": f"the bundle {bill.bundle_id}, {state}",
    }
    return encode(
        {
            "spdxVersion": "SPDX-2.3",
            "dataLicense": "CC0-1.0",
            "SPDXID": _DOCUMENT,
            "name": f"{bill.name}-{bill.version}",
            "documentNamespace": f"urn:uuid:{bill.serial}",
            "creationInfo": {"created": bill.moment, "creators": [tool]},
            "packages": [bundle, *(_package(name, part, bill.moment, tool) for name, part in parts)],
            "relationships": _relationships(parts),
        }
    )


def _package(name: str, part: Part, moment: str, tool: str) -> dict[str, Any]:
    package: dict[str, Any] = {
        "SPDXID": _id(name),
        "name": part.name,
        "versionInfo": part.version or part.digest,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        "primaryPackagePurpose": _PURPOSES[part.kind],
        "checksums": [{"algorithm": "SHA256", "checksumValue": part.digest.encoded}],
        "externalRefs": [
            {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": part.purl}
        ],
        "comment": "; ".join(f"{key}: {', '.join(texts)}" for key, texts in part.notes.items() if texts),
    }
    if part.verdicts:
        package["annotations"] = [
            {
                "annotationDate": moment,
                "annotationType": "REVIEW",
                "annotator": tool,
                "comment": f"upstream signature: {text}",
            }
            for text in part.notes["upstream"]
        ]
    if part.kind == "file":
        package["packageFileName"] = part.path
    return package


def _relationships(parts: list[tuple[str, Part]]) -> list[dict[str, str]]:
    """The bundle contains every part; what is attached is about another, where that is a part itself."""
    # The first of several names for one content stands for it.
    named = {part.digest: name for name, part in reversed(parts)}
    triples = [(_DOCUMENT, "DESCRIBES", _BUNDLE)]
    triples += [(_BUNDLE, "CONTAINS", _id(name)) for name, _ in parts]
    triples += [
        (_id(name), "METAFILE_OF", _id(named[part.subject]))
        for name, part in parts
        if part.subject is not None and part.subject in named
    ]
    return [
        {"spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other} for one, kind, other in triples
    ]


def _id(name: str) -> str:
    return f"SPDXRef-{name}"
