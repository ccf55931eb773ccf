from __future__ import annotations

import sys

import pytest

from airgap_bundle.connected.kit.targets import find_targets, own_platform, own_python
from airgap_bundle.core.errors import UsageError


def test_without_a_wish_the_kit_is_for_this_machine() -> None:
    (target,) = find_targets((), ())
    assert (target.python, target.platform) == (own_python(), own_platform())
    assert target.python == f"3.{sys.version_info.minor}"


def test_each_python_is_combined_with_each_platform_once() -> None:
    found = find_targets(("3.12", "3.11", "3.12"), ("linux/arm64", "linux/amd64"))
    assert [str(target) for target in found] == [
        "Python 3.12 on linux/arm64",
        "Python 3.12 on linux/amd64",
        "Python 3.11 on linux/arm64",
        "Python 3.11 on linux/amd64",
    ]


def test_linux_takes_wheels_for_an_old_c_library_and_for_older_ones() -> None:
    (target,) = find_targets((), ("linux/arm64",))
    assert target.tags[0] == "manylinux_2_28_aarch64"
    assert {"manylinux_2_17_aarch64", "manylinux2014_aarch64", "manylinux_2_5_aarch64"} <= set(target.tags)
    assert "manylinux_2_34_aarch64" not in target.tags


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("manylinux_2_34_x86_64", "manylinux_2_34_x86_64", "manylinux1_x86_64"),
        ("manylinux2014_x86_64", "manylinux_2_17_x86_64", "manylinux1_x86_64"),
        ("musllinux_1_2_x86_64", "musllinux_1_2_x86_64", "musllinux_1_1_x86_64"),
        ("darwin/arm64", "macosx_11_0_arm64", "macosx_11_0_arm64"),
        ("macosx_14_0_x86_64", "macosx_14_0_x86_64", "macosx_14_0_x86_64"),
    ],
)
def test_the_tag_of_a_wheel_is_taken_at_its_word(asked: str, first: str, last: str) -> None:
    (target,) = find_targets((), (asked,))
    assert (target.tags[0], target.tags[-1]) == (first, last)


def test_a_target_has_the_variables_that_markers_ask_for() -> None:
    (target,) = find_targets(("3.12",), ("darwin/arm64",))
    assert target.environment["sys_platform"] == "darwin"
    assert target.environment["platform_system"] == "Darwin"
    assert target.marker == 'python_version == "3.12" and sys_platform == "darwin" and platform_machine == "arm64"'


@pytest.mark.parametrize(
    "asked", ["win_amd64", "windows/amd64", "linux/x86_64", "linux", "", "manylinux_3_1_x86_64", "linux/amd64\x1b[1m"]
)
def test_a_platform_that_is_not_known_is_refused(asked: str) -> None:
    with pytest.raises(UsageError) as caught:
        find_targets((), (asked,))
    assert caught.value.code == "AB-USAGE-KIT-PLATFORM"
    assert caught.value.message.isprintable()


@pytest.mark.parametrize("asked", ["3", "3.10", "2.7", "3.12.1", "cp312", "3.111", "3.1²"])
def test_a_python_that_the_toolkit_does_not_run_on_is_refused(asked: str) -> None:
    with pytest.raises(UsageError) as caught:
        find_targets((asked,), ())
    assert caught.value.code == "AB-USAGE-KIT-PYTHON"
