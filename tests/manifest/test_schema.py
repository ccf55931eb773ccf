"""The JSON Schema that editors complete from knows what the reader knows."""

from __future__ import annotations

import json
from importlib import resources
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
import yaml

from airgap_bundle.core.errors import DocumentError
from airgap_bundle.manifest.model import parse_manifest
from airgap_bundle.manifest.overlay import parse_overlay

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HEAD = "apiVersion: airgap-bundle/v1\nname: plane\nversion: 1.7.0\n"
READERS: dict[str, tuple[str, Callable[[bytes, str], object]]] = {
    "manifest": ("airgap-bundle/v1", parse_manifest),
    "overlay": ("airgap-bundle/overlay.v1", parse_overlay),
}


def schema(kind: str) -> dict[str, Any]:
    text = resources.files("airgap_bundle.manifest").joinpath(f"{kind}.v1.schema.json").read_text(encoding="utf-8")
    value: dict[str, Any] = json.loads(text)
    return value


def maps(
    node: dict[str, Any], root: dict[str, Any], path: tuple[str | int, ...] = ()
) -> Iterator[tuple[Any, set[str]]]:
    """Every map in a schema: an example of how to get there, and the keys it may have there."""
    if "$ref" in node:
        node = root["definitions"][node["$ref"].rpartition("/")[2]]
    for choice in (*node.get("anyOf", ()), *node.get("oneOf", ())):
        yield from maps(choice, root, path)
    if "items" in node:
        yield from maps(node["items"], root, (*path, 0))
    if "properties" in node:
        yield path, set(node["properties"])
        for key, value in node["properties"].items():
            yield from maps(value, root, (*path, key))


def known_to_reader(kind: str, path: tuple[str | int, ...]) -> set[str]:
    """The keys that the reader names when it meets one that it does not know."""
    document: Any = {"zzzzzzzz": 1}
    for step in reversed(path):
        document = [document] if step == 0 else {step: document}
    document["apiVersion"] = READERS[kind][0]
    with pytest.raises(DocumentError) as caught:
        READERS[kind][1](json.dumps(document).encode(), "f.yaml")
    (hint,) = (finding.hint for finding in caught.value.findings if finding.path.endswith("zzzzzzzz"))
    return set(hint.removeprefix("known here: ").split(", "))


@pytest.mark.parametrize("kind", READERS)
def test_schema_and_reader_know_the_same_keys(kind: str) -> None:
    in_schema: dict[tuple[str | int, ...], set[str]] = {}
    for path, keys in maps(schema(kind), schema(kind)):
        in_schema.setdefault(path, set()).update(keys)
    assert len(in_schema) >= 8
    assert {path: known_to_reader(kind, path) for path in in_schema} == in_schema


@pytest.mark.parametrize("kind", READERS)
def test_the_schema_is_draft_7(kind: str) -> None:
    jsonschema.Draft7Validator.check_schema(schema(kind))


GOOD = [
    "",
    "images: [docker.io/library/redis:7, {image: 'a.example:5000/b:1', platforms: [linux/arm/v7], as: a/b}]",
    "charts: [{chart: 'oci://a.example/c', version: 1.0.0, values: [v.yaml], images: none}]",
    "charts: [{chart: c, repo: 'https://a.example/x', version: 1.10}, {chart: ./c}]",
    "workloads: [{compose: a.yaml}, {kubernetes: k8s/}, {list: images.txt}]",
    "artifacts: [a.example/db:2, {artifact: 'a.example/db:2', as: db}]",
    f"files: [{{path: a/b.txt, as: c.txt}}, {{url: 'https://a.example/x', sha256: {'ab' * 32}}}]",
    "exclude: ['docker.io/**']\nverify: [{match: 'a/*', key: k.pub}]\naudience: [site-a]\nexpires: 90d",
    "verify: [{match: 'a/*', keyless: {issuer: 'https://a.example', identity: x}}]",
    "verify: [{match: 'a/*', keyless: {issuer: 'https://a.example', identityPattern: '^x.*$', trustedRoot: r.json}}]",
    "foreignLayers: carry\nreferrers: all",
]
BAD = [
    "imges: []",
    "images: redis",
    "images: [{imge: x}]",
    "images: ['http://a.example/b']",
    "images: [{image: a, platforms: []}]",
    "images: [{image: a, as: ../x}]",
    "files: [{path: ../x}]",
    "files: [{path: /x}]",
    "files: [{path: a, url: 'https://a.example/b'}]",
    "files: [{url: 'ftp://a.example/b'}]",
    "charts: [{version: 1.0.0}]",
    "charts: [{chart: ./a, images: some}]",
    "workloads: [{helm: x}]",
    "verify: [{match: a}]",
    "verify: [{match: a, keyless: {issuer: 'https://a.example'}}]",
    "verify: [{match: a, keyless: {issuer: 'https://a.example', identity: x, identityPattern: '^x$'}}]",
    "verify: [{match: a, keyless: {issuer: 'https://a.example', identityPattern: 'x'}}]",
    "verify: [{match: a, keyless: {issuer: 'https://a.example', identity: x, trustedRoot: ../r.json}}]",
    "expires: 90",
    "foreignLayers: true",
    "audience: site-a",
]


@pytest.mark.parametrize("text", GOOD)
def test_good_manifests_please_schema_and_reader(text: str) -> None:
    parse_manifest((HEAD + text).encode(), "f.yaml")
    jsonschema.validate(yaml.safe_load(HEAD + text), schema("manifest"), cls=jsonschema.Draft7Validator)


@pytest.mark.parametrize("text", BAD)
def test_bad_manifests_please_neither(text: str) -> None:
    with pytest.raises(DocumentError):
        parse_manifest((HEAD + text).encode(), "f.yaml")
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(yaml.safe_load(HEAD + text), schema("manifest"), cls=jsonschema.Draft7Validator)
