"""Images of charts: rendered, switched on, listed, guessed; and what a hostile chart gets."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from support.charts import chart_files, deployment, needs_helm, write_archive, write_chart

from airgap_bundle.core.errors import DocumentError
from airgap_bundle.discovery import charts, helm_needs, rendering
from airgap_bundle.discovery.archive import pack
from airgap_bundle.discovery.chart import make_chart
from airgap_bundle.discovery.charts import discover_archive, discover_chart, discover_files

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from airgap_bundle.discovery.finds import Discovery


def found(files: Mapping[str, bytes], *values: str) -> Discovery:
    return discover_archive(pack(files, "app"), "app.tgz", values)


def listed(discovery: Discovery) -> dict[str, str]:
    """Certainty by image."""
    return {find.image: find.certainty.value for find in discovery.finds}


def places(discovery: Discovery, image: str) -> tuple[str, ...]:
    return next(find.found for find in discovery.finds if find.image == image)


@needs_helm
def test_the_template_line_and_the_values_key_are_named() -> None:
    values = "web:\n  image: {registry: ghcr.io, repository: acme/web, tag: '1.0'}\n"
    image = '"{{ .Values.web.image.registry }}/{{ .Values.web.image.repository }}:{{ .Values.web.image.tag }}"'
    seen = found(chart_files({"web.yaml": deployment("web", image)}, values))
    assert listed(seen) == {"ghcr.io/acme/web:1.0": "rendered"}
    assert places(seen, "ghcr.io/acme/web:1.0") == ("app/templates/web.yaml:10 (values web.image)",)


@needs_helm
@pytest.mark.parametrize(
    ("values", "condition", "switch"),
    [
        ("extra: {enabled: false}", ".Values.extra.enabled", "extra.enabled=true"),
        ("redis: {local_setup: false}", ".Values.redis.local_setup", "redis.local_setup=true"),
        ("image: {chroot: false}", ".Values.image.chroot", "image.chroot=true"),
        ("metricsEnabled: false", ".Values.metricsEnabled", "metricsEnabled=true"),
        ("kind: Deployment", 'eq .Values.kind "DaemonSet"', "kind=DaemonSet"),
        ("legacy: {}", ".Values.legacy.enabled", "legacy.enabled=true"),
        ("existing: ''", ".Values.existing", "existing=airgap-stub"),
        ("modern: {enabled: true}", "not .Values.modern.enabled", "modern.enabled=false"),
    ],
)
def test_each_kind_of_switch_is_turned_and_what_it_brings_is_listed_apart(
    values: str, condition: str, switch: str
) -> None:
    template = f"{{{{ if {condition} }}}}\n{deployment('extra', 'ghcr.io/acme/extra:1')}{{{{ end }}}}"
    templates = {"web.yaml": deployment("web", "ghcr.io/acme/web:1"), "extra.yaml": template}
    seen = found(chart_files(templates, values))
    assert listed(seen) == {"ghcr.io/acme/web:1": "rendered", "ghcr.io/acme/extra:1": "switch"}
    assert places(seen, "ghcr.io/acme/extra:1")[0].endswith(f"with {switch}")


@needs_helm
def test_a_switch_below_another_one_is_turned_with_it() -> None:
    inner = "{{ if .Values.a.exporter.enabled }}\n        - image: ghcr.io/acme/exporter:1\n{{ end }}"
    template = "{{ if .Values.a.enabled }}\n" + deployment("a", "ghcr.io/acme/a:1") + inner + "{{ end }}"
    seen = found(chart_files({"a.yaml": template}, "a: {enabled: false, exporter: {enabled: false}}"))
    assert listed(seen) == {"ghcr.io/acme/a:1": "switch", "ghcr.io/acme/exporter:1": "switch"}


@needs_helm
@pytest.mark.parametrize(
    "demand",
    [
        '{{ required "db.host is required" .Values.db.host }}',
        '{{ if not .Values.db.host }}{{ fail "please set the database" }}{{ end }}',
        "{{ .Values.db.settings.port }}",
    ],
)
def test_values_that_a_template_demands_are_made_up_and_reported(demand: str) -> None:
    template = deployment("web", "ghcr.io/acme/web:1", f"          args: ['{demand}']\n")
    seen = found(chart_files({"web.yaml": template}, "db: {host: ''}"))
    assert listed(seen) == {"ghcr.io/acme/web:1": "rendered"}
    assert "values that the chart demands were made up: db." in seen.unresolved[0].message


@needs_helm
def test_an_image_made_of_a_demanded_value_is_no_find() -> None:
    seen = found(chart_files({"web.yaml": deployment("web", '{{ required "img is required" .Values.web.img }}:1')}))
    assert listed(seen) == {}
    assert any("leaves open" in one.message for one in seen.unresolved)


@needs_helm
def test_a_template_that_cannot_be_rendered_does_not_hide_the_others() -> None:
    sum_of_bad = '{{ include (print $.Template.BasePath "/bad.yaml") . | sha256sum }}'
    web = deployment("web", "ghcr.io/acme/web:1", f"          args: ['{sum_of_bad}']\n")
    templates = {"web.yaml": web, "bad.yaml": '{{ fail "never" }}'}
    seen = found(chart_files(templates))
    assert listed(seen) == {"ghcr.io/acme/web:1": "rendered"}
    assert seen.unresolved[0].where == "app/templates/bad.yaml"


@needs_helm
def test_tests_travel_only_with_everything() -> None:
    test = deployment("check", "ghcr.io/acme/check:1").replace(
        "  name: check\n", "  name: check\n  annotations: {helm.sh/hook: test}\n", 1
    )
    hook = test.replace("hook: test", "hook: pre-install").replace("check", "job")
    seen = found(chart_files({"t.yaml": test, "j.yaml": hook}))
    assert listed(seen) == {"ghcr.io/acme/job:1": "rendered", "ghcr.io/acme/check:1": "switch"}


@needs_helm
def test_templates_below_tests_are_rendered_and_prose_and_schemas_are_not_needed() -> None:
    template = "{{ if .Values.test.enabled }}\n" + deployment("t", "ghcr.io/acme/test:1") + "{{ end }}"
    files = chart_files({"tests/t.yaml": template}, "test: {enabled: false}")
    files |= {"crds/x.yaml": b"kind: [", "README.md": b"# app", "charts/sub/crds/y.yaml": b"", "ci/v.yaml": b""}
    assert listed(found(files)) == {"ghcr.io/acme/test:1": "switch"}
    assert set(helm_needs.needed_files(make_chart(files))) == {"Chart.yaml", "values.yaml", "templates/tests/t.yaml"}


@needs_helm
def test_subcharts_are_searched_and_missing_ones_said() -> None:
    sub = chart_files({"s.yaml": deployment("s", "ghcr.io/acme/sub:1")}, name="sub")
    packed = chart_files({"p.yaml": deployment("p", "ghcr.io/acme/packed:1")}, name="packed")
    dependencies = (
        "dependencies:\n"
        "  - {name: sub, version: 1.0.0, repository: '', condition: sub.enabled}\n"
        "  - {name: packed, version: 1.0.0, repository: ''}\n"
        "  - {name: gone, version: 2.x, repository: 'https://charts.example.net'}\n"
    )
    files = chart_files({}, "sub: {enabled: false}", more=dependencies)
    files |= {f"charts/sub/{name}": raw for name, raw in sub.items()}
    files["charts/packed-1.0.0.tgz"] = pack(packed, "packed")
    seen = found(files)
    assert listed(seen) == {"ghcr.io/acme/packed:1": "rendered", "ghcr.io/acme/sub:1": "switch"}
    assert "depends on gone 2.x from https://charts.example.net" in seen.unresolved[0].message
    assert [risk.kind for risk in seen.risks] == ["chart-dependency"]


@needs_helm
def test_annotations_and_locks_are_read() -> None:
    annotations = "annotations:\n  images: |\n    - {name: a, image: 'ghcr.io/acme/listed:1'}\n"
    files = chart_files({}, more=annotations)
    files["Images.lock"] = b"images:\n- {name: b, image: 'ghcr.io/acme/locked:1'}\n"
    assert listed(found(files)) == {"ghcr.io/acme/listed:1": "switch", "ghcr.io/acme/locked:1": "switch"}


@needs_helm
def test_values_files_decide_what_is_deployed() -> None:
    template = "{{ if .Values.extra.enabled }}\n" + deployment("extra", "ghcr.io/acme/extra:1") + "{{ end }}"
    files = chart_files({"extra.yaml": template}, "extra: {enabled: false}")
    assert listed(found(files, "extra: {enabled: true}\n")) == {"ghcr.io/acme/extra:1": "rendered"}


def test_without_helm_values_are_scanned_and_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering, "_library_directory", lambda: None)
    monkeypatch.setenv("PATH", "")
    values = "a: {image: {repository: ghcr.io/acme/a, tag: '1'}}\nb: {imageRepository: acme/b, imageTag: '2'}\n"
    seen = found(chart_files({"c.yaml": deployment("c", "ghcr.io/acme/c:1")}, values))
    assert listed(seen) == dict.fromkeys(["docker.io/acme/b:2", "ghcr.io/acme/a:1", "ghcr.io/acme/c:1"], "guess")
    assert seen.scanned_only
    assert "only scanned" in seen.remarks[0]


@needs_helm
def test_a_helm_program_serves_as_well(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import sys  # noqa: PLC0415 - only here

    library = rendering._library_directory()
    program = tmp_path / "helm"
    program.write_text(
        f"#!{sys.executable}\n"
        "import json, sys\n"
        f"sys.path.append({library!r})\n"
        "import helm_python\n"
        "chart, values = sys.argv[3], json.load(open(sys.argv[5]))\n"
        "try:\n"
        "    for name, text in helm_python.Chart.load(chart).render(values, name='release').items():\n"
        "        print('---\\n# Source: ' + name + '\\n' + text)\n"
        "except helm_python.HelmError as error:\n"
        "    sys.exit('Error: ' + str(error))\n"
    )
    program.chmod(0o755)
    monkeypatch.setattr(rendering, "_library_directory", lambda: None)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    template = "{{ if .Values.extra.enabled }}\n" + deployment("extra", "ghcr.io/acme/extra:1") + "{{ end }}"
    templates = {
        "web.yaml": deployment("web", '{{ required "web.img is needed" .Values.web.img }}'),
        "x.yaml": template,
    }
    seen = found(chart_files(templates, "extra: {enabled: false}\nweb: {}\n"), "web: {img: 'ghcr.io/acme/web:1'}")
    assert listed(seen) == {"ghcr.io/acme/web:1": "rendered", "ghcr.io/acme/extra:1": "switch"}


@needs_helm
def test_rendering_reads_no_file_and_reaches_no_network(tmp_path: Path) -> None:
    secret = tmp_path / "secret.yaml"
    secret.write_text("leak: ghcr.io/acme/leaked:1\n")
    reading = (
        f'{{{{ .Files.Get "{secret}" }}}}\n{{{{ .Files.Get "../../secret.yaml" }}}}\n'
        'name: {{ getHostByName "example.com" }}\nmap: {{ lookup "v1" "Secret" "default" "x" | toJson }}\n'
    )
    files = chart_files({"web.yaml": deployment("web", "ghcr.io/acme/web:1"), "r.yaml": reading})
    chart = write_chart(tmp_path / "chart", files)
    (chart / "templates" / "link.yaml").symlink_to(secret)
    (chart / "charts").symlink_to(tmp_path)
    assert listed(discover_chart(chart)) == {"ghcr.io/acme/web:1": "rendered"}


@needs_helm
def test_a_chart_that_renders_for_ever_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering, "_GRACE_SECONDS", 2.0)
    endless = "{{ range $i := until 100000 }}{{ range $j := until 100000 }}{{ end }}{{ end }}"
    files = chart_files({"web.yaml": deployment("web", "ghcr.io/acme/web:1"), "e.yaml": endless})
    started = time.monotonic()
    seen = discover_files(make_chart(files), seconds=1)
    assert time.monotonic() - started < 20
    assert "too long" in seen.unresolved[0].message
    assert listed(seen) == {"ghcr.io/acme/web:1": "guess"}


@needs_helm
def test_a_chart_that_takes_all_memory_is_stopped() -> None:
    bomb = '{{ $x := "aaaaaaaaaaaaaaaa" }}{{ range $i := until 40 }}{{ $x = print $x $x }}{{ end }}{{ $x }}'
    seen = discover_files(make_chart(chart_files({"b.yaml": bomb})), seconds=20)
    assert seen.scanned_only
    assert seen.unresolved


@needs_helm
def test_aliases_of_aliases_in_rendered_text_end() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    seen = found(chart_files({"b.yaml": "\n".join(lines) + "\n", "w.yaml": deployment("w", "ghcr.io/acme/w:1")}))
    assert "ghcr.io/acme/w:1" in listed(seen)
    assert any("values" in one.message for one in seen.unresolved)


@pytest.mark.parametrize(
    "raw", [b"", b"no gzip at all", pack({"values.yaml": b""}), pack({"Chart.yaml": b"name: a\n"})[:40]]
)
def test_what_is_no_chart_is_refused(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "app.tgz"
    path.write_bytes(raw)
    with pytest.raises(DocumentError, match="not a chart"):
        discover_chart(path)


def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airgap_bundle.discovery.archive.MAX_UNPACKED_BYTES", 100_000)
    path = write_archive(tmp_path / "app.tgz", {"Chart.yaml": b"name: a\n", "zeros": bytes(200_000)})
    with pytest.raises(DocumentError, match="unpacks to more"):
        discover_chart(path)


def test_the_remark_about_a_missing_helm_names_the_extra() -> None:
    assert "airgap-bundle[helm]" in charts._NO_HELM
