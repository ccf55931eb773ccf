"""Bills of materials as SPDX 2.3, judged by the reference implementation's validator."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from support.bills import BILL, HOSTILE, IMAGE, NASTY, PARTS

from airgap_bundle.output.spdx import render

if TYPE_CHECKING:
    from pathlib import Path

    from airgap_bundle.output.bill import Bill


def read(bill: Bill) -> dict[str, Any]:
    return dict(json.loads(render(bill)))


@pytest.mark.filterwarnings("ignore")  # of the validator's own libraries
@pytest.mark.parametrize("bill", [BILL, HOSTILE], ids=["usual", "hostile"])
def test_it_is_valid_by_the_reference_validator(bill: Bill, tmp_path: Path) -> None:
    parse_anything = pytest.importorskip("spdx_tools.spdx.parser.parse_anything")
    from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document  # noqa: PLC0415 - see above

    file = tmp_path / "bundle.spdx.json"
    file.write_text(render(bill))
    document = parse_anything.parse_file(str(file))
    assert [message.validation_message for message in validate_full_spdx_document(document, "SPDX-2.3")] == []
    assert len(document.packages) == len(bill.parts) + 1


def test_each_part_is_a_package_with_its_digest_and_package_url() -> None:
    document = read(BILL)
    assert (document["spdxVersion"], document["dataLicense"]) == ("SPDX-2.3", "CC0-1.0")
    bundle, *packages = document["packages"]
    assert (bundle["name"], bundle["versionInfo"]) == ("plane", "1.7.0")
    assert bundle["comment"] == f"the bundle {BILL.bundle_id}, not verified"
    purposes = ["CONTAINER", "OTHER", "OTHER", "APPLICATION", "OTHER", "FILE"]
    assert [package["primaryPackagePurpose"] for package in packages] == purposes
    for package, part in zip(packages, PARTS, strict=True):
        assert package["checksums"] == [{"algorithm": "SHA256", "checksumValue": part.digest.encoded}]
        assert package["externalRefs"][0]["referenceLocator"] == part.purl


def test_the_bundle_contains_each_part_and_what_is_attached_is_about_its_subject() -> None:
    document = read(BILL)
    triples = {
        (each["spdxElementId"], each["relationshipType"], each["relatedSpdxElement"])
        for each in document["relationships"]
    }
    contained = {("SPDXRef-bundle", "CONTAINS", f"SPDXRef-part-{number}") for number in range(1, 7)}
    others = {
        ("SPDXRef-DOCUMENT", "DESCRIBES", "SPDXRef-bundle"),
        ("SPDXRef-part-2", "METAFILE_OF", "SPDXRef-part-1"),
    }
    assert triples == contained | others


def test_what_was_checked_upstream_stands_in_it() -> None:
    (annotation,) = read(BILL)["packages"][1]["annotations"]
    assert json.loads(annotation["comment"].removeprefix("upstream signature: ")) == dict(IMAGE.verdicts[0])


def test_it_is_the_same_every_time_and_has_a_namespace_of_its_own() -> None:
    assert render(BILL) == render(BILL)
    assert read(BILL)["documentNamespace"] == f"urn:uuid:{BILL.serial}"
    assert read(BILL)["creationInfo"]["created"] == "2026-03-01T12:00:00Z"


def test_texts_from_outside_stay_texts() -> None:
    text = render(HOSTILE)
    assert text.isascii()
    assert all(character.isprintable() or character == "\n" for character in text)
    assert NASTY in [package["name"] for package in json.loads(text)["packages"]]
