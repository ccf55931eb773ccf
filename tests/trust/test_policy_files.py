"""Where the policy comes from, and whose file it may be."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from airgap_bundle.core.errors import AirgapError, DocumentError, HostError, TrustError, UsageError
from airgap_bundle.trust.policy_files import load_policy, policy_location

if TYPE_CHECKING:
    from pathlib import Path

POLICY = b"apiVersion: airgap-bundle/policy.v1\nversion: 1\n"


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "policy.yaml"
    path.write_bytes(POLICY)
    path.chmod(0o600)
    return path


def code_of(path: Path, kind: type[AirgapError]) -> str:
    with pytest.raises(kind) as caught:
        load_policy(path)
    return caught.value.code


def test_the_systems_policy_wins_then_the_option_then_the_variable(tmp_path: Path, policy: Path) -> None:
    none = str(tmp_path / "none")
    assert policy_location("mine.yaml", {"AIRGAP_POLICY": "theirs.yaml"}, system=str(policy)) == str(policy)
    assert policy_location("mine.yaml", {"AIRGAP_POLICY": "theirs.yaml"}, system=none) == "mine.yaml"
    assert policy_location(None, {"AIRGAP_POLICY": "theirs.yaml"}, system=none) == "theirs.yaml"


def test_a_policy_in_the_working_directory_is_not_looked_at(policy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(policy.parent)
    with pytest.raises(TrustError) as caught:
        policy_location(None, {}, system="/nonexistent")
    assert caught.value.code == "AB-TRUST-NO-POLICY"


def test_a_broken_link_in_the_systems_place_does_not_let_others_in(tmp_path: Path) -> None:
    link = tmp_path / "policy.yaml"
    link.symlink_to(tmp_path / "gone")
    assert policy_location("mine.yaml", {}, system=str(link)) == str(link)
    assert code_of(link, UsageError) == "AB-POLICY-FILE"


def test_a_policy_is_read_with_its_bytes(policy: Path) -> None:
    assert load_policy(policy).raw == POLICY
    assert load_policy(policy).file == str(policy)


def test_a_policy_through_a_link_of_ones_own_is_read(policy: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.yaml"
    link.symlink_to(policy)
    assert load_policy(link).version == 1


def test_a_policy_that_everybody_may_write_is_refused(policy: Path) -> None:
    policy.chmod(0o666)
    assert code_of(policy, TrustError) == "AB-POLICY-WRITABLE"


def test_a_policy_in_a_directory_that_everybody_may_write_is_refused(policy: Path) -> None:
    policy.parent.chmod(0o777)
    assert code_of(policy, TrustError) == "AB-POLICY-WRITABLE"
    policy.parent.chmod(0o1777)
    assert load_policy(policy).version == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_policy_of_somebody_else_is_refused(policy: Path, tmp_path: Path) -> None:
    try:
        os.chown(policy, 12345, 12345)
    except OSError:
        pytest.skip("this user namespace knows one user only")
    assert code_of(policy, TrustError) == "AB-POLICY-WRITABLE"
    os.chown(policy, 0, 0)
    link = tmp_path / "link.yaml"
    link.symlink_to(policy)
    os.chown(link, 12345, 12345, follow_symlinks=False)
    assert code_of(link, TrustError) == "AB-POLICY-WRITABLE"


def test_a_policy_that_is_missing_or_no_file_is_named(policy: Path, tmp_path: Path) -> None:
    assert code_of(tmp_path / "none.yaml", UsageError) == "AB-POLICY-FILE"
    assert code_of(tmp_path, UsageError) == "AB-POLICY-FILE"
    os.mkfifo(tmp_path / "pipe")
    assert code_of(tmp_path / "pipe", UsageError) == "AB-POLICY-FILE"


def test_a_policy_without_end_is_not_read_to_its_end(policy: Path) -> None:
    with policy.open("r+b") as file:
        file.truncate(10 * 1024**3)
    assert code_of(policy, DocumentError) == "AB-POLICY-INVALID"


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_policy_is_this_machines_fault(policy: Path) -> None:
    policy.chmod(0)
    assert code_of(policy, HostError) == "AB-POLICY-UNREADABLE"
