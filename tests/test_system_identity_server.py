"""An identity server, as its guide says: staging, then production; keys in time; a patch in a hurry; a brief link."""

from __future__ import annotations

import datetime as dt
import json
import re
from typing import TYPE_CHECKING

import pytest
from jwt import PyJWKSet
from support.charts import chart_files, deployment, needs_helm
from support.delta import inventory_of
from support.range_server import Fault, RangeServer
from support.registries import embedded_registry
from support.scripted_server import answer
from support.systems import MANIFESTS, System, system_on_its_way

from airgap_bundle.discovery.archive import pack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from airgap_bundle.registry.server import RegistryServer

CHARTS = "https://fusionauth.github.io/charts"
OTHERS = (
    "docker.io/library/busybox:1.36.1",
    "docker.io/library/postgres:16.0-bookworm",
    "docker.io/opensearchproject/opensearch:2.11.0",
)
BOTH = ("--sign", "gpg:release@identity.example", "--sign", "gpg:security@identity.example")
# What of the real chart matters here: the same keys for its images, and values that it will not go without.
VALUES = """\
image: {registry: "", repository: docker.io/fusionauth/fusionauth-app, tag: VERSION}
initContainers: {image: {registry: "", repository: docker.io/library/busybox, tag: 1.36.1}}
database: {host: "", dbUser: {username: "", existingSecret: {enabled: false, name: ""}}}
search: {engine: elasticsearch, host: ""}
"""
TEMPLATE = deployment(
    "fusionauth",
    '"{{ .Values.image.repository }}:{{ .Values.image.tag }}"',
    '          env: [{name: DATABASE_URL, value: {{ required "database.host is required" .Values.database.host }}}]\n'
    "      initContainers:\n        - name: wait-for-db\n"
    '          image: "{{ .Values.initContainers.image.repository }}:{{ .Values.initContainers.image.tag }}"\n',
)

pytestmark = needs_helm


def app(version: str) -> str:
    return f"docker.io/fusionauth/fusionauth-app:{version}"


def put_version(identity: System, version: str, *, size: int = 200_000) -> None:
    """The chart has the version of the application."""
    files = chart_files({"deployment.yaml": TEMPLATE}, VALUES.replace("VERSION", version), name="fusionauth")
    files["Chart.yaml"] = files["Chart.yaml"].replace(b"version: 1.0.0", f"version: {version}".encode())
    identity.put_chart(CHARTS, "fusionauth", version, pack(files, "fusionauth"))
    identity.put_images(app(version), size=size)


@pytest.fixture
def staging(tmp_path: Path) -> Iterator[RegistryServer]:
    with embedded_registry(tmp_path / "staging") as server:
        yield server


@pytest.fixture
def identity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, staging: RegistryServer) -> Iterator[System]:
    with system_on_its_way("identity-server", tmp_path, monkeypatch) as made:
        put_version(made, "1.68.0")
        made.put_images(*OTHERS, size=200_000)
        made.people(
            release="release@identity.example", security="security@identity.example", officer="officer@identity.example"
        )
        made.walk.places["staging.internal:5000"] = staging.address
        made.walk.places["RECEIPT"] = lambda: newest(made, staging)
        yield made


def newest(identity: System, staging: RegistryServer) -> str:
    """The id of what is in staging, held or not."""
    said = identity.status()
    found = [each for each in (*said["held"], *said["current"]) if each["destination"] == staging.address]
    return str(found[0]["receipt"])


def test_the_guide_can_be_followed_from_the_first_line_to_the_last(identity: System, staging: RegistryServer) -> None:
    walk = identity.walk
    walk.through("Outside: build and sign")
    assert identity.locked_images() == {app("1.68.0"), *OTHERS}
    walk.through("Inside: once")
    (identity.inside / "scan.json").write_text('{"found": []}')
    walk.through("Staging")
    walk.through("Production")
    for image in (app("1.68.0"), *OTHERS):
        assert identity.inside_digest(image) == identity.images[image].digest
    _, postgres, opensearch = map(identity.pinned, OTHERS)
    assert identity.composed() == {
        "fusionauth": identity.pinned(app("1.68.0")),
        "database": postgres,
        "search": opensearch,
    }
    relocation = identity.inside / "relocation" / "fusionauth.values.yaml"
    chart = identity.web.files["fusionauth.github.io/charts/fusionauth-1.68.0.tgz"]
    values = identity.inside / "site" / "1.68.0" / "values" / "site.yaml"
    # The chart has no place for digests, but its tags take them.
    assert identity.asked_by_chart(chart, values, relocation) == set(map(identity.pinned, (app("1.68.0"), OTHERS[0])))
    assert (identity.inside / "site/1.68.0/notes/rollback.md").is_file()

    keys = rotate_keys(identity)
    identity.edit({"version: 1.68.0\nplatforms": "version: 1.68.0-keys2\nplatforms"})
    walk.through("Rotation of the key set")
    assert json.loads((identity.inside / "site/keys2/jwks/identity.jwks.json").read_text())["keys"] == keys
    # A delta of the file, beside what documents and signatures need in any bundle.
    assert (identity.stick / "keys2.tar").stat().st_size < 1_300_000

    put_version(identity, "1.68.1")
    identity.edit({"1.68.0-keys2": "1.68.1", "version: 1.68.0": "version: 1.68.1", "1.68.0": "1.68.1"})
    walk.through("A critical patch, in a hurry")
    assert identity.inside_digest(app("1.68.1")) == identity.images[app("1.68.1")].digest
    changed = [name for name in blobs(identity.stick / "patch.tar") if name > 150_000]
    assert len(changed) == 2  # one layer for each platform

    link(identity)
    walk.through("Rollback")
    assert identity.inside_digest(app("1.68.1")) == identity.images[app("1.68.1")].digest
    assert identity.inside_digest(app("1.68.2")) is None
    assert walk.left == set()


def rotate_keys(identity: System) -> list[dict[str, str]]:
    """What is next becomes current, and another one is next."""
    file = identity.outside / "jwks" / "identity.jwks.json"
    current, following = json.loads(file.read_text())["keys"]
    keys = [{**following, "kid": "current"}, {**current, "kid": "next"}]
    file.write_text(json.dumps({"keys": keys}))
    return keys


def blobs(bundle: Path) -> list[int]:
    """The sizes of what a bundle holds."""
    return [blob.size for blob in inventory_of(bundle).blobs]


def link(identity: System) -> None:
    """The guide's push over a link that is cut off once, in the middle."""
    put_version(identity, "1.68.2")
    identity.put_images("docker.io/library/postgres:16.1-bookworm", size=200_000)
    identity.edit({"1.68.1": "1.68.2", "16.0-bookworm": "16.1-bookworm"})
    bundle = identity.outside / "identity-server.tar"
    identity.run("airgap-manifest", "lock", identity.manifest)
    identity.run("airgap-export", "build", identity.manifest, "-o", bundle, *BOTH)
    with RangeServer(data=bundle.read_bytes()) as drop:
        identity.walk.places["https://drop.example.com/identity-server.tar"] = drop.url
        drop.faults = {number: Fault(reply=answer(404)) for number in range(4, 100)}
        # One after another, so that what was answered is in the registry when the link ends.
        identity.run("airgap-import", "push", drop.url, identity.trip.inner.address, "--jobs", 1, status=5)
        assert identity.inside_digest(app("1.68.2")) is None
        first = set(drop.ranges[:3])
        before, drop.faults = drop.count, {}
        identity.walk.through("A ship with a brief link")
        head, *second = drop.ranges[before:]
        # Only the head was read twice.
        assert head in first
        assert second
        assert not first & set(second)
    assert identity.inside_digest(app("1.68.2")) == identity.images[app("1.68.2")].digest


@pytest.mark.parametrize("how", [BOTH[:2], BOTH[2:]])
def test_a_patch_in_a_hurry_needs_both_all_the_same(identity: System, how: tuple[str, ...]) -> None:
    identity.walk.through("Inside: once")
    bundle = identity.outside / "identity-server.tar"
    identity.run("airgap-export", "build", identity.manifest, "-o", bundle, *how)
    identity.run("airgap-import", "push", bundle, identity.trip.inner.address, status=3)
    assert identity.trip.inner_tags() == {}


def test_a_key_set_near_its_end_is_told_outside_and_inside(identity: System) -> None:
    identity.walk.through("Inside: once")
    identity.run("airgap-manifest", "lock", identity.manifest)
    identity.run("airgap-manifest", "check", "--strict", identity.manifest)
    lock = identity.manifest.with_suffix(".lock.yaml")
    then = dt.datetime.now(dt.UTC) - dt.timedelta(days=54)
    text = lock.read_text()
    for key, moment in {"created": then, "expires": then + dt.timedelta(days=60)}.items():
        text = re.sub(f"^{key}: .*$", f"{key}: '{moment:%Y-%m-%dT%H:%M:%SZ}'", text, flags=re.MULTILINE)
    lock.write_text(text)
    said = identity.run("airgap-manifest", "check", "--strict", identity.manifest, status=1)
    assert "AGM010" in said.text
    bundle = identity.outside / "identity-server.tar"
    identity.run("airgap-export", "build", identity.manifest, "-o", bundle, *BOTH)
    identity.run("airgap-import", "push", bundle, identity.trip.inner.address)
    identity.run("airgap-import", "report", "-o", identity.inside / "report.html")
    assert re.search(r"expires in [56] days", (identity.inside / "report.html").read_text())
    # The lock gets a new end, and so does the next bundle.
    identity.run("airgap-manifest", "lock", identity.manifest)
    identity.run("airgap-manifest", "check", "--strict", identity.manifest)


def test_the_key_set_of_the_system_is_one() -> None:
    document = json.loads((MANIFESTS / "identity-server" / "jwks" / "identity.jwks.json").read_text())
    found = PyJWKSet.from_dict(document).keys
    assert len(found) >= 2
    assert len({key.key_id for key in found}) == len(found)
    # Public keys alone.
    assert all("d" not in key for key in document["keys"])
