"""A project tracker, as its guide says: its chart and the charts around it, packages, an update and the way back."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

import pytest
import yaml
from support.charts import chart_files, deployment, needs_helm
from support.images import helm_chart, multi_arch_image
from support.systems import MANIFESTS, System, system_on_its_way

from airgap_bundle.discovery.archive import pack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PLANE = ("admin", "backend", "frontend", "live", "space")
SERVICES = (
    "docker.io/library/busybox:1.36.1",
    "docker.io/library/postgres:15.7-alpine",
    "docker.io/library/rabbitmq:3.13.6-management-alpine",
    "docker.io/minio/mc:RELEASE.2024-11-05T11-29-45Z",
    "docker.io/minio/minio:RELEASE.2024-11-07T00-52-20Z",
    "docker.io/valkey/valkey:7.2.11-alpine",
)
CLUSTER = (
    *(
        f"quay.io/jetstack/cert-manager-{name}:v1.18.2"
        for name in ("acmesolver", "cainjector", "controller", "startupapicheck", "webhook")
    ),
    "registry.k8s.io/metrics-server/metrics-server:v0.8.0",
)
# Pinned by the chart, so by a digest that no stand-in has.
PINNED = {
    "registry.k8s.io/ingress-nginx/controller:v1.15.1": "sha256:594ceea76b01",
    "registry.k8s.io/ingress-nginx/kube-webhook-certgen:v1.6.9": "sha256:01038e7de14b",
}
CHARTS = {
    "helm.plane.so/plane-ce": "1.7.0",
    "quay.io/jetstack/charts/cert-manager": "v1.18.2",
    "kubernetes.github.io/ingress-nginx/ingress-nginx": "4.15.1",
    "kubernetes-sigs.github.io/metrics-server/metrics-server": "3.13.0",
}
# What of the real chart matters here: where its images come from.
VALUES = """\
planeVersion: v0
ingress: {enabled: true, appHost: plane.example.com}
redis: {local_setup: true, image: valkey/valkey:7.2.11-alpine}
postgres: {local_setup: true, image: postgres:15.7-alpine}
rabbitmq: {local_setup: true, image: rabbitmq:3.13.6-management-alpine}
minio: {local_setup: true, image: minio/minio:latest, image_mc: minio/mc:latest, init_image: busybox}
web: {image: artifacts.plane.so/makeplane/plane-frontend}
space: {image: artifacts.plane.so/makeplane/plane-space}
admin: {image: artifacts.plane.so/makeplane/plane-admin}
live: {image: artifacts.plane.so/makeplane/plane-live}
api: {image: artifacts.plane.so/makeplane/plane-backend}
worker: {image: artifacts.plane.so/makeplane/plane-backend}
"""
TEMPLATES = {
    **{
        f"{name}.deployment.yaml": deployment(
            name, f'{{{{ .Values.{name}.image | default "x" }}}}:{{{{ .Values.planeVersion }}}}'
        )
        for name in ("web", "space", "admin", "live", "api", "worker")
    },
    **{
        f"{name}.stateful.yaml": f"{{{{- if .Values.{name}.local_setup }}}}\n"
        + deployment(name, f"{{{{ .Values.{name}.image }}}}")
        + "{{- end }}\n"
        for name in ("redis", "postgres", "rabbitmq")
    },
    "minio.stateful.yaml": deployment("minio", "{{ .Values.minio.image }}")
    + "      initContainers:\n"
    + '        - {name: init, image: {{ .Values.minio.init_image | default "busybox" }}}\n'
    + "        - {name: mc, image: {{ .Values.minio.image_mc }}}\n",
}

pytestmark = needs_helm


def plane(version: str) -> set[str]:
    return {f"artifacts.plane.so/makeplane/plane-{name}:{version}" for name in PLANE}


def put_version(tracker: System, chart: str, version: str) -> None:
    files = chart_files(TEMPLATES, VALUES, name="plane-ce")
    files["Chart.yaml"] = files["Chart.yaml"].replace(b"version: 1.0.0", f"version: {chart}".encode())
    tracker.put_chart("https://helm.plane.so", "plane-ce", chart, pack(files, "plane-ce"))
    tracker.put_images(*sorted(plane(version)))


@pytest.fixture
def tracker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[System]:
    with system_on_its_way("project-tracker", tmp_path, monkeypatch) as made:
        put_version(made, "1.7.0", "v1.4.1")
        made.put_images(*SERVICES, *CLUSTER)
        for reference in PINNED:
            made.put_content(reference, multi_arch_image(reference, ("linux/amd64", "linux/s390x")))
        made.put_content("quay.io/jetstack/charts/cert-manager:v1.18.2", helm_chart("cert-manager", "v1.18.2"))
        for name, version in (("ingress-nginx", "4.15.1"), ("metrics-server", "3.13.0")):
            files = chart_files({}, name=name)
            files["Chart.yaml"] = files["Chart.yaml"].replace(b"version: 1.0.0", f"version: {version}".encode())
            host = "kubernetes" if name == "ingress-nginx" else "kubernetes-sigs"
            made.put_chart(f"https://{host}.github.io/{name}", name, version, pack(files, name))
        pin(made)
        made.people(
            **{name: f"{name}@tracker.example" for name in ("release", "review", "release-2")},
        )
        yield made


def pin(tracker: System) -> None:
    """Let the manifest name the digests of the stand-ins."""
    text = tracker.manifest.read_text()
    for reference, start in PINNED.items():
        (digest,) = {word.partition("@")[2] for word in text.split() if f"@{start}" in word}
        tracker.edit({f"{reference}@{digest}": f"{reference}@{tracker.images[reference].digest}"})


def is_inside(tracker: System, *references: str) -> None:
    for reference in references:
        found = tracker.inside_digest(reference)
        assert found is not None, reference


def test_the_guide_can_be_followed_from_the_first_line_to_the_last(tracker: System) -> None:
    walk = tracker.walk
    (tracker.outside / "packages" / "chrony_4.5-1_amd64.deb").write_bytes(b"!<arch>\n" * 500)
    walk.through("Outside: build and sign")
    pinned = {f"{reference}@{tracker.images[reference].digest}" for reference in PINNED}
    assert tracker.locked_images() == plane("v1.4.1") | {*SERVICES, *CLUSTER} | pinned
    walk.through("Inside: once")
    walk.through("Install")
    for reference in (*plane("v1.4.1"), *SERVICES, *CLUSTER, *PINNED):
        assert tracker.inside_digest(reference) == tracker.images[reference].digest, reference
    for chart, version in CHARTS.items():
        assert tracker.inside_digest(f"{chart}:{version}") is not None, chart
    site = tracker.inside / "site" / "1.7.0"
    assert (site / "packages/chrony_4.5-1_amd64.deb").read_bytes() == b"!<arch>\n" * 500
    assert (site / "licences/plane.lic").is_file()
    # Every name that a chart could use leads inside.
    hosts = {reference.partition("/")[0] for reference in tracker.images}
    rules = {path.name: tomllib.loads((path / "hosts.toml").read_text()) for path in certs(tracker)}
    assert hosts <= set(rules)
    assert {rules[host]["server"] for host in hosts} == {f"http://{tracker.trip.inner.address}/v2/{h}" for h in hosts}
    inner = tracker.trip.inner.address
    package = tracker.web.files["helm.plane.so/plane-ce-1.7.0.tgz"]
    asked = tracker.asked_by_chart(
        package, site / "values/plane.yaml", tracker.inside / "relocation/plane-ce.values.yaml"
    )
    assert {name.partition("@")[0] for name in asked} == {f"{inner}/{name}" for name in {*plane("v1.4.1"), *SERVICES}}

    put_version(tracker, "1.8.0", "v1.5.0")
    tracker.edit({"1.7.0": "1.8.0", "v1.4.1": "v1.5.0"})
    walk.through("Update")
    is_inside(tracker, *plane("v1.5.0"), "helm.plane.so/plane-ce:1.8.0")
    assert "v1.5.0" in (tracker.outside / "changes.txt").read_text()
    delta, whole = (tracker.stick / f"project-tracker-{name}.tar" for name in ("1.8.0-delta", "1.7.0"))
    assert delta.stat().st_size < whole.stat().st_size - 1_000_000

    walk.through("Rollback")
    assert tracker.inside_digest("artifacts.plane.so/makeplane/plane-live:v1.5.0") is None
    is_inside(tracker, *plane("v1.4.1"), "helm.plane.so/plane-ce:1.7.0")
    walk.through("Rotation")
    assert walk.left == set()


def test_volumes_are_signed_and_pushed_by_the_first_one(tracker: System) -> None:
    tracker.walk.through("Inside: once")
    bundle = tracker.stick / "project-tracker.tar"
    sign = ("--sign", "gpg:release@tracker.example")
    tracker.run("airgap-export", "build", tracker.manifest, "-o", bundle, "--volume-size", "2MB", *sign)
    assert not bundle.exists()
    first = bundle.with_name("project-tracker.tar.001")
    tracker.run("airgap-import", "push", first, tracker.trip.inner.address, status=3)
    tracker.run("airgap-export", "sign", first, "--sign", "gpg:review@tracker.example")
    tracker.run("airgap-import", "push", first, tracker.trip.inner.address)
    is_inside(tracker, *plane("v1.4.1"))


def certs(tracker: System) -> list[Path]:
    return list((tracker.inside / "relocation" / "certs.d").iterdir())


def test_secrets_stay_inside_and_certificates_come_from_the_site() -> None:
    system = MANIFESTS / "project-tracker"
    values = yaml.safe_load((system / "values" / "plane.yaml").read_text())
    assert all(values["external_secrets"].values())
    assert "env" not in values
    assert values["ssl"] == {"tls_secret_name": "plane-tls", "createIssuer": False, "generateCerts": False}
    issuer, certificate = yaml.safe_load_all((system / "deploy" / "internal-ca.yaml").read_text())
    assert list(issuer["spec"]) == ["ca"]
    assert certificate["spec"]["issuerRef"]["name"] == issuer["metadata"]["name"]
    assert certificate["spec"]["secretName"] == values["ssl"]["tls_secret_name"]
    assert certificate["spec"]["dnsNames"] == [values["ingress"]["appHost"]]
