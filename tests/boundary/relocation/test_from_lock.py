"""What the lock in a bundle says of names, on its way into the receipt."""

from __future__ import annotations

import pytest
from support.receipts import item

from airgap_bundle.boundary.receipts.services import Service
from airgap_bundle.boundary.relocation.from_lock import named_in, names_of, with_names
from airgap_bundle.core.content import Digest
from airgap_bundle.manifest.lock import dump_lock
from airgap_bundle.manifest.locked import Lock, LockedDiscovery, LockedItem
from airgap_bundle.manifest.settings import Form, Setting

REDIS = "docker.io/library/redis:7"
OCI = "application/vnd.oci.image.manifest.v1+json"


def locked(*found: str) -> bytes:
    image = LockedItem(
        kind="image",
        source=REDIS,
        path="docker.io/library/redis",
        digest=Digest.of(b"x"),
        media_type=OCI,
        size=1,
        images=tuple(LockedDiscovery(image=REDIS, found=one) for one in found),
    )
    made = Lock(name="a", version="1", created=1, sequence=1, manifest_digest=Digest.of(b"m"), items=(image,))
    return dump_lock(made)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ("deploy/compose.yaml:3:5 (services.web)", {("deploy/compose.yaml", "web")}),
        ("compose.yaml:3 (services.a.b), with the profile x", {("compose.yaml", "a.b")}),
        ("compose.yaml (services.web-2)", {("compose.yaml", "web-2")}),
        ("deploy/pod.yaml:7:1 (spec.containers[0].image)", set()),
        ("x.yaml:7:1 (services.we b)", set()),
        ("x.yaml:7:1 (services.)", set()),
        ("x.yaml:7:1 (services.web) and more", set()),
    ],
)
def test_services_are_read_from_the_places_where_they_were_found(found: str, expected: set[tuple[str, str]]) -> None:
    named = named_in(locked(found))
    services = named["image", REDIS].services if named else ()
    assert {(one.file, one.name) for one in services} == expected


@pytest.mark.parametrize(
    "raw", [b"", b"\xff", b"items:\n  - kind: chart\n    settings:\n      - {", b"\nitems:\n  - kind: x (services.y)\n"]
)
def test_a_lock_that_cannot_be_read_says_nothing_and_stops_nothing(raw: bytes) -> None:
    assert named_in(raw) == {}


def test_names_go_along_when_a_receipt_is_made_from_another() -> None:
    setting = Setting(at="/image", form=Form.NAME, text=REDIS)
    chart = item(kind="chart", source="./x.tgz", path="charts/x", settings=(setting,))
    image = item(services=(Service(file="compose.yaml", name="web"),))
    bare = (item(kind="chart", source="./x.tgz", path="charts/x"), item(), item("other"))
    assert with_names(bare, names_of([chart, image])) == (chart, image, item("other"))
