"""The manifest: the document of the design is understood, and bad ones are refused with every complaint."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from airgap_bundle.core.content import Digest
from airgap_bundle.core.errors import DocumentError, HostError, UsageError
from airgap_bundle.core.oci import Platform, Reference
from airgap_bundle.manifest.model import Manifest, load_manifest, parse_manifest
from airgap_bundle.manifest.rules import check_manifest

if TYPE_CHECKING:
    from pathlib import Path

HEAD = "apiVersion: airgap-bundle/v1\nname: plane\nversion: 1.10\n"
DIGEST = "sha256:" + "ab" * 32
WHOLE = (
    HEAD
    + f"""\
audience: [site-a]
platforms: [linux/amd64, linux/arm/v7]
expires: 90d
images:
  - docker.io/library/redis:7.2.4
  - image: ghcr.io/acme/app:1.0
    platforms: [linux/amd64]
    as: acme/app
  - ghcr.io/acme/pinned@{DIGEST}
charts:
  - chart: oci://ghcr.io/acme/charts/app
    version: 1.0.0+build.1
    values: [values/prod.yaml]
    images: all
  - {{chart: plane-ce, repo: "https://helm.plane.so/stable", version: 1.7.0}}
  - {{chart: ./charts/local}}
workloads:
  - compose: deploy/compose.yaml
  - kubernetes: deploy/k8s/
  - list: images.txt
artifacts:
  - ghcr.io/acme/vuln-db:2
  - {{artifact: "ghcr.io:5000/acme/policy:1", as: policy}}
files:
  - {{path: licences/plane.lic, as: licences/LICENCE.lic}}
  - {{url: "https://example.com/install.sh", sha256: {"ab" * 32}}}
exclude: [docker.io/library/busybox]
verify:
  - {{match: "ghcr.io/acme/**", keyless: {{issuer: "https://issuer.example", identity: "https://x.example/y@z"}}}}
  - {{match: "docker.io/vendor/*", key: keys/vendor.pub}}
foreignLayers: carry
referrers: none
"""
)


def parse(text: str) -> Manifest:
    return parse_manifest(text.encode(), "plane.yaml")


def complaints(text: str) -> list[tuple[str, str]]:
    with pytest.raises(DocumentError) as caught:
        parse(text)
    assert all(finding.place.line for finding in caught.value.findings)
    return [(finding.path, finding.code) for finding in caught.value.findings]


def test_every_key_is_understood() -> None:
    manifest = parse(WHOLE)
    assert (manifest.name, manifest.version, manifest.audience) == ("plane", "1.10", ("site-a",))
    assert manifest.expires_seconds == 90 * 86400
    assert [image.target for image in manifest.images] == [
        ("docker.io/library/redis", "7.2.4"),
        ("acme/app", "1.0"),
        ("ghcr.io/acme/pinned", ""),
    ]
    assert [chart.kind for chart in manifest.charts] == ["oci", "classic", "local"]
    assert [chart.target for chart in manifest.charts] == [
        ("ghcr.io/acme/charts/app", "1.0.0_build.1"),
        ("helm.plane.so/stable/plane-ce", "1.7.0"),
        ("", ""),
    ]
    assert [(w.kind, w.path) for w in manifest.workloads] == [
        ("compose", "deploy/compose.yaml"),
        ("kubernetes", "deploy/k8s"),
        ("list", "images.txt"),
    ]
    assert [artifact.target for artifact in manifest.artifacts] == [("ghcr.io/acme/vuln-db", "2"), ("policy", "1")]
    assert [(f.source, f.name) for f in manifest.files] == [
        ("licences/plane.lic", "licences/LICENCE.lic"),
        ("https://example.com/install.sh", "install.sh"),
    ]
    assert manifest.files[1].sha256 == DIGEST
    assert [e.pattern for e in manifest.exclude] == ["docker.io/library/busybox"]
    assert [(v.match, v.key, v.issuer) for v in manifest.verify] == [
        ("ghcr.io/acme/**", "", "https://issuer.example"),
        ("docker.io/vendor/*", "keys/vendor.pub", ""),
    ]
    assert (manifest.foreign_layers, manifest.referrers) == ("carry", "none")


def test_entries_remember_where_they_stood() -> None:
    image = parse(WHOLE).images[1]
    assert (str(image.place), image.where) == ("plane.yaml:9:5", "images[1]")


def test_platforms_of_an_image_are_its_own_else_the_manifests_and_pinned_ones_stay_whole() -> None:
    manifest = parse(WHOLE)
    whole, own, pinned = (manifest.platforms_of(image) for image in manifest.images)
    assert whole == (Platform.parse("linux/amd64"), Platform.parse("linux/arm/v7"))
    assert own == (Platform.parse("linux/amd64"),)
    assert pinned == ()


def test_a_port_becomes_an_underscore_in_the_path_below_the_destination() -> None:
    manifest = parse(HEAD + "images: ['127.0.0.1:5000/a/b:1', '[::1]:5000/a:1']\n")
    assert [image.target[0] for image in manifest.images] == ["127.0.0.1_5000/a/b", "ip6---1x_5000/a"]


@pytest.mark.parametrize(
    ("text", "path", "code"),
    [
        ("images: [http://example.com/a:1]", "images[0]", "AB-YAML-VALUE"),
        ("images: [oci://example.com/a:1]", "images[0]", "AB-YAML-VALUE"),
        ("images: ['redis@sha256:abc']", "images[0]", "AB-YAML-VALUE"),
        ("images: ['user:pass@example.com/a:1']", "images[0]", "AB-YAML-VALUE"),
        ("images: [docker.io/Library/redis]", "images[0]", "AB-YAML-VALUE"),
        ("images: ['example.com:99999/a:1']", "images[0]", "AB-YAML-VALUE"),
        ("images: ['a b']", "images[0]", "AB-YAML-VALUE"),
        ("images: ['exämple.com/a:1']", "images[0]", "AB-YAML-VALUE"),
        (f"images: [{'a' * 300}]", "images[0]", "AB-YAML-VALUE"),
        ("images: ['redis:${TAG}']", "images[0]", "AB-YAML-VALUE"),
        ("images: ['redis:7\\n']", "images[0]", "AB-YAML-VALUE"),
        ("images: {redis: 7}", "images", "AB-YAML-TYPE"),
        ("images:", "images", "AB-YAML-TYPE"),
        ("images: [{image: 'a:1', as: ../b}]", "images[0].as", "AB-YAML-VALUE"),
        ("images: [{image: 'a:1', platforms: []}]", "images[0].platforms", "AB-YAML-VALUE"),
        ("images: [{image: 'a:1', platforms: [linux]}]", "images[0].platforms[0]", "AB-YAML-VALUE"),
        ("platforms: [linux/amd64, linux/amd64]", "platforms", "AB-YAML-VALUE"),
        ("platforms: [Linux/amd64]", "platforms[0]", "AB-YAML-VALUE"),
        ("expires: 0d", "expires", "AB-YAML-VALUE"),
        ("expires: 90", "expires", "AB-YAML-VALUE"),
        ("expires: 99999d", "expires", "AB-YAML-VALUE"),
        ("audience: site-a", "audience", "AB-YAML-TYPE"),
        ("files: [{path: ../x}]", "files[0].path", "AB-YAML-VALUE"),
        ("files: [{path: /etc/passwd}]", "files[0].path", "AB-YAML-VALUE"),
        ("files: [{path: a, as: 'C:\\\\x'}]", "files[0].as", "AB-YAML-VALUE"),
        ("files: [{path: -rf}]", "files[0].path", "AB-YAML-VALUE"),
        ("files: [{path: a//b}]", "files[0].path", "AB-YAML-VALUE"),
        ("files: [{path: con.txt}]", "files[0].path", "AB-YAML-VALUE"),
        ("files: [{path: '*.txt'}]", "files[0].path", "AB-YAML-VALUE"),
        ("files: [{path: a, sha256: ABC}]", "files[0].sha256", "AB-YAML-VALUE"),
        ("files: [{path: a, url: 'https://example.com/a'}]", "files[0]", "AB-YAML-REQUIRED"),
        ("files: [{url: 'ftp://example.com/a'}]", "files[0].url", "AB-YAML-VALUE"),
        ("files: [{url: 'file:///etc/passwd'}]", "files[0].url", "AB-YAML-VALUE"),
        ("files: [{url: 'https://example.com/'}]", "files[0].url", "AB-YAML-VALUE"),
        ("charts: [{chart: 'oci://example.com/a'}]", "charts[0].chart", "AB-YAML-REQUIRED"),
        ("charts: [{chart: 'oci://example.com/a:1', version: 1}]", "charts[0].chart", "AB-YAML-VALUE"),
        ("charts: [{chart: 'file:///etc'}]", "charts[0].chart", "AB-YAML-VALUE"),
        ("charts: [{chart: ../x}]", "charts[0].chart", "AB-YAML-VALUE"),
        ("charts: [{chart: plane}]", "charts[0].chart", "AB-YAML-VALUE"),
        ("charts: [{chart: .., repo: 'https://example.com', version: 1}]", "charts[0].chart", "AB-YAML-VALUE"),
        ("charts: [{chart: a, repo: 'https://example.com'}]", "charts[0].chart", "AB-YAML-REQUIRED"),
        ("charts: [{chart: ./a, version: 1}]", "charts[0].version", "AB-YAML-VALUE"),
        ("charts: [{chart: ./a, images: some}]", "charts[0].images", "AB-YAML-VALUE"),
        ("workloads: [{helm: x}]", "workloads[0]", "AB-YAML-REQUIRED"),
        ("verify: [{match: 'a/***', key: k}]", "verify[0].match", "AB-YAML-VALUE"),
        ("verify: [{match: 'a/*'}]", "verify[0]", "AB-YAML-REQUIRED"),
        ("foreignLayers: yes", "foreignLayers", "AB-YAML-VALUE"),
        ("imges: []", "imges", "AB-YAML-KEY"),
    ],
)
def test_what_cannot_be_is_refused_with_its_path(text: str, path: str, code: str) -> None:
    assert complaints(HEAD + text + "\n")[0] == (path, code)


@pytest.mark.parametrize("name", ["Plane", "a--b", "-a", "a" * 65, "../a", "a/b", "''"])
def test_a_product_name_is_checked(name: str) -> None:
    assert complaints(HEAD.replace("plane", name)) == [("name", "AB-YAML-VALUE")]


def test_a_version_has_to_be_a_tag() -> None:
    assert complaints(HEAD.replace("1.10", "1.0+x")) == [("version", "AB-YAML-VALUE")]


def test_a_password_in_an_address_is_not_repeated() -> None:
    for text in ("files: [{url: 'https://user:geheim@example.com/a'}]", "images: ['user:geheim@example.com/a:1']"):
        with pytest.raises(DocumentError) as caught:
            parse(HEAD + text)
        assert "geheim" not in caught.value.message + caught.value.hint


def test_another_version_of_the_format_is_refused() -> None:
    assert complaints(HEAD.replace("/v1", "/v2")) == [("apiVersion", "AB-YAML-VALUE")]


def test_complaints_are_collected_over_the_whole_manifest() -> None:
    text = "apiVersion: airgap-bundle/v1\nNAME: x\nimages: ['a b', {imge: x}]\nfiles: [{pat: x}]\n"
    assert {path for path, _ in complaints(text)} == {
        *("", "NAME", "images[0]", "images[1]", "images[1].imge", "files[0]", "files[0].pat")
    }


def test_the_digest_is_that_of_the_bytes() -> None:
    text = HEAD + "images: [docker.io/library/redis:7]\n"
    assert parse(text).digest == Digest.of(text.encode())
    assert parse(text + "# a comment\n") == parse(text)
    assert parse(text + "# a comment\n").digest != parse(text).digest


def test_a_manifest_is_loaded_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "plane.yaml"
    path.write_text(HEAD + "images: [docker.io/library/redis:7]\n")
    manifest = load_manifest(path)
    assert manifest.images[0].reference == Reference.parse("redis:7")
    assert (manifest.file, manifest.directory) == (str(path), tmp_path)


def test_a_missing_file_is_a_wrong_argument(tmp_path: Path) -> None:
    for path in (tmp_path / "none.yaml", tmp_path, "a\0b"):
        with pytest.raises(UsageError):
            load_manifest(path)


def test_a_pipe_is_refused_without_waiting_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/zero"):
        with pytest.raises(UsageError, match="not a regular file"):
            load_manifest(path)


def test_a_file_that_is_too_long_is_not_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "long.yaml"
    with path.open("wb") as file:
        file.truncate(50_000_000_000)
    with pytest.raises(DocumentError) as caught:
        load_manifest(path)
    assert caught.value.code == "AB-YAML-SIZE"


def test_an_unreadable_file_is_a_fault_of_this_machine(tmp_path: Path) -> None:
    link = tmp_path / "loop.yaml"
    link.symlink_to(link)
    with pytest.raises(HostError):
        load_manifest(link)


def test_a_thousand_entries_are_checked_in_less_than_a_second(tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    lines = [HEAD, "images:\n"]
    for number in range(800):
        lines.append(f"  - image: ghcr.io/acme/app{number}:1.0\n    platforms: [linux/amd64, linux/arm64]\n")
        lines.append(f"    as: acme/app{number}\n")
    lines.append("files:\n")
    for number in range(200):
        (tmp_path / "f" / f"{number}.txt").touch()
        lines.append(f"  - {{path: f/{number}.txt, as: g/{number}.txt}}\n")
    path = tmp_path / "plane.yaml"
    path.write_text("".join(lines))
    started = time.process_time()
    assert check_manifest(load_manifest(path)) == ()
    assert time.process_time() - started < 1
