"""From the command line to text, JSON and an exit status."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main
from support import sample_command
from support.hostile import acting_characters
from support.pseudoterminal import run_in_terminal, without_control

from airgap_bundle import __version__
from airgap_bundle.cli import frame

SCRIPT = str(Path(sample_command.__file__))
SUPPORT_ROOT = str(Path(SCRIPT).parents[1])


@pytest.fixture(autouse=True)
def _signals_and_variables(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in list(os.environ):
        if name.startswith("AIRGAP_") or name in {"NO_COLOR", "FORCE_COLOR", "CI"}:
            monkeypatch.delenv(name)
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def run(*arguments: str) -> int:
    return frame.run_app(sample_command.app, arguments=arguments)


def environment(**changes: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if k in {"PATH", "HOME", "COVERAGE_PROCESS_START"}}
    return kept | {"PYTHONPATH": SUPPORT_ROOT, "LANG": "C.UTF-8", "TERM": "xterm-256color"} | changes


def program(*arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, SCRIPT, *arguments],
        env=environment(**changes),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize(
    ("action", "status"),
    [
        ("show", 0),
        ("findings", 1),
        ("document", 2),
        ("refuse", 3),
        ("network", 5),
        ("missing", 6),
        ("full", 6),
        ("forbidden", 6),
        ("memory", 6),
        ("bug", 70),
        ("stop", 130),
        ("terminate", 130),
    ],
)
@pytest.mark.parametrize("output_format", ["text", "json"])
def test_the_exit_status_is_the_same_in_every_format(
    action: str, status: int, output_format: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("act", action, "--format", output_format) == status
    captured = capsys.readouterr()
    assert acting_characters(captured.out + captured.err) == set()
    assert "Traceback" not in captured.err
    if output_format == "json" and status > 1:
        document = json.loads(captured.out)
        assert document["version"] == 1
        assert document["error"]["exit"] == status
        assert sorted(document["error"]) == sorted(
            ["code", "message", "hint", "exit"] + (["findings"] if action == "document" else [])
        )
    elif status > 1:
        assert captured.out == ""


def test_an_error_says_what_happened_what_to_do_and_where_to_read_more(capsys: pytest.CaptureFixture[str]) -> None:
    run("act", "refuse")
    assert capsys.readouterr().err.splitlines() == [
        r"error: the bundle is not signed\x1b[2J",
        r"hint: sign it\nerror: forged",
        "more: airgap-sample explain AB-TRUST-SAMPLE",
    ]


def test_an_interruption_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    run("act", "stop")
    assert capsys.readouterr().err == "interrupted; run the same command again to continue\n"


def test_a_document_error_shows_all_findings_with_their_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "acme.yaml"
    file.write_text("name: acme\nimages\x1b[2J:\n")
    monkeypatch.setenv("SAMPLE_FILE", str(file))
    run("act", "document")
    assert capsys.readouterr().err.splitlines() == [
        f"{file}:2:3: error AGM1: a typo",
        r"  2 | images\x1b[2J:",
        "    |   ^",
        f"{file}:1:0: warning AGM2: unwise",
        "  1 | name: acme",
        "  hint: do",
        "1 error, 1 warning",
        f"error: {file} is not a manifest",
        "more: airgap-sample explain AB-SAMPLE-DOCUMENT",
    ]


def test_a_document_error_has_its_findings_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    run("act", "document", "--format=json")
    findings = json.loads(capsys.readouterr().out)["error"]["findings"]
    assert [(f["code"], f["severity"], f["line"], f["column"]) for f in findings] == [
        ("AGM1", "error", 2, 3),
        ("AGM2", "warning", 1, 0),
    ]


@pytest.mark.parametrize(
    ("action", "code", "words"),
    [
        ("missing", "AB-HOST-IO", r"/nonexistent/\x1b[2Jfile: No such file or directory"),
        ("full", "AB-HOST-SPACE", "/mnt/acme.tar: No space left on device"),
        ("forbidden", "AB-HOST-PERMISSION", r"/mnt/\udcff → /mnt/b: Permission denied"),
        ("network", "AB-NETWORK", "Connection reset by peer"),
    ],
)
def test_a_complaint_of_the_system_names_the_file_and_its_words(
    action: str, code: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run("act", action)
    message, *_, more = capsys.readouterr().err.splitlines()
    assert words in message
    assert more.endswith(code)


def test_a_bug_shows_its_traceback_only_when_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run("act", "bug")
    quiet = capsys.readouterr().err
    assert quiet.startswith(r"error: this is a bug in airgap-bundle: LookupError: odd\x1b[2J")
    assert "Traceback" not in quiet
    run("act", "bug", "--debug")
    assert capsys.readouterr().err.startswith("Traceback")
    log = tmp_path / "debug.log"
    monkeypatch.setenv("AIRGAP_DEBUG", str(log))
    run("act", "bug")
    captured = capsys.readouterr().err
    assert "Traceback" not in captured
    assert str(log) in captured
    assert "LookupError" in log.read_text()


@pytest.mark.parametrize(
    ("arguments", "code", "hint"),
    [
        (("act", "show", "--fromat", "json"), "AB-USAGE-OPTION", "did you mean --format?"),
        (("atc",), "AB-USAGE-COMMAND", "did you mean 'act'?"),
        (("act",), "AB-USAGE-MISSING", "see airgap-sample act --help"),
        (("act", "show", "--jobs", "none"), "AB-USAGE-VALUE", "see airgap-sample act --help"),
        (("act", "show", "--jobs"), "AB-USAGE-VALUE", "see airgap-sample --help"),
        (("act", "show", "more\x1b[2J"), "AB-USAGE-COMMAND", "see airgap-sample act --help"),
        (("policy", "inti"), "AB-USAGE-COMMAND", "did you mean 'init'?"),
    ],
)
def test_wrong_usage_looks_like_every_other_error(
    arguments: tuple[str, ...], code: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments) == 2
    captured = capsys.readouterr()
    error, hinted, more = captured.err.splitlines()
    assert error.startswith("error: ")
    assert not error.endswith(".")
    assert hinted == f"hint: {hint}"
    assert more == f"more: airgap-sample explain {code}"
    assert acting_characters(captured.err) == set()


@pytest.mark.parametrize("asked", [("--format", "json"), ("--format=json",)])
def test_wrong_usage_is_json_where_json_was_asked_for(
    asked: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("act", *asked) == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "AB-USAGE-MISSING"


def test_the_format_can_come_from_a_variable(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AIRGAP_FORMAT", "json")
    assert run("act") == 2
    assert json.loads(capsys.readouterr().out)["error"]["exit"] == 2


def test_options_come_from_variables_and_the_command_line_wins(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AIRGAP_JOBS", "3")
    monkeypatch.setenv("AIRGAP_PLAIN_HTTP", "one:5000 two")
    run("act", "options")
    assert json.loads(capsys.readouterr().out) == {"jobs": 3, "plain_http": ["one:5000", "two"], "version": 1}
    run("act", "options", "--jobs", "5", "--plain-http", "three")
    assert json.loads(capsys.readouterr().out) == {"jobs": 5, "plain_http": ["three"], "version": 1}


def test_json_stays_json_whatever_a_name_holds(capsys: pytest.CaptureFixture[str]) -> None:
    run("act", "show", "--format", "json")
    text = capsys.readouterr().out
    assert text.isascii()
    assert json.loads(text) == {"said": "caf\u00e9\x1b\\udcff", "version": 1}


def test_the_version_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--version") == 0
    assert capsys.readouterr().out == f"airgap-sample {__version__}\n"


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_keeps_the_lines_of_its_examples(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("act", option) == 0
    out = capsys.readouterr().out
    assert "airgap-sample act show\n  airgap-sample act work -v\n" in out
    assert "In CI:\n    airgap-sample act work -q\n" in out
    assert "AIRGAP_JOBS" in out
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize("arguments", [(), ("policy",)])
def test_without_a_command_the_help_is_shown_and_nothing_is_done(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Commands:" in captured.err


def test_a_command_of_a_group_knows_the_program(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("policy", "init") == 0
    assert capsys.readouterr().out == "airgap-sample wrote one\n"


def test_quiet_leaves_warnings_and_data(capsys: pytest.CaptureFixture[str]) -> None:
    run("act", "work", "--quiet")
    captured = capsys.readouterr()
    assert captured.err == "warning: not signed :x:\n"
    assert captured.out == "data\n"


def test_a_bundle_goes_to_a_pipe_but_not_to_a_terminal_nor_beside_json() -> None:
    assert program("act", "claim").stdout == "bundle"
    assert program("act", "claim", "--format", "json").returncode == 2
    status, drawn = run_in_terminal([sys.executable, SCRIPT, "act", "claim"], environment=environment())
    assert status == 2
    assert "standard output is a terminal" in drawn


def test_a_reader_who_leaves_is_met_with_silence() -> None:
    process = subprocess.Popen(
        [sys.executable, SCRIPT, "act", "flood"],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(30) == 6


def test_a_reader_who_leaves_during_the_help_is_met_with_silence() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as closed:
        done = subprocess.run(
            [sys.executable, SCRIPT, "--help"],
            env=environment(),
            stdout=closed,
            stderr=subprocess.PIPE,
            timeout=30,
            check=False,
        )
    assert (done.returncode, done.stderr) == (6, b"")


def test_shell_completion_knows_the_commands() -> None:
    done = program(_AIRGAP_SAMPLE_COMPLETE="complete_bash", COMP_WORDS="airgap-sample po", COMP_CWORD="1")
    assert (done.returncode, done.stdout) == (0, "policy\n")


def test_a_full_disk_behind_standard_output_is_an_error() -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, SCRIPT, "act", "show"],
            env=environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=30,
            check=False,
        )
    assert done.returncode == 6
    assert done.stderr.startswith(b"error: no space left: ")
    assert b"Exception ignored" not in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_command_in_order(number: signal.Signals) -> None:
    process = subprocess.Popen(
        [sys.executable, SCRIPT, "act", "wait"], env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    with process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(number)
        assert process.stderr.read() == b"interrupted; run the same command again to continue\n"
        assert process.wait(30) == 130


def test_the_second_interruption_ends_a_command_at_once() -> None:
    process = subprocess.Popen(
        [sys.executable, SCRIPT, "act", "hang"], env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == b"stopping\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130


def test_letters_that_the_locale_lacks_are_no_reason_to_fail() -> None:
    done = program("act", "show", PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert done.stdout == "caf\\xe9 \\x1b[2J\n"


def test_help_loads_neither_rich_nor_the_network() -> None:
    code = (
        "import sys; from support.sample_command import app; from airgap_bundle.cli.frame import run_app;"
        "status = run_app(app, arguments=['act', '--help']);"
        "heavy = {'rich', 'ssl', 'http.client', 'yaml', 'oras', 'sigstore', 'cryptography', 'json.tool', 'asyncio'};"
        "print(sorted(heavy & set(sys.modules)), status)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout.splitlines()[-1] == "[] 0"


def test_progress_on_a_terminal_fits_and_is_taken_away() -> None:
    status, drawn = run_in_terminal([sys.executable, SCRIPT, "act", "work"], environment=environment())
    assert status == 0
    lines = without_control(drawn)
    assert max(map(len, lines)) <= 80
    assert any("MB of 8.0 MB" in line and "Fetching" in line for line in lines)
    assert any(r"[link=x]image" in line for line in lines)
    assert "\x1b[?25h" in drawn
    assert "\x1b[2J" not in drawn
    assert [line for line in lines if line][-3:] == [
        next(line for line in lines if line.startswith("Fetching: 8 items, 8.0 MB in ")),
        "Wrote acme.tar: 8 images",
        "data",
    ]


def test_a_terminal_without_colour_gets_none() -> None:
    _, drawn = run_in_terminal([sys.executable, SCRIPT, "act", "work"], environment=environment(NO_COLOR="1"))
    assert "\x1b[1m" not in drawn
    assert "\x1b[1;33m" not in drawn


@pytest.mark.parametrize("changes", [{"TERM": "dumb"}, {"CI": "true"}])
def test_a_terminal_that_cannot_redraw_gets_plain_lines(changes: dict[str, str]) -> None:
    _, drawn = run_in_terminal([sys.executable, SCRIPT, "act", "work"], environment=environment(**changes))
    lines = [line for line in without_control(drawn) if line]
    assert lines[0] == "Fetching: 8 items, 8.0 MB"
    assert "\x1b[?25" not in drawn


def test_only_the_command_that_is_asked_for_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    built, real = [], typer.main.get_command

    def watched(app: typer.Typer) -> object:
        built.append([each.name for each in app.registered_commands])
        return real(app)

    monkeypatch.setattr(typer.main, "get_command", watched)
    run("act", "show")
    run("nonsense")
    assert built == [["act"], ["explain", "act"]]
