"""Bills of materials as CycloneDX 1.6, judged by the official schema."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest
from support.bills import BILL, HOSTILE, IMAGE, NASTY, PARTS

from airgap_bundle.output.cyclonedx import render

if TYPE_CHECKING:
    from airgap_bundle.output.bill import Bill


def read(bill: Bill) -> dict[str, Any]:
    return dict(json.loads(render(bill)))


@pytest.mark.parametrize("bill", [BILL, HOSTILE], ids=["usual", "hostile"])
def test_it_is_valid_by_the_official_schema(bill: Bill) -> None:
    validation = pytest.importorskip("cyclonedx.validation.json")
    from cyclonedx.schema import SchemaVersion  # noqa: PLC0415 - where it is installed

    validator = validation.JsonStrictValidator(SchemaVersion.V1_6)
    assert validator.validate_str(render(bill)) is None


def test_each_part_is_a_component_with_its_digest_and_package_url() -> None:
    document = read(BILL)
    assert (document["bomFormat"], document["specVersion"], document["version"]) == ("CycloneDX", "1.6", 1)
    components = document["components"]
    kinds = ["container", "data", "data", "application", "data", "file"]
    assert [component["type"] for component in components] == kinds
    for component, part in zip(components, PARTS, strict=True):
        assert component["hashes"] == [{"alg": "SHA-256", "content": part.digest.encoded}]
        assert part.digest in unquote(component["purl"])
    assert components[0]["name"] == "docker.io/library/redis"
    assert components[0]["version"] == "7.2.4"
    assert components[0]["purl"] == (
        f"pkg:oci/redis@sha256%3A{IMAGE.digest.encoded}?repository_url=docker.io/library/redis&tag=7.2.4"
    )
    assert components[5]["purl"] == f"pkg:generic/plane.lic?checksum=sha256%3A{PARTS[5].digest.encoded}"


def test_the_bundle_depends_on_every_part_and_names_are_unique() -> None:
    document = read(HOSTILE)
    names = [component["bom-ref"] for component in document["components"]]
    assert len(set(names)) == len(names)
    assert document["dependencies"] == [{"ref": "bundle", "dependsOn": names}]


def test_what_was_checked_upstream_and_that_the_bundle_is_unverified_stand_in_it() -> None:
    document = read(BILL)
    properties = {entry["name"]: entry["value"] for entry in document["components"][0]["properties"]}
    assert json.loads(properties["airgap-bundle:upstream"]) == dict(IMAGE.verdicts[0])
    bundle = {entry["name"]: entry["value"] for entry in document["metadata"]["component"]["properties"]}
    assert bundle == {"airgap-bundle:bundleId": BILL.bundle_id, "airgap-bundle:verified": "false"}


def test_it_is_the_same_every_time_and_another_for_another_bundle() -> None:
    assert render(BILL) == render(BILL)
    assert read(BILL)["metadata"]["timestamp"] == "2026-03-01T12:00:00Z"
    assert read(BILL)["serialNumber"] == f"urn:uuid:{BILL.serial}"


def test_texts_from_outside_stay_texts() -> None:
    text = render(HOSTILE)
    assert text.isascii()
    assert all(character.isprintable() or character == "\n" for character in text)
    assert NASTY in [component["name"] for component in json.loads(text)["components"]]
