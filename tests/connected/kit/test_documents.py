from __future__ import annotations

from airgap_bundle.connected.kit.closure import Package
from airgap_bundle.connected.kit.documents import requirements_text
from airgap_bundle.connected.kit.targets import find_targets
from airgap_bundle.connected.kit.wheels import Wheel

OLD, NEW = find_targets(("3.11", "3.12"), ("linux/amd64",))


def wheel(name: str, digit: str) -> Wheel:
    return Wheel(name=name, version="1.0", file=f"{name}-1.0-py3-none-any.whl", size=1, sha256=digit * 64)


def package(name: str, *needed_by: object) -> Package:
    return Package(name=name, version="1.0", licence="MIT", targets=needed_by)  # type: ignore[arg-type]  # targets


def test_every_wheel_of_a_package_is_pinned_and_only_what_some_need_has_a_marker() -> None:
    packages = (package("everywhere", OLD, NEW), package("sometimes", OLD))
    wheels = (wheel("everywhere", "b"), wheel("everywhere", "a"), wheel("sometimes", "c"))
    text = requirements_text(wheel("airgap-bundle", "d"), ("s3", "helm"), packages, wheels)
    assert text.splitlines()[1:] == [
        "airgap-bundle[helm,s3]==1.0 \\",
        f"    --hash=sha256:{'d' * 64}",
        "everywhere==1.0 \\",
        f"    --hash=sha256:{'a' * 64} \\",
        f"    --hash=sha256:{'b' * 64}",
        'sometimes==1.0 ; (python_version == "3.11" and sys_platform == "linux" and platform_machine == "x86_64") \\',
        f"    --hash=sha256:{'c' * 64}",
    ]
