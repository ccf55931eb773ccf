"""Values that say where images come from: found, tried by rendering, and named where there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.charts import chart_files, deployment, needs_helm

from airgap_bundle.core.oci import Reference
from airgap_bundle.discovery import rendering
from airgap_bundle.discovery.chart import make_chart
from airgap_bundle.discovery.key_trials import find_settings
from airgap_bundle.discovery.value_keys import MAX_CANDIDATES
from airgap_bundle.manifest.settings import Form, Setting

if TYPE_CHECKING:
    from collections.abc import Mapping

Found = set[tuple[str, str, str]]
REDIS, APP = "docker.io/library/redis:7.2", "ghcr.io/acme/app:1.0"

PORT = "registry.example:8443/acme/app:1.0"


def find(files: Mapping[str, bytes], *values: str, known: tuple[str, ...] = (APP, REDIS)) -> tuple[Setting, ...]:
    return find_settings(make_chart(files), list(values), [Reference.parse(name) for name in known])


def found(settings: tuple[Setting, ...]) -> Found:
    return {(one.at, str(one.form), one.text) for one in settings}


def one_template(image: str, values: str, *more: str, known: tuple[str, ...] = (APP, REDIS)) -> Found:
    settings = find(chart_files({"x.yaml": deployment("x", image)}, values), *more, known=known)
    assert all(one.proof == "rendered" for one in settings if one.form is not Form.LIST)
    return found(settings)


pytestmark = needs_helm


@pytest.mark.parametrize(
    ("image", "values", "expected"),
    [
        ("{{ .Values.image }}", "image: redis:7.2", {("/image", "reference", REDIS)}),
        (
            "{{ .Values.image }}:{{ .Values.tag }}",
            "image: redis\ntag: '7.2'",
            {("/image", "name", REDIS), ("/tag", "tag", REDIS)},
        ),
        (
            "{{ .Values.i.repository }}:{{ .Values.i.tag | default .Chart.AppVersion }}",
            "i: {repository: ghcr.io/acme/app, tag: ''}",
            {("/i/repository", "name", APP), ("/i/tag", "tag", APP)},
        ),
        # What cuts, checks or changes the tag takes no digest.
        (
            "{{ .Values.i.repository }}:{{ .Values.i.tag | trunc 20 }}",
            "i: {repository: ghcr.io/acme/app, tag: '1.0'}",
            {("/i/repository", "name", APP)},
        ),
        (
            '{{ .Values.i.repository }}:{{ if semverCompare ">=1.0" .Values.i.tag }}{{ .Values.i.tag }}{{ end }}',
            "i: {repository: ghcr.io/acme/app, tag: '1.0'}",
            {("/i/repository", "name", APP)},
        ),
        ("{{ .Values.image }}:7.2", "image: redis", {("/image", "name", REDIS)}),
        ("{{ .Values.image }}", f"image: {PORT}", {("/image", "reference", PORT)}),
        (
            "{{ .Values.i.registry }}/{{ .Values.i.repository }}:{{ .Values.i.tag }}",
            "i: {registry: ghcr.io, repository: acme/app, tag: '1.0', digest: ''}",
            {("/i/registry", "registry", APP), ("/i/repository", "repository", APP), ("/i/tag", "tag", APP)},
        ),
        (
            "{{ .Values.i.repository }}:{{ .Values.i.tag }}{{ with .Values.i.digest }}@{{ . }}{{ end }}",
            "i: {registry: '', repository: ghcr.io/acme/app, tag: '1.0', digest: ''}",
            {("/i/repository", "name", APP), ("/i/digest", "digest", APP)},
        ),
        (
            "{{ .Values.appImageRegistry }}/{{ .Values.appImageRepository }}:1.0",
            "appImageRegistry: ghcr.io\nappImageRepository: acme/app",
            {("/appImageRegistry", "registry", APP), ("/appImageRepository", "repository", APP)},
        ),
        (
            "{{ .Values.global.imageRegistry }}/{{ .Values.repository }}:1.0",
            "global: {imageRegistry: ghcr.io}\nrepository: acme/app",
            {("/global/imageRegistry", "registry", APP), ("/repository", "repository", APP)},
        ),
        ('{{ .Values.a.image | default "redis:7.2" }}', "a: {}", {("/a/image", "reference", REDIS)}),
        ('{{ default "redis:7.2" .Values.image }}', "image: ''", {("/image", "reference", REDIS)}),
        (
            "{{ index .Values.images 0 }}",
            "images: [redis:7.2]",
            {("/images", "list", '["redis:7.2"]'), ("/images/0", "reference", REDIS)},
        ),
        # What only looks like it: the name of a cache, a registry that the template writes itself.
        ("ghcr.io/{{ .Values.image }}:1.0", "image: acme/app\nname: redis", set()),
    ],
)
def test_a_value_is_found_in_the_form_that_the_chart_wants(image: str, values: str, expected: Found) -> None:
    assert {one for one in one_template(image, values) if one[1] != "fixed"} == expected


@pytest.mark.parametrize(
    "label", ["{{ .Values.i.tag }}", "v-{{ .Values.i.tag | trunc 12 }}", '{{ .Values.i.tag | replace "@" "_" }}']
)
def test_a_tag_that_is_a_label_too_gets_no_digest(label: str) -> None:
    template = deployment("x", "{{ .Values.i.repository }}:{{ .Values.i.tag }}") + (
        f"---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: y, labels: {{version: '{label}'}}}}\n"
    )
    values = "i: {repository: ghcr.io/acme/app, tag: '1.0'}"
    assert found(find(chart_files({"x.yaml": template}, values))) == {("/i/repository", "name", APP)}


def test_a_tag_that_two_images_share_gets_no_digest() -> None:
    known = (APP, "ghcr.io/acme/ui:1.0")
    template = deployment("x", "{{ .Values.apiRepository }}:{{ .Values.tag }}") + (
        f"---\n{deployment('y', '{{ .Values.uiRepository }}:{{ .Values.tag }}')}"
    )
    values = "apiRepository: ghcr.io/acme/app\nuiRepository: ghcr.io/acme/ui\ntag: '1.0'"
    assert found(find(chart_files({"x.yaml": template}, values), known=known)) == {
        ("/apiRepository", "name", APP),
        ("/uiRepository", "name", known[1]),
    }


def test_a_tag_that_nobody_could_try_gets_no_digest() -> None:
    files = chart_files({"x.yaml": '{{ fail "never" }}'}, "i: {repository: ghcr.io/acme/app, tag: '1.0'}")
    assert [(one.at, one.form, one.proof) for one in find(files)] == [("/i/repository", Form.NAME, "")]


def test_an_image_that_no_value_moves_is_named_with_its_place() -> None:
    assert one_template("ghcr.io/{{ .Values.image }}:1.0", "image: acme/app") == {
        ("app/templates/x.yaml:10 (spec.template.spec.containers[0].image)", "fixed", APP)
    }


def test_a_subchart_is_set_under_its_alias() -> None:
    inner = chart_files({"y.yaml": deployment("y", "{{ .Values.image }}")}, "image: redis:7.2", name="cache")
    files = chart_files({}, "", more="dependencies: [{name: cache, version: 1.0.0, alias: store}]\n")
    files |= {f"charts/cache/{name}": raw for name, raw in inner.items()}
    assert found(find(files)) == {("/store/image", "reference", REDIS)}


def test_a_chart_that_refuses_other_registries_is_told_to_take_them() -> None:
    check = (
        '{{- if and (not .Values.global.security.allowInsecureImages) (ne .Values.image.registry "docker.io") }}'
        '{{ fail "unrecognized images" }}{{ end }}\n'
    )
    template = check + deployment("x", "{{ .Values.image.registry }}/{{ .Values.image.repository }}:7.2")
    values = "global: {security: {allowInsecureImages: false}}\nimage: {registry: docker.io, repository: library/redis}"
    assert found(find(chart_files({"x.yaml": template}, values))) == {
        ("/image/registry", "registry", REDIS),
        ("/image/repository", "repository", REDIS),
        ("/global/security/allowInsecureImages", "true", ""),
    }


def test_a_value_with_which_the_chart_does_not_render_is_not_used() -> None:
    template = '{{- if contains "@" .Values.image }}{{ fail "no digests" }}{{ end }}\n' + deployment(
        "x", "{{ .Values.image }}"
    )
    assert found(find(chart_files({"x.yaml": template}, "image: redis:7.2"))) == {("/image", "tagged", REDIS)}


def test_what_a_switch_brings_is_tried_where_it_travels() -> None:
    template = "{{- if .Values.cache.enabled }}\n" + deployment("x", "{{ .Values.cache.image }}:7.2") + "{{- end }}\n"
    files = chart_files({"x.yaml": template}, "cache: {enabled: false, image: redis}")
    (setting,) = find(files)
    assert (setting.at, setting.form, setting.proof) == ("/cache/image", Form.NAME, "rendered")
    assert find(files, known=(APP,)) == ()


def test_values_that_the_manifest_names_count_and_their_lists_do_not_travel() -> None:
    template = deployment("x", "{{ .Values.image }}") + "".join(
        f"---\n{deployment('y', '{{ (index .Values.extra 0).image }}')}"
    )
    files = chart_files({"x.yaml": template}, "image: busybox:1\nextra: [{image: 'busybox:1'}]")
    secret = "image: redis:7.2\nextra: [{image: 'redis:7.2', password: secret}]"  # what nobody carries around
    settings = find(files, secret)
    assert ("/image", "reference", REDIS) in found(settings)
    assert "secret" not in repr(settings)
    assert [one.text for one in settings if one.form is Form.FIXED] == [REDIS]


@pytest.mark.parametrize("key", ["\u202eimage", "a\nimage"])
def test_a_key_that_cannot_be_kept_is_passed_over(key: str) -> None:
    values = f'"{key.encode("unicode_escape").decode()}": redis:7.2\nimage: ghcr.io/acme/app:1.0'
    template = deployment("x", "{{ .Values.image }}") + "---\n" + deployment("y", f"{{{{ index .Values {_go(key)} }}}}")
    settings = found(find(chart_files({"x.yaml": template}, values)))
    assert ("/image", "reference", APP) in settings
    assert all(one[1] == "fixed" or one[2] == APP for one in settings)


def _go(text: str) -> str:
    return '"' + text.encode("unicode_escape").decode() + '"'


def test_a_chart_that_does_not_render_gives_guesses_that_are_called_so() -> None:
    files = chart_files({"x.yaml": '{{ fail "never" }}'}, "image: redis:7.2")
    assert [(one.at, one.form, one.proof) for one in find(files)] == [("/image", Form.REFERENCE, "")]


def test_without_helm_there_are_guesses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering, "_library_directory", lambda: None)
    monkeypatch.setattr(rendering.helm_program, "find", lambda: None)
    files = chart_files(
        {"x.yaml": deployment("x", "{{ .Values.image }}")}, "image: redis:7.2\nother: {image: quay.io/x/y:1}"
    )
    assert [(one.at, one.form, one.proof) for one in find(files)] == [("/image", Form.REFERENCE, "")]


def test_a_chart_with_too_many_keys_ends() -> None:
    many = "\n".join(f"i{n}: {{image: 'redis:7.2'}}" for n in range(3000))
    files = chart_files({"x.yaml": deployment("x", "{{ .Values.i0.image }}")}, many)
    settings = find(files)
    assert len(settings) == MAX_CANDIDATES
    assert [one.at for one in settings if one.proof] == ["/i0/image"]
