"""`explain CODE`: pages without a network."""

import json
import os
import sys
from pathlib import Path

import pytest
from support import sample_command
from support.hostile import HOSTILE, acting_characters
from support.pseudoterminal import run_in_terminal, without_control

from airgap_bundle.cli import explain, frame
from airgap_bundle.core.errors import UsageError


@pytest.fixture(autouse=True)
def _no_signals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airgap_bundle.cli.signals.install", lambda: None)
    monkeypatch.delenv("AIRGAP_FORMAT", raising=False)


def run(*arguments: str) -> int:
    return frame.run_app(sample_command.app, arguments=arguments)


@pytest.mark.parametrize("code", ["AB-BUG", "ab-bug", " Ab-Bug "])
def test_a_page_is_found_in_any_case(code: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("explain", code) == 0
    assert capsys.readouterr().out == explain.page_text("AB-BUG")


def test_a_page_in_json_has_its_title(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("explain", "ab-bug", "--format", "json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["code"] == "AB-BUG"
    assert document["title"] == "A bug in airgap-bundle"
    assert document["text"] == explain.page_text("AB-BUG")


def test_without_a_code_all_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("explain") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == [*explain.guide_topics(), *explain.page_codes()]
    assert run("explain", "--format", "json") == 0
    pages = json.loads(capsys.readouterr().out)["pages"]
    assert [page["code"] for page in pages] == list(explain.page_codes())
    assert all(page["title"] for page in pages)


def test_a_topic_has_a_guide(capsys: pytest.CaptureFixture[str]) -> None:
    assert "relocation" in explain.guide_topics()
    assert run("explain", " Relocation") == 0
    assert capsys.readouterr().out == explain.guide_text("relocation")
    assert run("explain", "relocation", "--format", "json") == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["topic"], document["text"]) == ("relocation", explain.guide_text("relocation"))
    assert run("explain", "relocatoin") == 2
    assert "hint: did you mean relocation?" in capsys.readouterr().err
    assert run("explain", "--format", "json") == 0
    guides = json.loads(capsys.readouterr().out)["guides"]
    assert [guide["topic"] for guide in guides] == list(explain.guide_topics())
    assert all(guide["title"] for guide in guides)


def test_an_unknown_code_is_wrong_usage_with_a_suggestion(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("explain", "ab-bgu") == 2
    assert capsys.readouterr().err.splitlines() == [
        "error: no page for the code 'ab-bgu'",
        "hint: did you mean AB-BUG?",
        "more: airgap-sample explain AB-USAGE-CODE",
    ]


@pytest.mark.parametrize("code", [*HOSTILE, "../../../etc/passwd", "../__init__.py", "AB-BUG.md"])
def test_nothing_but_a_code_is_read(code: str) -> None:
    with pytest.raises(UsageError) as caught:
        explain.page_text(code)
    assert acting_characters(caught.value.message) == set()
    assert len(caught.value.message) < 700


def test_a_page_is_filled_to_the_width_of_the_terminal() -> None:
    kept = {k: v for k, v in os.environ.items() if k in {"PATH", "HOME"}}
    script = Path(sample_command.__file__)
    status, drawn = run_in_terminal(
        [sys.executable, str(script), "explain", "AB-BUG"],
        environment=kept | {"PYTHONPATH": str(script.parents[1]), "TERM": "xterm", "LANG": "C.UTF-8"},
        columns=60,
    )
    assert status == 0
    assert max(map(len, without_control(drawn))) <= 60
