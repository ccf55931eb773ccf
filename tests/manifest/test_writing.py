"""Manifests written as YAML and read again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from airgap_bundle.core.text import printable
from airgap_bundle.manifest import yamltext
from airgap_bundle.manifest.model import API_VERSION, parse_manifest
from airgap_bundle.manifest.writing import dump_manifest, quoted

EVERYTHING = b"""\
apiVersion: airgap-bundle/v1
name: plane
version: "1.10"
audience: [site-a, site-b]
platforms: [linux/amd64, linux/arm/v7]
expires: 90d
foreignLayers: carry
referrers: none
images:
  - docker.io/library/redis:7.2.4
  - redis:7
  - {image: ghcr.io/acme/app:1.0, platforms: [linux/amd64], as: acme/app}
  - image: oci-archive:images/app.tar:ghcr.io/acme/other:1.0
charts:
  - {chart: oci://ghcr.io/acme/charts/app, version: 1.0.0, values: [values/prod.yaml], images: all}
  - {chart: plane-ce, repo: https://helm.plane.so, version: 1.7.0+build, keyring: keys/plane.gpg}
  - {chart: ./local, as: charts/here}
  - {chart: charts/local.tgz, images: none}
workloads: [{compose: deploy/compose.yaml}, {kubernetes: deploy/k8s/}, {list: images.txt}]
artifacts: [ghcr.io/acme/db:2, {artifact: ghcr.io/acme/rules:1, as: rules}]
files:
  - {path: "licences/a b.lic", as: plane.lic}
  - {url: https://example.com/install.sh, sha256: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa}
exclude: [docker.io/library/busybox]
verify:
  - {match: "ghcr.io/acme/**", keyless: {issuer: https://i.example, identityPattern: '^https://a\\.example/.*$'}}
  - {match: "docker.io/vendor/*", key: keys/vendor.pub}
"""


def test_every_key_of_a_manifest_is_read_back_as_it_was() -> None:
    manifest = parse_manifest(EVERYTHING, "plane.yaml")
    written = dump_manifest(manifest, API_VERSION)
    again = parse_manifest(written, "plane.yaml")
    assert again == manifest
    assert [one.names_a_tag for one in again.images] == [one.names_a_tag for one in manifest.images]
    assert dump_manifest(again, API_VERSION) == written


# What does not show is refused by the reader, however it is written.
@given(st.text(max_size=40).filter(lambda text: printable(text) == text))
def test_any_text_is_the_same_text_after_yaml(text: str) -> None:
    document = f"a: [{quoted(text)}]\n".encode()
    node = yamltext.parse(document, "x.yaml")
    assert isinstance(node, yamltext.MappingNode)
    items = node.entries["a"]
    assert isinstance(items, yamltext.SequenceNode)
    (item,) = items.items
    assert isinstance(item, yamltext.ScalarNode)
    assert item.text == text
