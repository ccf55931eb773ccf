from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from support.index import write_stand_in

from airgap_bundle.connected.kit import wheels
from airgap_bundle.connected.kit.closure import Package
from airgap_bundle.connected.kit.targets import find_targets
from airgap_bundle.core.errors import HostError

if TYPE_CHECKING:
    from pathlib import Path

AMD64, ARM64 = find_targets(("3.11",), ("linux/amd64", "linux/arm64"))
MANY = "cp311-cp311-manylinux2014_x86_64.manylinux_2_17_x86_64.manylinux_2_28_x86_64.manylinux_2_34_x86_64"


def test_a_very_long_name_keeps_the_platform_that_is_asked_for_alone(tmp_path: Path) -> None:
    long = write_stand_in(tmp_path, "charset-normalizer", "3.5.2", tag=MANY)
    short = write_stand_in(tmp_path, "short", "1", tag="py3-none-any")
    raw = long.read_bytes()
    wheels.shorten_names(tmp_path, (AMD64, ARM64))
    (renamed,) = set(tmp_path.iterdir()) - {short}
    assert renamed.name == "charset_normalizer-3.5.2-cp311-cp311-manylinux_2_28_x86_64.whl"
    assert renamed.read_bytes() == raw


def test_a_long_name_for_other_platforms_stays(tmp_path: Path) -> None:
    long = write_stand_in(tmp_path, "charset-normalizer", "3.5.2", tag=MANY)
    wheels.shorten_names(tmp_path, (ARM64,))
    assert list(tmp_path.iterdir()) == [long]


def test_what_pip_brought_is_compared_with_what_was_asked(tmp_path: Path) -> None:
    write_stand_in(tmp_path, "one_thing", "1.0")
    asked = [Package(name=name, version="1.0", licence="", targets=(AMD64,)) for name in ("one-thing", "another")]
    with pytest.raises(HostError, match=r"another 1\.0") as caught:
        wheels.read_wheels(tmp_path, asked)
    assert caught.value.code == "AB-KIT-PIP"
    (read,) = wheels.read_wheels(tmp_path, asked[:1])
    assert (read.name, read.file) == ("one-thing", "one_thing-1.0-py3-none-any.whl")


def test_pip_is_the_one_of_this_environment() -> None:
    assert wheels.find_pip()[1:] == ("-m", "pip")
    assert wheels.pip_version(wheels.find_pip())


def test_where_there_is_no_pip_the_one_that_python_keeps_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ensurepip", reason="this Python keeps no pip")
    monkeypatch.setitem(sys.modules, "pip", None)
    assert wheels.find_pip()[1].endswith(".whl/pip")
    assert wheels.pip_version(wheels.find_pip())


def test_without_any_pip_no_kit_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pip", None)
    monkeypatch.setitem(sys.modules, "ensurepip", None)
    with pytest.raises(HostError) as caught:
        wheels.find_pip()
    assert caught.value.code == "AB-KIT-PIP"


def test_a_pip_that_does_not_work_is_named() -> None:
    with pytest.raises(HostError) as caught:
        wheels.pip_version((sys.executable, "-c", "raise SystemExit(1)"))
    assert caught.value.code == "AB-KIT-PIP"


def test_an_unknown_complaint_of_pip_is_quoted_safely(tmp_path: Path) -> None:
    program = tmp_path / "pip"
    program.write_text("#!/bin/sh\nprintf 'ERROR: the moon is \\033[1m full\\n' >&2\nexit 1\n")
    program.chmod(0o755)
    with pytest.raises(HostError, match="the moon is") as caught:
        wheels.download((str(program),), ("one==1",), AMD64, tmp_path, tmp_path / "log")
    assert (caught.value.code, caught.value.message.isprintable()) == ("AB-KIT-PIP", True)


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "AB-HOST-SPACE"),
        ("WARNING: Retrying (Retry(total=1)) after connection broken\nERROR: No matching distribution found for a==1",
         "AB-KIT-INDEX"),
        ("ERROR: No matching distribution found for a==1", "AB-KIT-NO-WHEEL"),
        ("ERROR: HTTP error 403 while getting https://index.example/a.whl", "AB-KIT-INDEX"),
    ],
)  # fmt: skip
def test_what_pip_complains_of_is_told_apart(tmp_path: Path, said: str, code: str) -> None:
    program = tmp_path / "pip"
    program.write_text(f"#!/bin/sh\ncat >&2 <<'END'\n{said}\nEND\nexit 1\n")
    program.chmod(0o755)
    with pytest.raises((HostError, wheels.RegistryError)) as caught:
        wheels.download((str(program),), ("a==1",), AMD64, tmp_path, tmp_path / "log")
    assert caught.value.code == code
