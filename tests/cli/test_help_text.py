"""What `--help` shows, for every command there is."""

from __future__ import annotations

import pytest
import typer.main

from airgap_bundle.cli import boundary, export, frame, help_text, manifest

APPS = {str(app.info.name): app for app in (manifest.app, export.app, boundary.app)}


def _commands() -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for name, app in APPS.items():
        found.append((name,))
        for word, command in typer.main.get_command(app.made()).commands.items():  # type: ignore[attr-defined]  # a group has them
            found.append((name, word))
            found += [(name, word, inner) for inner in getattr(command, "commands", {})]
    return found


COMMANDS = _commands()
LEAVES = [words for words in COMMANDS if not any(other[: len(words)] == words for other in COMMANDS if other != words)]


def shown(words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    monkeypatch.setenv("COLUMNS", "80")
    assert frame.run_app(APPS[words[0]], arguments=[*words[1:], "--help"]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_help_fits_eighty_columns_and_is_plain_ascii(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = shown(words, monkeypatch, capsys)
    assert [line for line in text.splitlines() if len(line) > 80] == []
    assert text.isascii()


@pytest.mark.parametrize("words", LEAVES, ids=" ".join)
def test_every_command_shows_examples_of_itself(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = shown(words, monkeypatch, capsys)
    usage, _, examples = text.partition("\nExamples:\n")
    assert "{" not in usage.splitlines()[0]
    assert f"  {' '.join(words)}" in examples


@pytest.mark.parametrize("name", APPS)
def test_the_help_of_each_program_lists_whole_sentences_and_the_exit_statuses(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = shown((name,), monkeypatch, capsys)
    assert "..." not in text.partition("\nCommands:\n")[2]
    assert "Exit status:\n  0  done, nothing wrong" in text


def test_the_first_sentence_is_taken_whole() -> None:
    assert help_text.first_sentence("Say it,\n    and more. Then this.\n\n    Not that.") == "Say it, and more."
    assert help_text.first_sentence("One.") == "One."
    assert help_text.first_sentence(None) == ""
