"""The rules of the check: what each finds, what it leaves alone, and that each has its page."""

from __future__ import annotations

import os
from dataclasses import replace
from importlib import resources
from typing import TYPE_CHECKING

import pytest

from airgap_bundle.core.report import Severity
from airgap_bundle.manifest.lock import Lock
from airgap_bundle.manifest.model import Manifest, parse_manifest
from airgap_bundle.manifest.rules import RULES, check_manifest

if TYPE_CHECKING:
    from pathlib import Path

DIGEST = "sha256:" + "ab" * 32
HEAD = "apiVersion: airgap-bundle/v1\nname: plane\nversion: 1.7.0\n"


def manifest(text: str, file: str = "plane.yaml") -> Manifest:
    return parse_manifest(f"{HEAD}{text}\n".encode(), file)


def codes(text: str, file: str = "plane.yaml") -> list[str]:
    return [finding.code for finding in check_manifest(manifest(text, file))]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("images: [a.example/b:1, a.example/b:1]", ["AGM001"]),
        ("images: [a.example/b:1, {image: 'a.example/b:1', platforms: [linux/amd64]}]", ["AGM001"]),
        ("images: [a.example/b:1]\nartifacts: [a.example/b:1]", ["AGM001"]),
        ("images: [docker.io/redis:1, docker.io/library/redis:1]", ["AGM001"]),
        ("images: [{image: 'a.example/b:1', as: x}, {image: 'c.example/d:1', as: x}]", ["AGM002"]),
        (f"images: ['a.example/b:1', 'a.example/b:1@{DIGEST}']", ["AGM002", "AGM007"]),
        ("images: [redis:7]", ["AGM003"]),
        ("artifacts: [acme/db:7]", ["AGM003"]),
        ("images: [a.example/b:latest]", ["AGM004"]),
        ("images: [a.example/b:Nightly]", ["AGM004"]),
        ("images: [a.example/b:latest-alpine]", ["AGM004"]),
        ("charts: [{chart: a, repo: 'http://a.example', version: 1.0.0}]", ["AGM005"]),
        (f"files: [{{url: 'http://a.example/x', sha256: {'ab' * 32}}}]", ["AGM005"]),
        (f"files: [{{url: 'http://127.0.0.1.evil.example/x', sha256: {'ab' * 32}}}]", ["AGM005"]),
        ("images: [a.example/b]", ["AGM006"]),
        ("images: [redis]", ["AGM003", "AGM006"]),
        (f"images: [a.example/b@{DIGEST}]", ["AGM006"]),
        (f"images: ['a.example/b:1@{DIGEST}']", ["AGM007"]),
        (f"images: [{{image: 'a.example/b@{DIGEST}', platforms: [linux/amd64]}}]", ["AGM006", "AGM008"]),
        ("images: [{image: 'a.example/b:1', platforms: [linux/x86_64]}]", ["AGM009"]),
        ("platforms: [linux/arm64/v7]\nimages: [a.example/b:1]", ["AGM009"]),
        ("expires: 1h\nimages: [a.example/b:1]", ["AGM010"]),
        ("charts: [{chart: 'oci://a.example/c', version: ^1.2}]", ["AGM013"]),
        ("charts: [{chart: c, repo: 'https://a.example', version: 1.x}]", ["AGM013"]),
        ("images: []", ["AGM014"]),
        ("files: [{url: 'https://a.example/x'}]", ["AGM015"]),
        ("images: [{image: 'a.example/b:1', as: airgap-receipts/b}]", ["AGM016"]),
        ("images: ['a.example/b:airgap-0123456789ab-01234567']", ["AGM016"]),
    ],
)
def test_each_rule_finds_what_it_is_for(text: str, expected: list[str]) -> None:
    assert codes(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "images: [docker.io/library/redis:7, docker.io/library/redis:7-alpine, docker.io/library/debian:bookworm]",
        "images: ['127.0.0.1:5000/a:1', 'localhost/a:1', 'localhost:5000/a:1', 'docker.io/redis:1']",
        "images: [index.docker.io/library/redis:7]",
        f"files: [{{url: 'http://127.0.0.1:8000/x', sha256: {'ab' * 32}}}]",
        "charts: [{chart: c, repo: 'http://[::1]:8000', version: 1.0.0}]",
        "charts: [{chart: 'oci://a.example/c', version: 1.0.0-rc.1+x}]",
        "images: [{image: 'a.example/b:1', as: x}, a.example/b:1]",
        "platforms: [linux/amd64, linux/arm/v7, linux/arm64, windows/amd64]\nimages: [a.example/b:1]",
        "expires: 1d\nimages: [a.example/b:1]",
    ],
)
def test_version_tags_loopback_and_a_lock_not_yet_made_are_no_findings(text: str) -> None:
    assert codes(text) == []


def test_a_finding_says_where_what_and_what_to_do() -> None:
    (finding,) = check_manifest(manifest("images:\n  - redis:7"))
    assert str(finding.place) == "plane.yaml:5:5"
    assert finding.path == "images[0]"
    assert finding.severity is Severity.ERROR
    assert finding.hint == "write docker.io/library/redis:7"


def test_findings_stand_in_the_order_of_the_file() -> None:
    lines = [f.place.line for f in check_manifest(manifest("images:\n  - redis\n  - a.example/b:latest\n  - redis"))]
    assert lines == sorted(lines)


def lock(of: Manifest, **changes: int) -> Lock:
    base = Lock(name=of.name, version=of.version, created=1000, sequence=1000, manifest_digest=of.digest)
    return replace(base, **changes)  # type: ignore[arg-type]  # only whole numbers are named here


def test_a_stale_lock_is_an_error() -> None:
    old, new = manifest("images: []"), manifest("images: [a.example/b:1]")
    findings = check_manifest(new, lock=lock(old))
    assert [(f.code, f.severity) for f in findings] == [("AGM011", Severity.ERROR)]


def test_an_expired_lock_is_an_error_and_one_near_its_end_a_warning_once_the_clock_is_asked() -> None:
    wanted = manifest("images: [a.example/b:1]")

    def found(created: int, expires: int, now: int | None) -> list[Severity]:
        findings = check_manifest(wanted, lock=lock(wanted, created=created, expires=expires), now=now)
        assert {finding.code for finding in findings} <= {"AGM010"}
        return [finding.severity for finding in findings]

    assert found(1000, 2000, None) == []
    # The last quarter of a short life.
    assert found(1000, 2000, 1749) == []
    assert found(1000, 2000, 1750) == found(1000, 2000, 1999) == [Severity.WARNING]
    assert found(1000, 2000, 2000) == [Severity.ERROR]
    # The last two weeks of a long one, and never where there is no end.
    year, day = 365 * 86400, 86400
    assert found(0, year, year - 15 * day) == []
    assert found(0, year, year - 14 * day) == [Severity.WARNING]
    assert found(1000, 0, 2**33) == []


def test_file_names_are_compared_without_case_and_none_is_the_directory_of_another(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    (tmp_path / "y").touch()
    file = str(tmp_path / "plane.yaml")
    assert codes("files: [{path: x, as: A.txt}, {path: y, as: a.TXT}]", file) == ["AGM002"]
    assert codes("files: [{path: x, as: a}, {path: y, as: a/b}]", file) == ["AGM002"]
    assert codes("files: [{path: x, as: a/c}, {path: y, as: a/b}]", file) == []
    assert codes("files: [{path: x}, {path: x}]", file) == ["AGM001"]


def test_files_that_are_missing_or_no_files_are_errors(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "secret").touch()
    (inside / "file").touch()
    (inside / "directory").mkdir()
    os.mkfifo(inside / "pipe")
    (inside / "out").symlink_to(tmp_path / "secret")
    (inside / "up").symlink_to(tmp_path)
    (inside / "loop").symlink_to("loop")
    (inside / "in").symlink_to("file")
    file = str(inside / "plane.yaml")
    for path in ("none", "pipe", "out", "up/secret", "loop", "file/x"):
        assert codes(f"files: [{{path: {path}}}]", file) == ["AGM012"], path
    for path in ("file", "in", "directory", "directory/"):
        assert codes(f"files: [{{path: {path}}}]", file) == [], path
    assert codes("workloads: [{kubernetes: directory}, {compose: file}]\ncharts: [{chart: ./directory}]", file) == []
    assert codes("workloads: [{compose: directory}]", file) == ["AGM012"]
    assert codes("charts: [{chart: a.tgz}]", file) == ["AGM012"]
    assert codes("images: [a.example/b:1]\nverify: [{match: 'a.example/*', key: none.pub}]", file) == ["AGM012"]


def test_each_rule_has_its_own_code_and_a_page_with_its_title() -> None:
    pages = resources.files("airgap_bundle").joinpath("pages")
    assert [rule.code for rule in RULES] == sorted({rule.code for rule in RULES})
    for rule in RULES:
        page = pages.joinpath(f"{rule.code}.md").read_text(encoding="utf-8")
        assert page.startswith(f"# {rule.code}: {rule.title}\n")
        assert f"severity {rule.severity.value}" in page
