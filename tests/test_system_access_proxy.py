"""An access proxy, as its guide says: who pulls what is a matter of tokens that nobody outside has a part in."""

from __future__ import annotations

import contextlib
import json
import shlex
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from support.certificates import Authority, authority
from support.charts import deployment, needs_helm
from support.clients import Logins, login
from support.guide import Walk, sections
from support.images import helm_chart, single_image
from support.systems import REGISTRY, System, system_on_its_way
from support.token_office import ask
from support.tools import containerd, short_directory, tool
from support.trip import start

from airgap_bundle.core.content import Digest
from airgap_bundle.core.errors import RegistryError
from airgap_bundle.registry.client import RegistryClient
from airgap_bundle.registry.options import ClientOptions

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from airgap_bundle.core.oci import Document
    from airgap_bundle.registry.abilities import BlobStream

pytestmark = needs_helm

CHARTS = "ghcr.io/hoophq/helm-charts"
GATEWAY, AGENT, POSTGRES = "docker.io/hoophq/hoop", "docker.io/hoophq/hoopdev", "docker.io/library/postgres:17.6"
OTHERS = (
    POSTGRES,
    "docker.io/envoyproxy/envoy:v1.33.3",
    "mcr.microsoft.com/presidio-analyzer:2.2.360",
    "mcr.microsoft.com/presidio-anonymizer:2.2.360",
)

# Small stand-ins: the keys of the values, and what is fixed in a template, are as in the charts that have these names.
GATEWAY_VALUES = """\
image:
  gw: {}
config: {POSTGRES_DB_URI: '', ANALYTICS_TRACKING: enabled}
existingSecret: ''
defaultAgent: {enabled: false, imageRepository: hoophq/hoopdev, imageTag: latest}
postgres: {enabled: false, storageClassName: null}
dataMasking:
  enabled: false
  analyzer: {imageRepository: mcr.microsoft.com/presidio-analyzer, imageTag: latest}
  anonymizer: {imageRepository: mcr.microsoft.com/presidio-anonymizer, imageTag: latest}
  envoyProxy: {imageRepository: envoyproxy/envoy, imageTag: v1.33-latest}
"""


def masking(name: str, key: str) -> bytes:
    image = f"'{{{{ .Values.dataMasking.{key}.imageRepository }}}}:{{{{ .Values.dataMasking.{key}.imageTag }}}}'"
    return f"{{{{- if .Values.dataMasking.enabled }}}}\n{deployment(name, image)}{{{{- end }}}}\n".encode()


GATEWAY_CHART = {
    "values.yaml": GATEWAY_VALUES.encode(),
    "templates/deployment.yaml": deployment(
        "hoopgateway",
        '\'{{ .Values.image.gw.repository | default "hoophq/hoop" }}:{{ .Values.image.gw.tag | default "latest" }}\'',
    ).encode(),
    "templates/deployment-postgres.yaml": (
        "{{- if .Values.postgres.enabled }}\n" + deployment("hoopgateway-pg", "postgres:17.6") + "{{- end }}\n"
    ).encode(),
    "templates/secret-configs.yaml": (
        b"apiVersion: v1\nkind: Secret\nmetadata: {name: hoop-config}\nstringData:\n"
        b"  POSTGRES_DB_URI: '{{ required \"config.POSTGRES_DB_URI is required\" .Values.config.POSTGRES_DB_URI }}'\n"
        b"  ANALYTICS_TRACKING: '{{ .Values.config.ANALYTICS_TRACKING }}'\n"
    ),
    "templates/analyzer.yaml": masking("presidio-analyzer", "analyzer"),
    "templates/anonymizer.yaml": masking("presidio-anonymizer", "anonymizer"),
    "templates/envoy.yaml": masking("envoy", "envoyProxy"),
}
AGENT_CHART = {
    "values.yaml": b"image: {}\nconfig: {}\n",
    "templates/deployment.yaml": deployment(
        "hoopagent",
        '\'{{ .Values.image.repository | default "hoophq/hoopdev" }}:{{ .Values.image.tag | default "latest" }}\'',
    ).encode(),
}


@pytest.fixture
def proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[System]:
    with system_on_its_way("access-proxy", tmp_path, monkeypatch) as made:
        made.put_images(*OTHERS)
        made.people(release="release@proxy.example", officer="officer@proxy.example")
        release(made, "1.101.1")
        yield made


def release(proxy: System, version: str) -> None:
    """The charts and images of a version are outside."""
    proxy.put_images(f"{GATEWAY}:{version}", f"{AGENT}:{version}")
    for name, files in (("hoop-chart", GATEWAY_CHART), ("hoopagent-chart", AGENT_CHART)):
        proxy.put_content(f"{CHARTS}/{name}:{version}", helm_chart(name, version, files=files))


@dataclass(frozen=True, kw_only=True)
class Served:
    """The registry as the guide serves it: with TLS, tokens, and nobody who may push."""

    address: str
    trusted: Authority
    inside: Path

    def login(self, name: str, file: str = "") -> tuple[str, str]:
        """An identity, and the credential that the guide wrote for it."""
        return name, (self.inside / f"{file or name}.credential").read_text().strip()

    def pulls(self, who: tuple[str, str], name: str, expected: Document) -> None:
        """Read all of an image or chart."""
        repository, _, tag = name.rpartition(":")
        with contextlib.closing(self._client(who)) as registry:
            assert registry.get_manifest(repository, tag) == expected
            assert expected.config is not None
            for part in (expected.config, *expected.layers):
                with registry.open_blob(repository, part.digest, part.size) as stream:
                    read_all(stream, part.digest, part.size)

    def refuses(self, who: tuple[str, str], name: str) -> None:
        """It is not said what a tag names."""
        repository, _, tag = name.rpartition(":")
        with contextlib.closing(self._client(who)) as registry, pytest.raises(RegistryError) as caught:
            registry.get_manifest(repository, tag)
        assert caught.value.code == "AB-REGISTRY-UNAUTHORIZED"

    def takes_nothing(self, who: tuple[str, str], repository: str) -> None:
        """Whatever the login, it is read-only to the network."""
        with contextlib.closing(self._client(who)) as registry, pytest.raises(RegistryError) as caught:
            single_image("new").push_to(registry, repository, "new")
        assert caught.value.code == "AB-REGISTRY-UNSUPPORTED"

    def status(self, image: str, bearer: str) -> int:
        """What a question about an image is answered with."""
        repository, _, tag = image.rpartition(":")
        context = ssl.create_default_context(cafile=str(self.trusted.ca_file))
        return ask(self.address, f"/v2/{repository}/manifests/{tag}", bearer=bearer, context=context).status

    def _client(self, who: tuple[str, str]) -> RegistryClient:
        known = ClientOptions(credentials=Logins({self.address: login(*who)}), ca_file=self.trusted.ca_file)
        return RegistryClient(self.address, known)


def read_all(stream: BlobStream, digest: Digest, size: int) -> None:
    buffer = bytearray(size + 1)
    count = 0
    while read := stream.readinto(memoryview(buffer)[count:]):
        count += read
    assert Digest.of(bytes(buffer[:count])) == digest


@contextlib.contextmanager
def served(proxy: System, walk: Walk) -> Iterator[Served]:
    """Type what stands under "Serve", on a port that is free; the walk calls the registry by it from now on."""
    trusted = authority(proxy.trip.path / "authority")
    certificate, key = trusted.issue("registry")
    (proxy.inside / "tls.crt").write_bytes(certificate.read_bytes())
    (proxy.inside / "tls.key").write_bytes(key.read_bytes())
    (command,) = sections(walk.guide)["Serve"]
    walk.walked.add("Serve")
    program, *arguments = shlex.split(command.text.replace("0.0.0.0:5000", "127.0.0.1:0"))
    with start(program, *arguments, "--format", "json", cwd=proxy.inside) as process:
        try:
            assert process.stdout is not None
            said = json.loads(b"".join(iter(process.stdout.readline, b"}\n")) + b"}")
            walk.places[REGISTRY] = said["address"]
            yield Served(address=said["address"], trusted=trusted, inside=proxy.inside)
        finally:
            process.terminate()
            process.communicate(timeout=20)


def test_the_guide_can_be_followed_from_the_first_line_to_the_last(proxy: System) -> None:
    walk = proxy.walk
    walk.through("Outside: build and sign")
    assert proxy.locked_images() == {f"{GATEWAY}:1.101.1", f"{AGENT}:1.101.1", *OTHERS}
    walk.through("Inside: once")
    walk.through("Install")
    gateway, agent = (travelled(proxy, f"{name}:1.101.1") for name in (GATEWAY, AGENT))
    with served(proxy, walk) as registry:
        at_gateway, at_agent = registry.login("gateway"), registry.login("agent-site-1")
        registry.pulls(at_gateway, f"{GATEWAY}:1.101.1", gateway)
        registry.pulls(at_agent, f"{AGENT}:1.101.1", agent)
        registry.refuses(at_agent, f"{GATEWAY}:1.101.1")
        registry.refuses(at_gateway, f"{AGENT}:1.101.1")
        registry.takes_nothing(at_gateway, GATEWAY)
        registry.pulls(registry.login("operator"), f"{CHARTS}/hoop-chart:1.101.1", chart(proxy, "1.101.1"))
        registry.refuses(registry.login("operator"), f"{GATEWAY}:1.101.1")

        relocated = walk.through("Deploy")[0][1]
        assert "no value sets docker.io/library/postgres:17.6" in relocated.text
        values = (proxy.inside / "relocation" / "hoop-chart.values.yaml").read_text()
        assert "no value sets docker.io/library/postgres:17.6" in values
        assert f"{registry.address}/docker.io/hoophq/hoop" in values

        walk.through("One pull without a login")
        token = (proxy.inside / "scan-1.token").read_text().strip()
        assert registry.status(f"{GATEWAY}:1.101.1", token) == 200
        assert registry.status(POSTGRES, token) == 401

        walk.through("Take a login back")
        registry.refuses(at_agent, f"{AGENT}:1.101.1")
        registry.pulls(at_gateway, f"{GATEWAY}:1.101.1", gateway)

        old = registry.login("operator")
        proxy.people(**{"release-2": "second@proxy.example"})
        walk.through("Rotation")
        registry.refuses(old, f"{CHARTS}/hoop-chart:1.101.1")
        registry.pulls(
            registry.login("operator", "operator-2"), f"{CHARTS}/hoop-chart:1.101.1", chart(proxy, "1.101.1")
        )
        assert registry.status(f"{GATEWAY}:1.101.1", token) == 200

        # The registry serves on while a release comes in, and while it goes back.
        release(proxy, "1.102.0")
        proxy.edit({"1.101.1": "1.102.0"})
        proxy.monkeypatch.setenv("AIRGAP_STATE", str(proxy.trip.state))
        walk.places["gpg:release@proxy.example"] = "gpg:second@proxy.example"
        walk.through("Update")
        registry.pulls(at_gateway, f"{GATEWAY}:1.102.0", travelled(proxy, f"{GATEWAY}:1.102.0"))
        assert (proxy.inside / "site/1.102.0/deploy/agent.yaml").read_text() == (
            proxy.outside / "deploy/agent.yaml"
        ).read_text()
        walk.through("Rollback")
        registry.pulls(at_gateway, f"{GATEWAY}:1.101.1", gateway)
        assert registry.status(f"{GATEWAY}:1.102.0", token) == 404
    walk.through("Who did what")
    assert_the_trail_tells_it(proxy)
    assert walk.left == set()


def travelled(proxy: System, reference: str) -> Document:
    """What the one platform of the manifest makes of an image: the tag names that child of the index."""
    root, *children = (*proxy.images[reference].documents[::-1],)
    (wanted,) = [each.descriptor.digest for each in root.children if str(each.platform) == "linux/amd64"]
    (found,) = [child for child in children if child.descriptor.digest == wanted]
    return found


def chart(proxy: System, version: str) -> Document:
    return proxy.images[f"{CHARTS}/hoop-chart:{version}"].root


def assert_the_trail_tells_it(proxy: System) -> None:
    text = (proxy.inside / "trail.jsonl").read_text()
    told = [json.loads(line) for line in text.splitlines()]

    def which(event: str) -> list[dict[str, Any]]:
        return [one["details"] for one in told if one["event"] == event]

    used = {(one["identity"], one["repository"], one["action"]) for one in which("token-used")}
    assert used == {
        ("gateway", GATEWAY, "pull"),
        ("agent-site-1", AGENT, "pull"),
        ("operator", f"{CHARTS}/hoop-chart", "pull"),
        ("scan-1", GATEWAY, "pull"),
    }
    assert [(one["identity"], one["reason"]) for one in which("token-revoked")] == [
        ("agent-site-1", "the site was given up")
    ]
    assert "agent-site-1" in {one.get("identity") for one in which("token-refused")}
    secrets = [file.read_text().strip() for file in proxy.inside.glob("*.credential")]
    assert len(secrets) == 4
    assert not any(secret in text for secret in secrets)


@pytest.mark.tools("ctr", "containerd")
def test_the_image_that_no_value_sets_is_found_by_nodes_with_a_mirror_rule_and_their_login(proxy: System) -> None:
    walk = proxy.walk
    for heading in ("Outside: build and sign", "Inside: once", "Install"):
        walk.through(heading)
    with served(proxy, walk) as registry, short_directory() as short, containerd(short) as address:
        walk.places["/etc/ssl/internal-ca.crt"] = str(registry.trusted.ca_file)
        walk.through("Deploy")
        fetch = ("ctr", "-a", address, "content", "fetch", "--hosts-dir", proxy.inside / "relocation" / "certs.d")
        nobody = {"HTTP_PROXY": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9", "NO_PROXY": "127.0.0.1"}
        tool(*fetch, "--user", ":".join(registry.login("gateway")), POSTGRES, environment=nobody)
        assert travelled(proxy, POSTGRES).descriptor.digest in tool("ctr", "-a", address, "images", "ls")
        tool(*fetch, "--user", ":".join(registry.login("agent-site-1")), POSTGRES, environment=nobody, fails=True)


def test_with_a_database_of_the_site_its_image_does_not_travel(proxy: System) -> None:
    proxy.edit({"postgres:\n  enabled: true": "postgres:\n  enabled: false"})
    proxy.run("airgap-manifest", "lock", proxy.manifest)
    assert proxy.locked_images() == {f"{GATEWAY}:1.101.1", f"{AGENT}:1.101.1", *OTHERS} - {POSTGRES}


def test_who_would_be_told_outside_is_found_in_the_chart(proxy: System) -> None:
    proxy.edit({"ANALYTICS_TRACKING: disabled": "ANALYTICS_TRACKING: enabled"})
    proxy.run("airgap-manifest", "lock", proxy.manifest)
    said = proxy.run("airgap-manifest", "check", "--readiness", "--online", proxy.manifest)
    assert "AGM032" in said.out
    assert "ANALYTICS_TRACKING is enabled" in said.text
