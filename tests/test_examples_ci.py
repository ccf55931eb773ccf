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
from support.trip import Trip, make_trip
from test_docs import commands_in, complaint_about

from airgap_bundle.manifest.looseyaml import entry, items, parse_bytes, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator

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


@pytest.mark.parametrize("document", [ROOT / "examples" / "ci" / "gitlab-ci.yml"], ids=lambda path: path.name)
def test_the_job_for_merge_requests_runs_to_its_end(
    document: Path, trip: Trip, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a repository with a change, as GitLab would: the same lines in the same order in one shell."""
    trip.one_image()
    assert trip.lock().status == 0
    (trip.path / "manifests").mkdir()
    for name in ("acme.yaml", "acme.lock.yaml"):
        (trip.path / name).rename(trip.path / "manifests" / name)
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@example.com", "-C", str(trip.path)]
    for words in (
        ["init", "-q"],
        ["add", "manifests"],
        ["commit", "-q", "-m", "x"],
        ["update-ref", "FETCH_HEAD", "HEAD"],
    ):
        subprocess.run([*git, *words], check=True)
    (stream,) = parse_bytes(document.read_bytes(), "x").documents
    script = [text_of(line) for line in items(entry(stream, "airgap-manifest", "script"))]
    assert script[0].startswith("git fetch ")
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    for variable in ("MANIFEST", "LOCK"):
        monkeypatch.setenv(variable, text_of(entry(stream, "variables", variable)))
    done = subprocess.run(
        ["bash", "-ec", "\n".join(script[1:])], cwd=trip.path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads((trip.path / "quality.json").read_text()) == []
    assert "acme" in (trip.path / "changes.md").read_text()


def test_the_hook_calls_a_command_that_exists_and_leaves_locks_alone() -> None:
    (document,) = parse_bytes((ROOT / ".pre-commit-hooks.yaml").read_bytes(), "hooks").documents
    (hook,) = items(document)
    assert text_of(entry(hook, "entry")) == "airgap-manifest check"
    files, exclude = (re.compile(text_of(entry(hook, key))) for key in ("files", "exclude"))
    assert all(files.search(name) for name in ("airgap.yaml", "deploy/airgap-acme.yml", "x/acme.airgap.yaml"))
    assert not files.search("values.yaml")
    assert exclude.search("airgap.lock.yaml")
