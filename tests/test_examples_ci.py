"""The templates for CI systems: what their systems take, and every command in them can be typed and works."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.tools import tool
from support.trip import Trip, keys, make_trip
from test_docs import commands_in, complaint_about

from airgap_bundle.manifest.looseyaml import entry, items, parse_bytes, text_of
from airgap_bundle.manifest.yamltext import MappingNode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airgap_bundle.manifest.yamltext import Node

ROOT = Path(__file__).resolve().parent.parent
TEMPLATES = sorted((ROOT / "examples" / "ci").glob("*.y*ml"))


@pytest.fixture
def trip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trip]:
    with make_trip(tmp_path, monkeypatch) as made:
        yield made


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_each_template_is_yaml(template: Path) -> None:
    stream = parse_bytes(template.read_bytes(), template.name)
    assert len(stream.documents) == 1
    assert stream.troubles == ()


@pytest.mark.parametrize(
    ("schema", "template", "more"),
    [
        *(("github-workflows", path, ()) for path in TEMPLATES if path.name.startswith("github")),
        ("gitlab-ci", ROOT / "examples" / "ci" / "gitlab-ci.yml", ("--data-transform", "gitlab-ci")),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_each_template_is_what_its_system_takes(schema: str, template: Path, more: tuple[str, ...]) -> None:
    assert tool("check-jsonschema", "--builtin-schema", f"vendor.{schema}", *more, template)


def test_nothing_in_the_workflows_is_known_to_be_unsafe() -> None:
    workflows = [path for path in TEMPLATES if path.name.startswith("github")]
    assert tool("zizmor", "--offline", "--no-progress", "--quiet", "--format=plain", *workflows)


def test_pre_commit_takes_the_hook_and_the_example() -> None:
    tool("pre-commit", "validate-manifest", ROOT / ".pre-commit-hooks.yaml")
    tool("pre-commit", "validate-config", ROOT / "examples" / "ci" / "pre-commit-config.yaml")


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_commands_in_templates_can_be_typed(template: Path) -> None:
    lines = re.findall(r"airgap-(?:manifest|export) .*", template.read_text())
    calls = commands_in("```sh\n" + "\n".join(line for line in lines if "`" not in line) + "\n```\n")
    assert [complaint for complaint in map(complaint_about, calls) if complaint] == []


@pytest.fixture
def checkout(trip: Trip) -> Path:
    """A repository with a manifest and its lock, as a runner has it; the base branch is the same."""
    trip.one_image()
    assert trip.lock().status == 0
    (trip.path / "manifests").mkdir()
    for name in ("acme.yaml", "acme.lock.yaml"):
        (trip.path / name).rename(trip.path / "manifests" / name)
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@example.com", "-C", str(trip.path)]
    for words in ("init -q", "add manifests", "commit -q -m x", "update-ref FETCH_HEAD HEAD"):
        subprocess.run([*git, *words.split()], check=True)
    subprocess.run([*git, "update-ref", "refs/remotes/origin/main", "HEAD"], check=True)
    return trip.path


def in_shell(script: str, checkout: Path, variables: dict[str, str]) -> None:
    """The lines of a job in one shell, with this program and without what only a runner can do."""
    here = re.sub(r"(?m)^(pip install|git fetch) .*$", ":", script).replace("keyless", f"gpg:{keys().release}")
    done = subprocess.run(
        ["bash", "-ec", here],
        cwd=checkout,
        env={**os.environ, **variables, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def read(name: str) -> Node:
    (document,) = parse_bytes((ROOT / "examples" / "ci" / name).read_bytes(), name).documents
    return document


def variables_of(node: Node | None) -> dict[str, str]:
    return {name: text_of(value) for name, value in node.entries.items()} if isinstance(node, MappingNode) else {}


@pytest.mark.slow
@pytest.mark.tools("git", "bash")
@pytest.mark.parametrize("job", ["airgap-manifest", "airgap-bundle"])
def test_the_jobs_of_gitlab_run_to_their_end(job: str, checkout: Path) -> None:
    document = read("gitlab-ci.yml")
    script = "\n".join(text_of(line) for line in items(entry(document, job, "script")))
    script = script.replace('git fetch origin "refs/tags/$RELEASE" && ', "")
    in_shell(script, checkout, variables_of(entry(document, "variables")))
    if job == "airgap-manifest":
        assert json.loads((checkout / "quality.json").read_text()) == []
        assert "acme" in (checkout / "changes.md").read_text()
    else:
        assert json.loads((checkout / "bundle.cdx.json").read_text())["bomFormat"] == "CycloneDX"


@pytest.mark.slow
@pytest.mark.tools("git", "bash")
@pytest.mark.parametrize(("name", "job"), [("github-actions.yml", "check"), ("github-bundle.yml", "bundle")])
def test_the_jobs_of_github_run_to_their_end(name: str, job: str, checkout: Path) -> None:
    document = read(name)
    script = "\n".join(text_of(entry(step, "run")) for step in items(entry(document, "jobs", job, "steps")))
    summary = checkout / "summary.md"
    given = {"MANIFEST": "manifests/acme.yaml", "GITHUB_BASE_REF": "main", "GITHUB_STEP_SUMMARY": str(summary)}
    in_shell(script, checkout, variables_of(entry(document, "env")) | given)
    made = ["bundle.tar", "bundle.cdx.json"] if job == "bundle" else ["summary.md", "check.sarif"]
    assert [each for each in made if not (checkout / each).stat().st_size] == []


def test_the_hook_calls_a_command_that_exists_and_leaves_locks_alone() -> None:
    (document,) = parse_bytes((ROOT / ".pre-commit-hooks.yaml").read_bytes(), "hooks").documents
    (hook,) = items(document)
    assert text_of(entry(hook, "entry")) == "airgap-manifest check"
    files, exclude = (re.compile(text_of(entry(hook, key))) for key in ("files", "exclude"))
    assert all(files.search(name) for name in ("airgap.yaml", "deploy/airgap-acme.yml", "x/acme.airgap.yaml"))
    assert not files.search("values.yaml")
    assert exclude.search("airgap.lock.yaml")
