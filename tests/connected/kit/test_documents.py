from __future__ import annotations

from airgap_bundle.connected.kit.closure import Package
from airgap_bundle.connected.kit.documents import requirements_text
from airgap_bundle.connected.kit.readme import readme_text
from airgap_bundle.connected.kit.standalone import Executable
from airgap_bundle.connected.kit.targets import find_targets
from airgap_bundle.connected.kit.wheels import Wheel

OLD, NEW = find_targets(("3.11", "3.12"), ("linux/amd64",))


def test_the_page_for_the_person_inside_stays_narrow_however_many_machines_it_is_for() -> None:
    many = find_targets(("3.11", "3.12", "3.13"), ("linux/amd64", "linux/arm64", "manylinux_2_34_x86_64"))
    made = Executable(
        file="airgap", size=26_100_000, unpacked=123_400_000, python="3.11.14", platform="linux/amd64", glibc="2.35"
    )
    text = readme_text("10.11.12", many, (wheel("pip", "a"),), made, signed=True)
    assert max(map(len, text.splitlines())) <= 80
    assert "Python 3.13 on manylinux_2_34_x86_64." in text
    assert "glibc 2.35 or newer" in text


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
