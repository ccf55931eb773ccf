"""Images of Compose projects, Dockerfiles, Kubernetes manifests, kustomizations and lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from airgap_bundle.core.errors import UsageError
from airgap_bundle.discovery.discover import discover_path, discover_workload
from airgap_bundle.discovery.interpolation import Interpolation, parse_environment

if TYPE_CHECKING:
    from pathlib import Path

    from airgap_bundle.discovery.finds import Discovery


def listed(discovery: Discovery) -> dict[str, str]:
    return {find.image: find.certainty.value for find in discovery.finds}


def compose(tmp_path: Path, text: str, **others: str) -> Discovery:
    for name, content in others.items():
        path = tmp_path / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    (tmp_path / "compose.yaml").write_text(text)
    return discover_path(tmp_path / "compose.yaml")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$A", "one"),
        ("${A}", "one"),
        ("${A:-x}", "one"),
        ("${E:-x}", "x"),
        ("${E-x}", ""),
        ("${N:-x}", "x"),
        ("${N-${A}}", "one"),
        ("${N:-${M:-deep}}", "deep"),
        ("${A:+yes}", "yes"),
        ("${N:+yes}", ""),
        ("$$A", "$A"),
        ("a$", "a$"),
        ("${A", "${A"),
        ("x/${A}:${N:-1}-$A", "x/one:1-one"),
    ],
)
def test_variables_are_filled_in_as_compose_does(text: str, expected: str) -> None:
    assert Interpolation(variables={"A": "one", "E": ""}).fill(text) == expected


def test_environment_files_have_quotes_comments_and_earlier_variables() -> None:
    text = "# c\nexport A=1 # one\nB='$A #'\nC=\"$A-x\"\nD=${A}${C}\nnonsense\nA=2\n"
    assert parse_environment(text) == {"A": "2", "B": "$A #", "C": "1-x", "D": "11-x"}


def test_services_are_found_with_their_place_and_profiles_are_switches(tmp_path: Path) -> None:
    text = (
        "x-base: &base {image: 'ghcr.io/acme/base:1'}\n"
        "services:\n"
        "  web: {image: 'ghcr.io/acme/web:${TAG:-1.0}'}\n"
        "  job: {<<: *base, profiles: [tools]}\n"
        "  short: {image: redis}\n"
    )
    seen = compose(tmp_path, text)
    assert listed(seen) == {
        "docker.io/library/redis:latest": "rendered",
        "ghcr.io/acme/web:1.0": "rendered",
        "ghcr.io/acme/base:1": "switch",
    }
    assert seen.finds[1].found == (f"{tmp_path}/compose.yaml:3:16 (services.web)",)
    assert "with the profile tools" in seen.finds[2].found[0]


def test_a_variable_that_is_set_nowhere_is_said(tmp_path: Path) -> None:
    seen = compose(tmp_path, "services: {a: {image: 'x/a:$TAG'}, b: {image: '${IMG:?give one}'}}\n")
    assert listed(seen) == {}
    said = " ".join(one.message for one in seen.unresolved)
    assert "TAG is set nowhere" in said
    assert "IMG is demanded: give one" in said


def test_the_environment_of_whoever_runs_it_is_not_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAG", "evil")
    assert listed(compose(tmp_path, "services: {a: {image: 'x.io/a:${TAG:-1}'}}\n")) == {"x.io/a:1": "rendered"}


def test_extends_and_include_are_followed_and_nothing_outside_is_read(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    (tmp_path / "outside.yaml").write_text("services: {o: {image: 'x.io/outside:1'}}\n")
    seen = compose(
        inside,
        "include: [more/compose.yaml, ../outside.yaml, 'oci://x.io/project:1']\n"
        "services:\n"
        "  web: {extends: {file: base.yaml, service: base}, command: run}\n"
        "  own: {extends: base2}\n"
        "  base2: {image: 'x.io/base2:1', profiles: [never]}\n"
        "  loop: {extends: loop}\n",
        base_yaml="services: {base: {image: 'x.io/base:1'}}\n",
        more__compose_yaml="services: {more: {image: 'x.io/more:${T}'}}\n",
        more___env="T=7\n",
    )
    assert listed(seen) == {"x.io/base:1": "rendered", "x.io/base2:1": "rendered", "x.io/more:7": "rendered"}
    said = " ".join(one.message for one in seen.unresolved)
    assert "outside the project" in said
    assert "from elsewhere" in said
    assert "extends itself" in said


def test_what_is_built_is_said_and_its_base_images_are_guesses(tmp_path: Path) -> None:
    seen = compose(
        tmp_path,
        "services: {a: {build: ./app}, b: {build: ., image: 'local/b:dev'}}\n",
        app__Dockerfile="FROM golang:1.24 AS build\nFROM scratch\nCOPY --from=build /a /a\n",
    )
    assert set(listed(seen).values()) == {"guess"}
    assert set(listed(seen)) == {"docker.io/library/golang:1.24", "docker.io/local/b:dev"}
    assert sum("is built from" in one.message for one in seen.unresolved) == 2


def test_a_dockerfile_names_bases_mounts_copies_and_its_syntax(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(
        "# syntax=docker/dockerfile:1\n"
        "ARG GO=1.24\nARG EMPTY\n"
        "FROM --platform=$BUILDPLATFORM golang:${GO} AS build\n"
        "RUN --mount=type=bind,from=ghcr.io/acme/tools:2,target=/t \\\n  make\n"
        "RUN <<EOF\nFROM no/image:1\nEOF\n"
        "FROM build AS second\n"
        "FROM ghcr.io/acme/base@sha256:" + "ab" * 32 + "\n"
        "COPY --from=BUILD /a /a\nCOPY --from=0 /b /b\nCOPY --from=busybox:1 /c /c\n"
        "FROM ${EMPTY}\n"
    )
    seen = discover_path(tmp_path / "Dockerfile")
    assert set(listed(seen)) == {
        "docker.io/docker/dockerfile:1",
        "docker.io/library/golang:1.24",
        "ghcr.io/acme/tools:2",
        f"ghcr.io/acme/base@sha256:{'ab' * 32}",
        "docker.io/library/busybox:1",
    }
    assert len(seen.unresolved) == 1


def kubernetes(tmp_path: Path, text: str) -> Discovery:
    (tmp_path / "k8s.yaml").write_text(text)
    return discover_path(tmp_path / "k8s.yaml")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            "spec: {template: {spec: {containers: [{image: busybox}]}}}",
            {"docker.io/library/busybox:latest": "rendered"},
        ),
        ("spec: {initContainers: [{image: 'a.io/b:1'}]}", {"a.io/b:1": "rendered"}),
        ("spec: {ephemeralContainers: [{image: 'a.io/b:1'}]}", {"a.io/b:1": "rendered"}),
        (
            "spec: {headGroupSpec: {template: {spec: {containers: [{image: ray}]}}}}",
            {"docker.io/library/ray:latest": "rendered"},
        ),
        ("spec: {image: 'quay.io/prometheus/prometheus:v3'}", {"quay.io/prometheus/prometheus:v3": "rendered"}),
        ("spec: {image: {repository: a.io/b, tag: '1'}}", {"a.io/b:1": "rendered"}),
        ("spec: {sidecarImage: 'a.io/b:1'}", {"a.io/b:1": "rendered"}),
        ("spec: {volumes: [{name: v, image: {reference: 'a.io/v:1'}}]}", {"a.io/v:1": "rendered"}),
        (
            "spec: {containers: [{image: 'a.io/o:1', args: ['--agent-image=a.io/b:1']}]}",
            {"a.io/o:1": "rendered", "a.io/b:1": "rendered"},
        ),
        ("spec: {containers: [{args: ['--agent-image', 'a/b:1']}]}", {"docker.io/a/b:1": "rendered"}),
        (
            "spec: {containers: [{args: ['--reloader=a.io/b:1', '--url=http://a.io/b:1', '--x=a/b:1']}]}",
            {"a.io/b:1": "rendered"},
        ),
        ("spec: {containers: [{env: [{name: RELATED_IMAGE_X, value: 'a.io/b:1'}]}]}", {"a.io/b:1": "rendered"}),
        (
            "spec: {containers: [{env: [{name: WORKER_IMAGE, value: 'a/b:1'}, {name: X, value: 'a.io/c:1'}]}]}",
            {"docker.io/a/b:1": "rendered", "a.io/c:1": "guess"},
        ),
        ("spec: {containers: [{command: [sh, -c, 'kubectl run x --image=a.io/b:1 || true']}]}", {"a.io/b:1": "guess"}),
        ("spec: {relatedImages: [{name: x, image: 'a.io/b:1'}]}", {"a.io/b:1": "rendered"}),
        ("spec: {image: true, logo: {image: 'logo.png'}, imagePullPolicy: Always}", {}),
        ("spec: {validation: {openAPIV3Schema: {properties: {image: {default: 'a.io/b:1'}}}}}", {}),
    ],
)
def test_every_place_of_a_document_is_walked(tmp_path: Path, body: str, expected: dict[str, str]) -> None:
    seen = kubernetes(tmp_path, f"apiVersion: acme/v1\nkind: Thing\n{body}\n")
    assert listed(seen) == expected


def test_schemas_of_custom_resources_are_passed_over(tmp_path: Path) -> None:
    text = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nspec: {x: {image: 'a.io/b:1'}}\n"
    assert listed(kubernetes(tmp_path, text)) == {}


def test_yaml_inside_a_config_map_is_walked_and_templates_there_are_guessed(tmp_path: Path) -> None:
    seen = kubernetes(
        tmp_path,
        "apiVersion: v1\nkind: ConfigMap\ndata:\n"
        "  pod.yaml: |\n    spec:\n      containers:\n      - image: a.io/helper:1\n"
        "  agent_image: a.io/agent:1\n"
        "  tmpl: |\n    image: a.io/sidecar:1\n    other: {{ .X }}\n    image: '{{ .Image }}'\n"
        "  plain: see a.io/nothing:1\n",
    )
    assert listed(seen) == {"a.io/agent:1": "rendered", "a.io/helper:1": "rendered", "a.io/sidecar:1": "guess"}
    assert "before it runs" in seen.unresolved[0].message


def test_a_broken_document_does_not_hide_the_others(tmp_path: Path) -> None:
    seen = kubernetes(
        tmp_path,
        "apiVersion: v1\nkind: Pod\nspec: {containers: [{image: a.io/one:1}]}\n---\nkind: [\nimage: a.io/broken:1\n"
        "---\napiVersion: v1\nkind: Pod\nspec: {containers: [{image: a.io/two:1}]}\n",
    )
    assert listed(seen) == {"a.io/one:1": "rendered", "a.io/two:1": "rendered", "a.io/broken:1": "guess"}
    assert "not readable" in seen.unresolved[0].message


def test_what_installs_another_chart_is_said(tmp_path: Path) -> None:
    text = "apiVersion: argoproj.io/v1alpha1\nkind: Application\nspec: {source: {chart: redis, repoURL: 'https://x'}}\n"
    assert "takes redis from elsewhere" in kubernetes(tmp_path, text).unresolved[0].message


def test_a_kustomization_renames_and_says_what_is_elsewhere(tmp_path: Path) -> None:
    base = tmp_path / "base"
    base.mkdir()
    (base / "kustomization.yaml").write_text("resources: [pod.yaml]\n")
    (base / "pod.yaml").write_text("apiVersion: v1\nkind: Pod\nspec: {containers: [{image: a.io/app:1}, {image: b}]}\n")
    overlay = tmp_path / "overlay"
    overlay.mkdir()
    (overlay / "kustomization.yaml").write_text(
        "resources: [../base, 'https://example.net/x.yaml', ../../../../../../../etc/hosts]\n"
        "images: [{name: a.io/app, newName: c.io/app, newTag: '2'}, {name: b, newTag: '3'}]\n"
    )
    seen = discover_path(overlay)
    assert listed(seen) == {"c.io/app:2": "rendered", "docker.io/library/b:3": "rendered"}
    assert sorted(one.message for one in seen.unresolved) == [
        "comes from elsewhere, so its images are not known here",
        "lies outside, so it was not read",
    ]


POD = "apiVersion: v1\nkind: Pod\nspec: {{containers: [{{image: {}}}]}}\n"


def test_files_that_a_kustomization_leaves_out_are_named(tmp_path: Path) -> None:
    top = tmp_path / "deploy"
    for folder in ("base", "charts/own/templates", "overlays/prod"):
        (top / folder).mkdir(parents=True)
    (top / "kustomization.yaml").write_text(
        "resources: [base, inline.yaml]\npatches: [{path: patch.yaml}]\nhelmCharts: [{name: own}]\n"
    )
    (top / "base" / "Kustomization").write_text("resources: [pod.yaml]\n")
    (top / "base" / "pod.yaml").write_text(POD.format("a.io/base:1"))
    (top / "charts" / "own" / "Chart.yaml").write_text("apiVersion: v2\nname: own\nversion: 1.0.0\n")
    (top / "charts" / "own" / "templates" / "pod.yaml").write_text(POD.format("a.io/chart:1"))
    for name in ("inline.yaml", "patch.yaml"):
        (top / name).write_text(POD.format(f"a.io/{name[:5]}:1"))
    assert discover_path(top).unread == ()
    left_out = ["Dockerfile", "job.json", "base/other.yaml", "overlays/prod/kustomization.yaml", "overlays/prod/p.yaml"]
    for name in left_out:
        (top / name).write_text(POD.format("a.io/hidden:1") if name.endswith("yaml") else "FROM a.io/hidden:1\n")
    (top / "README.md").write_text("not read by anybody")
    seen = discover_path(top)
    assert "a.io/hidden:1" not in listed(seen)
    assert list(seen.unread) == [str(top / name) for name in left_out]
    said = [remark for remark in seen.remarks if "not read" in remark]
    assert said == [
        f"5 files in {top} were not read, as kustomization.yaml deploys none of them: {', '.join(left_out)}"
    ]
    assert discover_workload("kubernetes", top).unread == seen.unread
    # Above it there is none: what lies below a kustomization is left out all the same.
    assert discover_path(tmp_path).unread == seen.unread


def test_lists_have_comments_and_say_what_is_no_reference(tmp_path: Path) -> None:
    (tmp_path / "images.txt").write_text("\ufeff# all\nredis:7  # cache\nA B\n\nghcr.io/x/y@sha256:" + "0" * 64 + "\n")
    seen = discover_path(tmp_path / "images.txt")
    assert listed(seen) == {"docker.io/library/redis:7": "rendered", f"ghcr.io/x/y@sha256:{'0' * 64}": "rendered"}
    assert seen.unresolved[0].where.endswith("images.txt:3")


def test_a_directory_is_searched_and_a_file_of_no_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "pod.yaml").write_text("apiVersion: v1\nkind: Pod\nspec: {containers: [{image: a.io/b:1}]}\n")
    (tmp_path / "a" / "settings.yaml").write_text("image: a.io/none:1\n")
    (tmp_path / "a" / ".hidden.yaml").write_text("apiVersion: v1\nkind: Pod\nspec: {image: 'a.io/hidden:1'}\n")
    (tmp_path / "Dockerfile.web").write_text("FROM a.io/base:1\n")
    assert set(listed(discover_path(tmp_path))) == {"a.io/b:1", "a.io/base:1"}
    assert set(listed(discover_workload("kubernetes", tmp_path / "a"))) >= {"a.io/b:1"}
    (tmp_path / "notes.md").write_text("image: a.io/b:1\n")
    with pytest.raises(UsageError, match="no chart"):
        discover_path(tmp_path / "notes.md")
    with pytest.raises(UsageError, match="does not exist"):
        discover_path(tmp_path / "none.yaml.txt.nothing")


@pytest.mark.parametrize(
    ("body", "kinds"),
    [
        ("args: ['--licence=https://licence.vendor.net/check']", ["outside-host"]),
        ("args: ['--issuer=https://sso.example.com', '--db=https://db.default.svc:5432', '--x=http://10.0.0.1/']", []),
        ("env: [{name: TELEMETRY_ENABLED, value: 'true'}]", ["telemetry"]),
        ("env: [{name: DISABLE_TELEMETRY, value: 'true'}, {name: TELEMETRY_ENABLED, value: 'false'}]", []),
        ("env: [{name: DISABLE_TELEMETRY, value: 'false'}]", ["telemetry"]),
        ("image: acme/a:1\n    imagePullPolicy: Always", ["always-pull"]),
        ("command: [sh, -c, 'apk add --no-cache curl && run']", ["run-time-download"]),
        ("command: [sh, -c, 'curl -fsSL https://get.vendor.net | sh']", ["run-time-download", "outside-host"]),
        ("args: ['--u=http://ocsp.vendor.net/']", ["revocation"]),
    ],
)
def test_what_would_fail_inside_is_said(tmp_path: Path, body: str, kinds: list[str]) -> None:
    seen = kubernetes(tmp_path, f"apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - name: a\n    {body}\n")
    assert [risk.kind for risk in seen.risks] == kinds
