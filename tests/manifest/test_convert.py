"""Manifests of other tools become ours, and what is left behind is said."""

from __future__ import annotations

import pytest

from airgap_bundle.core.errors import DocumentError, UsageError
from airgap_bundle.manifest.convert import Converted, convert_document
from airgap_bundle.manifest.model import Manifest, parse_manifest

DIGEST = "sha256:" + "ab" * 32
HAULER = """\
apiVersion: content.hauler.cattle.io/v1
kind: Images
metadata: {name: acme, annotations: {hauler.dev/registry: ghcr.io}}
spec:
  images:
    - {name: "acme/app:1.0", platform: linux/amd64, key: ./cosign.pub}
    - {name: "a.io/b:1", certificate-identity: "https://x/y", certificate-oidc-issuer: "https://issuer.example.com"}
    - {name: "a.io/c:${TAG}"}
---
apiVersion: content.hauler.cattle.io/v1
kind: Charts
metadata: {name: charts}
spec:
  charts:
    - {name: app, repoURL: "oci://ghcr.io/acme/charts", version: 1.10.0, add-images: true, valuesFiles: [v.yaml]}
    - {name: web, repoURL: "https://charts.example.com", version: 2.0.0}
---
apiVersion: content.hauler.cattle.io/v1
kind: Files
metadata: {name: files}
spec: {files: [{path: "https://example.com/a.sh", name: a.sh}, {path: ./b.txt}]}
---
apiVersion: content.hauler.cattle.io/v1
kind: ImageTxts
metadata: {name: more}
"""
ZARF = f"""\
kind: ZarfPackageConfig
metadata: {{name: Acme App, version: 1.2.3, architecture: arm64}}
variables: [{{name: X}}]
components:
  - name: app
    required: true
    charts:
      - {{name: app, url: "oci://ghcr.io/acme/charts/app", version: 1.0.0, valuesFiles: [v.yaml]}}
      - {{name: web, url: "https://charts.example.com", version: 2.0.0}}
      - {{name: own, localPath: charts/own, version: 1.0.0}}
      - {{name: git, url: "https://github.com/acme/app.git", gitPath: chart, version: 1.0.0}}
    manifests: [{{name: m, files: [m.yaml, "https://example.com/n.yaml"]}}]
    images: ["ghcr.io/acme/app:1.0", "###ZARF_PKG_TMPL_IMG###", "redis@{DIGEST}"]
    files: [{{source: "https://example.com/tool", shasum: {"ab" * 32}, target: /usr/bin/tool}}]
    repos: ["https://github.com/acme/repo"]
"""
OC_MIRROR = """\
apiVersion: mirror.openshift.io/v2alpha1
kind: ImageSetConfiguration
mirror:
  platform: {channels: [{name: stable-4.18}]}
  additionalImages: [{name: "ghcr.io/acme/app:1.0"}]
  blockedImages: [{name: "ghcr.io/acme/bad:1.0"}]
  operators: [{catalog: "registry.redhat.io/redhat/index:v4.18", packages: [{name: web-terminal}]}]
  helm:
    repositories: [{name: r, url: "https://charts.example.com", charts: [{name: app, version: 1.0.0}]}]
    local: [{name: l, path: ./l-1.0.0.tgz}]
"""
SKOPEO = f"""\
ghcr.io:
  credentials: {{username: me, password: hunter2}}
  tls-verify: false
  images: {{acme/app: ["1.0", "{DIGEST}"], acme/all: []}}
  images-by-tag-regex: {{acme/x: "^1\\\\."}}
"""
REGSYNC = """\
version: 1
creds: [{registry: ghcr.io, user: u, pass: hunter2}]
defaults: {platforms: [linux/arm64]}
sync:
  - {source: "ghcr.io/acme/one:1", target: "r:5000/one:1", type: image}
  - source: ghcr.io/acme/two
    target: "r:5000/two"
    type: repository
    tags: {allow: ["1\\\\.0", "^2.1$", "3.*"]}
    platforms: [linux/amd64]
  - {source: quay.io, target: "r:5000/quay", type: registry}
"""
IMGPKG = f"""\
apiVersion: imgpkg.carvel.dev/v1alpha1
kind: ImagesLock
images:
  - {{image: "ghcr.io/acme/app@{DIGEST}", annotations: {{kbld.carvel.dev/id: "ghcr.io/acme/app:1.0"}}}}
  - {{image: "ghcr.io/acme/web@{DIGEST}"}}
"""
IMAGES_LOCK = f"""\
apiVersion: v0
kind: ImagesLock
chart: {{name: app, version: 1.4.0}}
images: [{{name: app, image: "ghcr.io/acme/app:1.0", chart: app, digests: [{{digest: "{DIGEST}", arch: linux/amd64}}]}}]
"""


def converted(text: str, kind: str = "") -> tuple[Converted, Manifest]:
    result = convert_document(text.encode(), "theirs.yaml", kind=kind)
    return result, parse_manifest(result.text.encode(), "ours.yaml")


def images(manifest: Manifest) -> list[str]:
    return [
        f"{image.source}{' ' if image.platforms else ''}{','.join(map(str, image.platforms))}"
        for image in manifest.images
    ]


def test_hauler() -> None:
    result, manifest = converted(HAULER)
    assert (result.kind, manifest.name) == ("hauler", "acme")
    assert images(manifest) == ["ghcr.io/acme/app:1.0 linux/amd64", "a.io/b:1"]
    assert [(chart.source, chart.images) for chart in manifest.charts] == [
        ("ghcr.io/acme/charts/app:1.10.0", "rendered"),
        ("https://charts.example.com/web:2.0.0", "none"),
    ]
    assert [(rule.match, rule.key, rule.identity) for rule in manifest.verify] == [
        ("ghcr.io/acme/app", "cosign.pub", ""),
        ("a.io/b", "", "https://x/y"),
    ]
    assert [file.name for file in manifest.files] == ["a.sh", "b.txt"]
    assert ["${TAG}" in result.lost[0], "ImageTxts" in result.lost[1]] == [True, True]


@pytest.mark.parametrize(
    ("name", "match"),
    [
        (f"ghcr.io/acme/app@{DIGEST}", "ghcr.io/acme/app"),
        (f"ghcr.io/acme/app:1.0@{DIGEST}", "ghcr.io/acme/app"),
        (f"registry.example.com:5000/app@{DIGEST}", "registry.example.com:5000/app"),
        ("registry.example.com:5000/app", "registry.example.com:5000/app"),
        ("redis:7", "docker.io/library/redis"),
        ("docker://ghcr.io/acme/app:1.0", "ghcr.io/acme/app"),
    ],
)
def test_a_key_of_hauler_verifies_the_very_image_however_that_is_named(name: str, match: str) -> None:
    _, manifest = converted(
        "apiVersion: content.hauler.cattle.io/v1\nkind: Images\nmetadata: {name: acme}\n"
        f"spec: {{images: [{{name: '{name}', key: cosign.pub}}]}}\n"
    )
    assert [rule.match for rule in manifest.verify] == [match] == [manifest.images[0].reference.name]


def test_what_oc_mirror_blocks_is_excluded_under_its_name_in_full() -> None:
    names = ["redis:7", f"docker://ghcr.io/acme/app@{DIGEST}", f"quay.io/a/b:1@{DIGEST}"]
    blocked = ", ".join(f"{{name: '{name}'}}" for name in names)
    _, manifest = converted(
        "apiVersion: mirror.openshift.io/v2alpha1\nkind: ImageSetConfiguration\n"
        f"mirror: {{additionalImages: [{{name: ghcr.io/acme/web:1}}], blockedImages: [{blocked}]}}\n"
    )
    assert [entry.pattern for entry in manifest.exclude] == [
        "docker.io/library/redis",
        "ghcr.io/acme/app",
        "quay.io/a/b",
    ]


def test_imgpkg_keeps_the_tag_that_kbld_noted_under_the_short_name() -> None:
    _, manifest = converted(
        "apiVersion: imgpkg.carvel.dev/v1alpha1\nkind: ImagesLock\nimages:\n"
        f"- {{image: index.docker.io/library/redis@{DIGEST}, annotations: {{kbld.carvel.dev/id: 'redis:7'}}}}\n"
        f"- {{image: ghcr.io/acme/web@{DIGEST}, annotations: {{kbld.carvel.dev/id: ghcr.io/acme/web}}}}\n"
    )
    assert images(manifest) == [f"docker.io/library/redis:7@{DIGEST}", f"ghcr.io/acme/web@{DIGEST}"]


def test_zarf() -> None:
    result, manifest = converted(ZARF)
    assert (manifest.name, manifest.version, list(map(str, manifest.platforms))) == (
        "acme-app",
        "1.2.3",
        ["linux/arm64"],
    )
    assert images(manifest) == ["ghcr.io/acme/app:1.0", f"docker.io/library/redis@{DIGEST}"]
    assert [chart.kind for chart in manifest.charts] == ["oci", "classic", "local"]
    assert [workload.path for workload in manifest.workloads] == ["m.yaml"]
    assert manifest.files[0].sha256 is not None
    said = " ".join(result.lost)
    assert all(word in said for word in ("git repository", "n.yaml", "ZARF_PKG", "put inside", "repos of", "variables"))


def test_oc_mirror() -> None:
    result, manifest = converted(OC_MIRROR)
    assert images(manifest) == ["ghcr.io/acme/app:1.0"]
    assert [one.pattern for one in manifest.exclude] == ["ghcr.io/acme/bad"]
    assert [chart.kind for chart in manifest.charts] == ["classic", "local"]
    assert ["web-terminal" in result.lost[0], "OpenShift" in result.lost[1]] == [True, True]


@pytest.mark.parametrize(
    ("text", "lost"),
    [
        (HAULER.replace(", version: 2.0.0", ""), "the chart web: no version"),
        (HAULER.replace('"https://charts.example.com"', "/srv/web"), "name it ./web"),
        (OC_MIRROR.replace(", version: 1.0.0", ""), "the chart app: no version"),
        (OC_MIRROR.replace("./l-1.0.0.tgz", "/home/me/l-1.0.0.tgz"), "name it ./l-1.0.0.tgz"),
    ],
)
def test_a_chart_that_cannot_be_found_again_is_named_in_words_of_its_own(text: str, lost: str) -> None:
    result, manifest = converted(text)
    assert lost in " ".join(result.lost)
    assert len(manifest.charts) == 1


@pytest.mark.parametrize("text", [SKOPEO, REGSYNC])
def test_logins_are_never_quoted(text: str) -> None:
    result, _ = converted(text)
    assert "hunter2" not in result.text + " ".join(result.lost)
    assert "log in" in " ".join(result.lost)


def test_skopeo() -> None:
    result, manifest = converted(SKOPEO)
    assert images(manifest) == ["ghcr.io/acme/app:1.0", f"ghcr.io/acme/app@{DIGEST}"]
    said = " ".join(result.lost)
    assert all(word in said for word in ("every tag of ghcr.io/acme/all", "acme/x", "tls-verify"))


def test_regsync() -> None:
    result, manifest = converted(REGSYNC)
    assert images(manifest) == [
        "ghcr.io/acme/one:1 linux/arm64",
        "ghcr.io/acme/two:1.0 linux/amd64",
        "ghcr.io/acme/two:2.1 linux/amd64",
    ]
    assert all(word in " ".join(result.lost) for word in ("3.* of", "everything in the registry quay.io", "DEST"))


def test_imgpkg_and_images_lock_and_lists() -> None:
    _, manifest = converted(IMGPKG)
    assert images(manifest) == [f"ghcr.io/acme/app:1.0@{DIGEST}", f"ghcr.io/acme/web@{DIGEST}"]
    result, manifest = converted(IMAGES_LOCK)
    assert (manifest.name, manifest.version, images(manifest)) == ("app", "1.4.0", ["ghcr.io/acme/app:1.0"])
    assert "digests" in result.lost[0]
    result, manifest = converted("# all\nrancher/k3s:v1.30.0-k3s1\nghcr.io/a/b:1 other\nrancher/k3s:v1.30.0-k3s1\n")
    assert (result.kind, images(manifest)) == ("list", ["docker.io/rancher/k3s:v1.30.0-k3s1", "ghcr.io/a/b:1"])


def test_a_list_with_a_transport_in_front_of_each_reference_is_recognised() -> None:
    result, manifest = converted(f"docker://ghcr.io/a/b:1\ndocker://ghcr.io/a/c@{DIGEST}\n# the end\n")
    assert (result.kind, images(manifest)) == ("list", ["ghcr.io/a/b:1", f"ghcr.io/a/c@{DIGEST}"])


@pytest.mark.parametrize(
    ("text", "kind", "error"),
    [
        ("just some prose, no list\n", "", UsageError),
        ("images: []\n", "nonsense", UsageError),
        ("", "list", DocumentError),
        ("kind: ImageSetConfiguration\n", "", DocumentError),
    ],
)
def test_what_is_nothing_is_refused(text: str, kind: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        convert_document(text.encode(), "f", kind=kind)


def test_hostile_names_stay_in_their_comments() -> None:
    result, manifest = converted("a.io/b:1\n${evil}\u2028images:\n", "list")
    assert images(manifest) == ["a.io/b:1"]
    assert all(line.startswith("#") for line in result.text.splitlines()[:3])
    assert "\u2028" not in result.text
