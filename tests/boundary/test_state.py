"""The state directory: for its owner alone, and one import of a product at a time."""

from __future__ import annotations

import os
import signal
import stat
from typing import TYPE_CHECKING

import pytest
from support.child import run_child, start_child
from support.receipts import NOON

from airgap_bundle.boundary.state import StateDirectory, default_path
from airgap_bundle.core.errors import HostError

if TYPE_CHECKING:
    from pathlib import Path

_HOLD = """
state = StateDirectory.open(Path(sys.argv[1]))
with state.lock("acme", command="airgap-import push https://bob:hunter2@x/acme.tar", at=NOON):
    print("held", flush=True)
    sys.stdin.readline()
"""
_OPEN = """
try:
    StateDirectory.open(Path(sys.argv[1]))
except AirgapError as error:
    print(error.code, error.message)
"""
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user, which takes root")


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("umask", [0o000, 0o077, 0o777])
def test_whatever_the_umask_it_is_for_the_owner_alone(tmp_path: Path, umask: int) -> None:
    old = os.umask(umask)
    try:
        state = StateDirectory.open(tmp_path / "deep" / "state")
    finally:
        os.umask(old)
    assert [_mode(p) for p in (state.path, state.path.parent, state.receipts_path, state.lock_path)] == [0o700] * 4


def test_bits_that_let_others_read_are_taken_away(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir(mode=0o755)
    assert _mode(StateDirectory.open(tmp_path / "state").path) == 0o700


def test_a_directory_that_others_may_write_is_refused_and_not_repaired(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state").chmod(0o777)
    with pytest.raises(HostError) as caught:
        StateDirectory.open(tmp_path / "state")
    assert (caught.value.code, _mode(tmp_path / "state")) == ("AB-STATE-MODE", 0o777)


@needs_root
def test_a_directory_of_somebody_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    os.chown(tmp_path / "state", 65534, 65534)
    with pytest.raises(HostError) as caught:
        StateDirectory.open(tmp_path / "state")
    assert caught.value.code == "AB-STATE-OWNER"


def test_a_file_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")
    with pytest.raises(HostError) as caught:
        StateDirectory.open(tmp_path / "state")
    assert caught.value.code == "AB-STATE-UNUSABLE"


def test_a_place_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HostError) as caught:
        StateDirectory.open(tmp_path / "file" / "state")
    assert caught.value.code == "AB-STATE-UNUSABLE"


def test_a_medium_that_cannot_be_written_is_refused_with_a_hint() -> None:
    with pytest.raises(HostError) as caught:
        StateDirectory.open(default_path().__class__("/proc/state"))
    assert (caught.value.code, "--state" in caught.value.hint) == ("AB-STATE-UNUSABLE", True)


def test_the_default_place_is_the_platforms(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert default_path().name == "airgap-bundle"


def test_of_one_product_the_second_import_hears_who_is_at_it_without_secrets(tmp_path: Path) -> None:
    state = StateDirectory.open(tmp_path)
    with start_child(_HOLD, tmp_path) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        with pytest.raises(HostError) as caught, state.lock("acme", command="b", at=NOON):
            pytest.fail("two had the lock")
        child.communicate("\n", timeout=30)
    assert caught.value.code == "AB-STATE-BUSY"
    assert f"process {child.pid} on " in caught.value.message
    assert "since 2026-11-22T12:00:00Z (airgap-import push https://x/acme.tar)" in caught.value.message


def test_two_products_run_together(tmp_path: Path) -> None:
    state = StateDirectory.open(tmp_path)
    with state.lock("acme", command="a", at=NOON), state.lock("plane", command="b", at=NOON):
        assert {p.name for p in state.lock_path.iterdir()} == {"acme", "plane"}


def test_a_killed_holder_leaves_no_lock(tmp_path: Path) -> None:
    with start_child(_HOLD, tmp_path) as child:
        assert child.stdout is not None
        child.stdout.readline()
        child.send_signal(signal.SIGKILL)
        child.wait(30)
    with StateDirectory.open(tmp_path).lock("acme", command="next", at=NOON):
        assert b'"next"' in (tmp_path / "lock" / "acme").read_bytes()


def test_who_waits_gets_the_lock_and_says_once_for_whom_it_waits(tmp_path: Path) -> None:
    state, said = StateDirectory.open(tmp_path), []
    with start_child(_HOLD, tmp_path) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdout.readline()

        def hear(event: object) -> None:
            said.append(event)
            assert child.stdin is not None
            child.stdin.write("\n")
            child.stdin.flush()

        with state.lock("acme", command="b", at=NOON, wait_seconds=30, report=hear):
            pass
        child.wait(30)
    assert len(said) == 1


def test_nonsense_in_a_lock_file_does_not_break_the_sentence(tmp_path: Path) -> None:
    state = StateDirectory.open(tmp_path)
    with state.lock("acme", command="a", at=NOON):
        (tmp_path / "lock" / "acme").write_bytes(b"\xff[")
        with pytest.raises(HostError) as caught, state.lock("acme", command="b", at=NOON):
            pytest.fail("two had the lock")
    assert caught.value.message == "acme is being imported already, by another process"


@needs_root
def test_a_directory_without_permission_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    for parent in list(tmp_path.parents)[:2]:
        parent.chmod(0o755)
    (tmp_path / "state").mkdir(mode=0o500)
    os.chown(tmp_path / "state", 65534, 65534)
    assert "AB-STATE-UNUSABLE" in run_child("os.setuid(65534)" + _OPEN, tmp_path / "state")
