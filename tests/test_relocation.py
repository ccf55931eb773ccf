"""From an import to clusters: the files of `relocate`, read by those for whom they are made.

Images have the names of registries outside, which are reached through a mirror while the bundle is built. Inside
nothing but the registry on loopback answers for them: whoever still asks outside is seen at the proxy that is given.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest
from support.charts import chart_files, deployment, needs_helm, write_archive
from support.images import multi_arch_image, single_image
from support.tools import containerd, short_directory, tool
from support.trip import Trip, make_trip, run

from airgap_bundle.discovery.archive import read_chart
from airgap_bundle.discovery.chart import make_chart
from airgap_bundle.discovery.plain import plain_values
from airgap_bundle.discovery.rendering import render
from airgap_bundle.discovery.walk import Walk
from airgap_bundle.manifest.looseyaml import parse_stream

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.content import ImageContent
    from support.trip import Said


@pytest.fixture
def trip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trip]:
    with make_trip(tmp_path, monkeypatch) as made:
        yield made


@pytest.fixture
def short() -> Iterator[Path]:
    with short_directory() as path:
        yield path


class Outside:
    """A proxy that lets nobody through and counts who came."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.asked: list[str] = []
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    @property
    def environment(self) -> dict[str, str]:
        url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        return {"HTTP_PROXY": url, "HTTPS_PROXY": url, "NO_PROXY": "127.0.0.1"}

    def _serve(self) -> None:
        while True:
            with contextlib.suppress(OSError):
                connection, _ = self._socket.accept()
                with connection:
                    self.asked.append(connection.recv(2000).decode("latin-1").partition("\r\n")[0])
                    if self.asked[-1] == "end":
                        self.asked.pop()
                        return
                    connection.sendall(b"HTTP/1.1 503 Outside\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    def close(self) -> None:
        with socket.create_connection(self._socket.getsockname()) as connection:
            connection.sendall(b"end\r\n")
        self._thread.join()
        self._socket.close()


@pytest.fixture
def outside() -> Iterator[Outside]:
    made = Outside()
    try:
        yield made
    finally:
        made.close()


def delivered(trip: Trip, *lines: str, push: tuple[str, ...] = (), dest: str = "") -> dict[str, ImageContent]:
    """redis and an app with the names that they have outside, brought in; by name."""
    images = {
        "docker.io/library/redis:7.2": multi_arch_image("redis"),
        "ghcr.io/acme/app:1.0": single_image("app"),
        "ghcr.io/acme/tools/job:2": single_image("job"),
    }
    for name, image in images.items():
        repository, _, tag = name.partition("/")[2].rpartition(":")
        image.push_to(trip.source.registry, repository, tag)
    trip.write_manifest(*(lines or ("images:", *(f"  - {name}" for name in images))))
    mirrors = [part for host in ("docker.io", "ghcr.io") for part in ("--mirror", f"{host}={trip.source.address}")]
    trip.pushed(trip.build("acme.tar", *mirrors), dest, *push)
    return images


def relocated(trip: Trip, *consumers: str, options: tuple[str, ...] = ()) -> Said:
    asked = [part for consumer in consumers for part in ("--for", consumer)]
    said = run("airgap-import", "relocate", *asked, "-o", trip.path / "out", "--state", trip.state, *options)
    assert said.status == 0, said.err
    return said


def ctr_pulls(address: Path, trip: Trip, name: str, outside: Outside, *, fails: bool = False) -> str:
    how = ("--snapshotter", "native", "--platform", "linux/amd64", "--hosts-dir", trip.path / "out" / "certs.d")
    return tool("ctr", "-a", address, "images", "pull", *how, name, fails=fails, environment=outside.environment)


@pytest.mark.tools("ctr", "containerd")
def test_containerd_finds_every_image_inside_and_asks_nobody_else(trip: Trip, short: Path, outside: Outside) -> None:
    images = delivered(trip)
    relocated(trip, "containerd")
    with containerd(short) as address:
        for name in images:
            ctr_pulls(address, trip, name, outside)
        listed = tool("ctr", "-a", address, "images", "ls").splitlines()
        assert {line.split()[0]: line.split()[2] for line in listed[1:]} == {n: i.digest for n, i in images.items()}
        # What did not travel is not there, and is not looked for outside.
        assert "not found" in ctr_pulls(address, trip, "docker.io/library/redis:8", outside, fails=True)
        assert outside.asked == []
        # A host that has no file is: the proxy sees what it should.
        ctr_pulls(address, trip, "quay.io/acme/app:1.0", outside, fails=True)
    assert [line.split()[1] for line in outside.asked[:1]] == ["quay.io:443"]


@pytest.mark.tools("ctr", "containerd")
def test_containerd_finds_images_at_the_root_of_the_registry(trip: Trip, short: Path, outside: Outside) -> None:
    images = delivered(trip, push=("--map", "docker.io/**=**"), dest=trip.inner.address)
    relocated(trip, "containerd")
    with containerd(short) as address:
        for name in images:
            ctr_pulls(address, trip, name, outside)
    assert outside.asked == []


@pytest.mark.tools("ctr", "containerd")
def test_containerd_is_told_of_several_mirrors_and_what_has_no_place_is_named(
    trip: Trip, short: Path, outside: Outside
) -> None:
    maps = ("--map", "ghcr.io/acme/tools/**=other/ghcr.io/acme/tools/**", "--map", "docker.io/library/redis=cache/kv")
    images = delivered(trip, push=maps)
    said = relocated(trip, "containerd")
    assert "no place for containerd: docker.io/library/redis" in said.text
    with containerd(short) as address:
        for name in [name for name in images if "redis" not in name]:
            ctr_pulls(address, trip, name, outside)
    assert outside.asked == []


@pytest.mark.tools("podman")
@pytest.mark.parametrize("mapped", [False, True])
def test_podman_finds_every_image_inside(trip: Trip, short: Path, outside: Outside, *, mapped: bool) -> None:
    maps = ("--map", "docker.io/library/redis=cache/kv", "--map", "ghcr.io/acme/tools/**=tools/**") if mapped else ()
    images = delivered(trip, push=maps)
    relocated(trip, "crio")
    configuration = trip.path / ".config" / "containers"
    configuration.mkdir(parents=True)
    (trip.path / "out" / "registries.conf.d").rename(configuration / "registries.conf.d")
    environment = {**outside.environment, "HOME": str(trip.path)}
    store = ("--storage-driver=vfs", f"--root={short}/root", f"--runroot={short}/run")
    (trip.path / "policy.json").write_text(json.dumps({"default": [{"type": "insecureAcceptAnything"}]}))
    for name in images:
        tool(
            "podman",
            *store,
            "pull",
            "-q",
            "--signature-policy",
            trip.path / "policy.json",
            name,
            environment=environment,
        )
    assert "manifest unknown" in tool(
        "podman",
        *store,
        "pull",
        "-q",
        "--signature-policy",
        trip.path / "policy.json",
        "ghcr.io/acme/app:9",
        fails=True,
        environment=environment,
    )
    assert outside.asked == []


def rendered_images(path: Path, *values: str) -> list[str]:
    """Every image that Helm's output for a chart names."""
    sweep = render(make_chart(read_chart(path)), list(values), only_base=True)
    assert sweep is not None
    assert sweep.trouble == ""
    walk = Walk()
    for rendered in sweep.rendered:
        for document in parse_stream(rendered.text, rendered.template).documents:
            walk.document(document)
    return sorted(spotted.written for spotted in walk.spotted)


VALUES = """\
cache:
  image: redis:7.2
app:
  image: {registry: ghcr.io, repository: acme/app, tag: "1.0", digest: ""}
job:
  image: ghcr.io/acme/tools/job
  version: "2"
extra:
  - {name: one, image: "docker.io/library/redis:7.2", on: true, weight: 1}
"""
TEMPLATES = {
    "cache.yaml": deployment("cache", "{{ .Values.cache.image }}"),
    "app.yaml": deployment(
        "app",
        '"{{ .Values.app.image.registry }}/{{ .Values.app.image.repository }}:{{ .Values.app.image.tag }}'
        '{{ with .Values.app.image.digest }}@{{ . }}{{ end }}"',
    ),
    "job.yaml": deployment("job", "{{ .Values.job.image }}:{{ .Values.job.version }}"),
    "late.yaml": deployment("late", '{{ .Values.late.image | default "redis:7.2" }}'),
    "extra.yaml": "{{- range .Values.extra }}\n"
    + deployment("{{ .name }}", "{{ .image }}", '          args: ["{{ .weight }}", "{{ .on }}"]\n')
    + "---\n{{- end }}\n",
}


def chart_manifest(trip: Trip, templates: dict[str, str], values: str = VALUES) -> tuple[str, ...]:
    write_archive(trip.path / "web.tgz", chart_files(templates, values, name="web"), name="web")
    return ("charts:", "  - {chart: ./web.tgz}")


@needs_helm
@pytest.mark.parametrize("prefix", [True, False])
def test_a_chart_asks_for_its_images_inside_with_its_values_file(trip: Trip, *, prefix: bool) -> None:
    images = delivered(trip, *chart_manifest(trip, TEMPLATES), dest="" if prefix else trip.inner.address)
    said = relocated(trip, "helm")
    assert "no place" not in said.text
    overlay = (trip.path / "out" / "web.values.yaml").read_text()
    root = trip.dest if prefix else trip.inner.address
    redis, app, job = images
    pinned = f"{root}/{redis}@{images[redis].digest}"
    assert rendered_images(trip.path / "web.tgz", overlay) == sorted(
        [pinned, pinned, pinned, f"{root}/{app}@{images[app].digest}", f"{root}/{job}"]
    )
    # The other values of a list are still there.
    assert "weight: 1" in overlay


@needs_helm
def test_an_image_that_no_value_sets_is_named_in_the_file_and_to_the_person(trip: Trip) -> None:
    templates = {"cache.yaml": TEMPLATES["cache.yaml"], "fixed.yaml": deployment("fixed", "ghcr.io/acme/app:1.0")}
    delivered(trip, *chart_manifest(trip, templates))
    said = relocated(trip, "helm")
    sentence = "no value sets ghcr.io/acme/app:1.0, which web/templates/fixed.yaml:10"
    assert sentence in said.text
    assert f"# {sentence}" in (trip.path / "out" / "web.values.yaml").read_text()


@needs_helm
def test_a_promotion_keeps_what_is_known_of_the_values(trip: Trip) -> None:
    delivered(trip, *chart_manifest(trip, TEMPLATES))
    (receipt,) = run("airgap-import", "status", "--state", trip.state, "--format", "json").json["current"]
    other = f"{trip.inner.address}/production"
    said = run(
        "airgap-import", "promote", receipt["receipt"], trip.dest, other, "--policy", trip.policy, "--state", trip.state
    )
    assert said.status == 0, said.err
    relocated(trip, "helm", options=("--dest", other))
    overlay = (trip.path / "out" / "web.values.yaml").read_text()
    assert all(image.startswith(f"{other}/") for image in rendered_images(trip.path / "web.tgz", overlay))


COMPOSE = """\
services:
  cache: {image: redis:7.2}
  web: {image: ghcr.io/acme/app:1.0}
  web-2: {image: ghcr.io/acme/app:1.0}
  worker: {image: ghcr.io/acme/app:1.0}
  beat: {image: ghcr.io/acme/app:1.0}
"""


def test_every_service_of_a_compose_file_gets_its_image(trip: Trip) -> None:
    (trip.path / "deploy").mkdir()
    (trip.path / "deploy" / "compose.yaml").write_text(COMPOSE)
    images = delivered(trip, "workloads:", "  - {compose: deploy/compose.yaml}", "images: [ghcr.io/acme/tools/job:2]")
    said = relocated(trip, "compose")
    assert "docker compose -f deploy/compose.yaml -f compose.airgap.yaml up" in said.text
    text = (trip.path / "out" / "compose.airgap.yaml").read_text()
    (document,) = parse_stream(text, "x").documents
    app = f"{trip.dest}/ghcr.io/acme/app:1.0@{images['ghcr.io/acme/app:1.0'].digest}"
    expected: dict[str, Any] = dict.fromkeys(("beat", "web", "web-2", "worker"), app)
    redis = "docker.io/library/redis:7.2"
    found = {name: one["image"] for name, one in plain_values(document)["services"].items()}
    assert found == {**expected, "cache": f"{trip.dest}/{redis}@{images[redis].digest}"}
    assert "# no service is known for ghcr.io/acme/tools/job:2" in text


@pytest.mark.tools("kubectl")
def test_kustomize_puts_the_images_inside_into_a_pod(trip: Trip) -> None:
    images = delivered(trip)
    relocated(trip, "kustomize")
    written = {"redis": "redis:7.2", "long": "docker.io/library/redis:7.2", "app": "ghcr.io/acme/app:1.0"}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "all"},
        "spec": {"containers": [{"name": name, "image": image} for name, image in written.items()]},
    }
    base = trip.path / "base"
    base.mkdir()
    (base / "pod.json").write_text(json.dumps(pod))
    (base / "kustomization.yaml").write_text("resources: [pod.json]\ncomponents: [../out]\n")
    said = tool("kubectl", "kustomize", base)
    redis, app, _ = images
    for name in (redis, redis, app):
        assert f"image: {trip.dest}/{name.rpartition(':')[0]}@{images[name].digest}" in said
    assert "image: redis" not in said
