"""registries.conf, the mirror sets of OpenShift, registries.yaml of k3s: rules by host, namespace and image."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import jsonschema
import pytest
from support.relocation import image, moves, one_text, texts

from airgap_bundle.boundary.relocation.crio import crio
from airgap_bundle.boundary.relocation.k3s import k3s, rke2
from airgap_bundle.boundary.relocation.moves import Home
from airgap_bundle.boundary.relocation.openshift import openshift
from airgap_bundle.discovery.plain import plain_values
from airgap_bundle.manifest.looseyaml import parse_stream

PLAIN = Home(host="registry.internal:5000", prefix="mirror", plain_http=True)
CA = Home(host="registry.internal:5000", prefix="mirror", ca_file="/etc/ssl/internal.crt")
APP, WEB, JOB = "ghcr.io/acme/app:1.0", "ghcr.io/acme/web:1.0", "docker.io/library/job:2"
# Written from the resource definition of config.openshift.io/v1 (openshift/api).
_NAME = r"([a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_PLACE = rf"^({_NAME}(\.{_NAME})*(:[0-9]+)?)((/[a-z0-9]+((([._]|__|[-]*)[a-z0-9]+)+)?)+)?$"


def mirror_set(kind: str, key: str) -> dict[str, Any]:
    rule = {
        "type": "object",
        "additionalProperties": False,
        "required": ["source"],
        "properties": {
            "source": {"type": "string", "pattern": _PLACE},
            "mirrors": {"type": "array", "uniqueItems": True, "items": {"type": "string", "pattern": _PLACE}},
            "mirrorSourcePolicy": {"enum": ["NeverContactSource", "AllowContactingSource"]},
        },
    }
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "properties": {
            "apiVersion": {"const": "config.openshift.io/v1"},
            "kind": {"const": kind},
            "metadata": {"properties": {"name": {"pattern": r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", "maxLength": 253}}},
            "spec": {"additionalProperties": False, "properties": {key: {"type": "array", "items": rule}}},
        },
    }


# Written from "Private Registry Configuration" of the documentation of k3s.
_TLS = {name: {"type": "string"} for name in ("cert_file", "key_file", "ca_file")}
REGISTRIES = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "mirrors": {
            "additionalProperties": {
                "type": "object",
                "additionalProperties": False,
                "properties": {
                    "endpoint": {"type": "array", "items": {"type": "string", "pattern": "^https?://[^/]+(/.*)?$"}},
                    "rewrite": {"type": "object", "additionalProperties": {"type": "string"}},
                },
            }
        },
        "configs": {
            "additionalProperties": {"properties": {"tls": {"additionalProperties": False, "properties": _TLS}}}
        },
    },
}


def read(text: str) -> dict[str, Any]:
    (document,) = parse_stream(text, "x").documents
    return plain_values(document)


def test_registries_conf_redirects_hosts_and_gives_what_is_elsewhere_its_own_rule() -> None:
    made = moves(image(APP), image(WEB), image(JOB), image("ghcr.io/x/y:1", "cache/y2"))
    output = crio(made)
    assert output.unplaced == ()
    assert tomllib.loads(one_text(output)) == {
        "registry": [
            {"prefix": "docker.io", "location": "registry.internal:5000/mirror/docker.io"},
            {"prefix": "ghcr.io", "location": "registry.internal:5000/mirror/ghcr.io"},
            {"prefix": "ghcr.io/x/y", "location": "registry.internal:5000/mirror/cache/y2"},
        ]
    }


def test_registries_conf_says_that_http_is_meant_and_where_a_certificate_belongs() -> None:
    rules = tomllib.loads(one_text(crio(moves(image(APP), home=PLAIN))))["registry"]
    assert [rule["insecure"] for rule in rules] == [True, True]
    assert rules[1]["prefix"] == "registry.internal:5000"
    assert "certs.d/registry.internal:5000/ca.crt" in one_text(crio(moves(image(APP), home=CA)))


def test_mirror_sets_name_a_namespace_where_all_of_it_went_along_else_each_image() -> None:
    items = [image(APP), image(WEB), image("ghcr.io/x/y:1"), image("ghcr.io/x/z:1", "cache/z"), image("quay.io/one:1")]
    made = {path: read(text) for path, text in texts(openshift(moves(*items)).files).items()}
    for path, kind, key in (
        ("idms.yaml", "ImageDigestMirrorSet", "imageDigestMirrors"),
        ("itms.yaml", "ImageTagMirrorSet", "imageTagMirrors"),
    ):
        jsonschema.validate(made[path], mirror_set(kind, key))
        rules = {one["source"]: one["mirrors"] for one in made[path]["spec"][key]}
        assert rules == {
            "ghcr.io/acme": ["registry.internal:5000/mirror/ghcr.io/acme"],
            "ghcr.io/x/y": ["registry.internal:5000/mirror/ghcr.io/x/y"],
            "ghcr.io/x/z": ["registry.internal:5000/mirror/cache/z"],
            "quay.io/one": ["registry.internal:5000/mirror/quay.io/one"],
        }


def test_what_has_no_tag_is_in_the_set_for_digests_alone() -> None:
    made = texts(openshift(moves(image(f"ghcr.io/acme/app@sha256:{'0' * 64}", "ghcr.io/acme/app", tag=""))).files)
    assert list(made) == ["idms.yaml"]


def test_mirror_sets_have_no_form_for_an_address_and_say_so() -> None:
    output = openshift(moves(image("[::1]:5000/acme/app:1", "x/acme/app"), image(APP)))
    assert [one.what for one in output.unplaced] == ["[::1]:5000/acme/app"]
    assert "::1" not in "".join(texts(output.files).values())


def test_the_name_of_a_mirror_set_is_one_that_kubernetes_takes() -> None:
    made = texts(openshift(moves(image(APP), product="acme_x")).files)
    assert read(made["idms.yaml"])["metadata"]["name"] == "airgap-acme-x"


@pytest.mark.parametrize("consumer", [k3s, rke2])
@pytest.mark.parametrize("home", [PLAIN, CA])
def test_registries_yaml_has_one_rewrite_for_a_host(consumer: Any, home: Home) -> None:
    document = read(one_text(consumer(moves(image(APP), image(JOB), home=home))))
    jsonschema.validate(document, REGISTRIES)
    assert document["mirrors"]["ghcr.io"] == {"endpoint": [home.url], "rewrite": {"^(.*)$": "mirror/ghcr.io/$1"}}
    assert ("configs" in document) == bool(home.ca_file)


def test_registries_yaml_has_a_rewrite_for_each_image_where_one_is_elsewhere() -> None:
    document = read(one_text(k3s(moves(image(APP), image(WEB), image("ghcr.io/x.y/z-1:1", "cache/z")))))
    jsonschema.validate(document, REGISTRIES)
    rewrite = document["mirrors"]["ghcr.io"]["rewrite"]
    # In whatever order they are tried, each name fits exactly one.
    found = {
        name: [
            re.sub(pattern, new.replace("$1", r"\1"), name)
            for pattern, new in rewrite.items()
            if re.search(pattern, name)
        ]
        for name in ("acme/app", "acme/web", "x.y/z-1", "xxy/z-1", "acme/app/more")
    }
    assert found == {
        "acme/app": ["mirror/ghcr.io/acme/app"],
        "acme/web": ["mirror/ghcr.io/acme/web"],
        "x.y/z-1": ["mirror/cache/z"],
        "xxy/z-1": [],
        "acme/app/more": [],
    }


def test_registries_yaml_needs_no_rewrite_where_paths_are_the_same() -> None:
    document = read(one_text(k3s(moves(image(APP, "acme/app"), home=Home(host="registry.internal")))))
    assert document["mirrors"] == {"ghcr.io": {"endpoint": ["https://registry.internal"]}}


def test_nothing_comes_of_nothing() -> None:
    for consumer in (crio, openshift, k3s, rke2):
        assert consumer(moves()).files == ()
