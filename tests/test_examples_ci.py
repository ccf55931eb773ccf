"""The templates for CI systems: YAML, and every command in them can be typed."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from airgap_bundle.manifest.looseyaml import entry, items, parse_bytes, text_of

ROOT = Path(__file__).resolve().parent.parent
TEMPLATES = sorted((ROOT / "examples" / "ci").glob("*.y*ml"))


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_each_template_is_yaml(template: Path) -> None:
    stream = parse_bytes(template.read_bytes(), template.name)
    assert len(stream.documents) == 1
    assert stream.troubles == ()


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_options_in_templates_exist(template: Path) -> None:
    source = (ROOT / "airgap_bundle" / "cli" / "manifest.py").read_text()
    for line in template.read_text().splitlines():
        match = re.search(r"airgap-manifest (?:check|diff) .*", line)
        for word in shlex.split(match[0].split(">")[0]) if match else ():
            if word.startswith("--") and word != "--format":
                assert f'"{word}"' in source, word


def test_the_hook_calls_a_command_that_exists_and_leaves_locks_alone() -> None:
    (document,) = parse_bytes((ROOT / ".pre-commit-hooks.yaml").read_bytes(), "hooks").documents
    (hook,) = items(document)
    assert text_of(entry(hook, "entry")) == "airgap-manifest check"
    files, exclude = (re.compile(text_of(entry(hook, key))) for key in ("files", "exclude"))
    assert all(files.search(name) for name in ("airgap.yaml", "deploy/airgap-acme.yml", "x/acme.airgap.yaml"))
    assert not files.search("values.yaml")
    assert exclude.search("airgap.lock.yaml")
