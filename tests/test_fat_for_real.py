"""Sticks with FAT32 and exFAT as Linux really mounts them, in a virtual machine: limits, power cuts, the way inside."""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from support.guest import Guest, GuestMaker, format_disk, guest_maker
from support.trip import RELEASE, command_line, keys, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MB = 1_000_000
pytestmark = [pytest.mark.proof, pytest.mark.timeout(1800)]
_KINDS = ("vfat", "exfat")
_STICK_BYTES = 6 * 10**9
_SMALL_STICK_BYTES = 36 * MB
_SIGN = ("--sign", f"gpg:{RELEASE.split('<')[1].rstrip('>')}")
_FILES = {"small": 100, "some": 9 * MB, "large": 60 * MB}
# More than FAT32 allows in one file; zeros that take no room.
_HUGE_BYTES = 4_400_000_000


@dataclass(frozen=True, kw_only=True)
class Site:
    """The machine, where its sticks are mounted, and what is to be delivered, in `path`."""

    path: Path
    guest: Guest

    def build(self, manifest: str, out: str, *options: object) -> str:
        """Build there; it has to work. What it said."""
        said = self.guest.airgap("airgap-export", "build", self.path / f"{manifest}.yaml", "-o", out, *options)
        assert said.status == 0, said.err
        return said.text


@pytest.fixture(scope="module")
def maker(tmp_path_factory: pytest.TempPathFactory) -> GuestMaker:
    return guest_maker(tmp_path_factory.mktemp("guest"))


@pytest.fixture(scope="module")
def delivery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Manifests with their locks, files beside them, and the policy of the inside."""
    path = tmp_path_factory.mktemp("delivery")
    for name, size in _FILES.items():
        (path / name).write_bytes(os.urandom(size))
    with (path / "huge").open("wb") as file:
        file.truncate(_HUGE_BYTES)
    for product, names in {"acme": list(_FILES), "huge": ["huge"]}.items():
        lines = [f"  - {{path: {name}, as: {name}}}" for name in names]
        head = ["apiVersion: airgap-bundle/v1", f"name: {product}", "version: 1.0.0", "files:"]
        (path / f"{product}.yaml").write_text("\n".join([*head, *lines, ""]))
        said = run("airgap-manifest", "lock", path / f"{product}.yaml")
        assert said.status == 0, said.err
    (path / "release.asc").write_text(keys().home.public_key(keys().release))
    said = run("airgap-import", "policy", "init", "--openpgp", path / "release.asc", "-o", path / "policy.yaml")
    assert said.status == 0, said.err
    return path


@contextlib.contextmanager
def started(maker: GuestMaker, delivery: Path, disks: list[Path]) -> Iterator[Site]:
    """The machine with disk n mounted at /mnt/n. It signs with a copy of the key, in its own memory."""
    with maker.started(disks, {"GNUPGHOME": "/root/keys"}) as guest:
        guest.shell(f"cp -r {keys().home.path} /root/keys; rm -f /root/keys/S.*; cp {delivery}/policy.yaml /root")
        for number, letter in zip(range(len(disks)), "abcdefgh", strict=False):
            kind = "vfat" if disks[number].name.startswith("vfat") else "exfat"
            guest.shell(f"mkdir -p /mnt/{number}; mount -t {kind} /dev/vd{letter} /mnt/{number}")
        yield Site(path=delivery, guest=guest)


@pytest.fixture(scope="module")
def disks(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    path = tmp_path_factory.mktemp("disks")
    large = [format_disk(path / kind, kind, _STICK_BYTES) for kind in _KINDS]
    return [*large, *(format_disk(path / f"vfat-{number}", "vfat", _SMALL_STICK_BYTES) for number in (1, 2, 3))]


@pytest.fixture(scope="module")
def site(maker: GuestMaker, delivery: Path, disks: list[Path]) -> Iterator[Site]:
    """One machine for all tests that leave it as it was: 0 has FAT32, 1 exFAT, 2 to 4 are small ones with FAT32."""
    with started(maker, delivery, disks) as made:
        for number in range(len(_KINDS)):
            before = made.guest.counters(f"vd{'ab'[number]}")
            said = made.build("acme", f"/mnt/{number}/acme.tar", *_SIGN)
            written = made.guest.counters(f"vd{'ab'[number]}").written - before.written
            assert "Wrote" in said
            size = int(made.guest.shell(f"stat -c %s /mnt/{number}/acme.tar"))
            # Every byte once: no hole was filled with zeros first. The rest are tables of the file system.
            assert size <= written <= 1.01 * size, (written, size)
            assert made.guest.shell(f"ls -A /mnt/{number}").split() == ["acme.tar"]
        yield made


@pytest.mark.parametrize("number", [0, 1])
def test_what_was_written_is_read_back_from_the_medium_every_time(site: Site, number: int) -> None:
    size = int(site.guest.shell(f"stat -c %s /mnt/{number}/acme.tar"))
    for _ in range(2):
        before = site.guest.counters(f"vd{'ab'[number]}")
        said = site.guest.airgap("airgap-export", "inspect", f"/mnt/{number}/acme.tar", "--check")
        assert "every byte is as the inventory says" in said.text
        assert site.guest.counters(f"vd{'ab'[number]}").read - before.read >= size


def test_both_hold_the_same_bytes_outside_the_signatures(site: Site) -> None:
    head = "cmp -n 8192 /mnt/0/acme.tar /mnt/1/acme.tar"
    site.guest.shell(
        f"{head}; tail -c 60000000 /mnt/0/acme.tar >/root/end; tail -c 60000000 /mnt/1/acme.tar | cmp /root/end"
    )
    site.guest.shell("rm /root/end")


def test_a_bundle_of_more_than_4_gib_is_refused_with_numbers_before_anything_is_written(site: Site) -> None:
    before = site.guest.counters("vda")
    for command in ("plan", "build"):
        words = [command, site.path / "huge.yaml", "-o", "/mnt/0/huge.tar"]
        said = site.guest.airgap("airgap-export", *words)
        assert said.status == 6, said.text
        assert "AB-HOST-FILE-SIZE" in said.text
        assert "more than a file on /mnt/0 can have (FAT32: 4 GiB less one byte)" in said.text
        assert "--volume-size fat32" in said.text
    assert site.guest.counters("vda").written - before.written < MB
    assert site.guest.shell("ls -A /mnt/0").split() == ["acme.tar"]


def test_volumes_of_it_have_room_there_and_exfat_takes_it_whole(site: Site) -> None:
    said = site.guest.airgap(
        "airgap-export", "plan", site.path / "huge.yaml", "--volume-size", "fat32", "-o", "/mnt/0/huge.tar"
    )
    assert (said.status, "2: 1 of 4.3 GB" in said.text) == (0, True), said.text
    said = site.guest.airgap("airgap-export", "plan", site.path / "huge.yaml", "-o", "/mnt/1/huge.tar")
    assert said.status == 0, said.text


@pytest.mark.parametrize(("number", "name"), [(0, "ac:me.tar"), (1, "ac:me.tar"), (0, "acme?.tar"), (1, "a|b.tar")])
def test_a_name_that_the_medium_cannot_keep_is_refused_with_the_reason(site: Site, number: int, name: str) -> None:
    said = site.guest.airgap("airgap-export", "build", site.path / "acme.yaml", "-o", f"/mnt/{number}/{name}")
    assert said.status == 6, said.text
    assert "FAT and exFAT" in said.text
    assert "Fetching" not in said.text
    assert site.guest.shell(f"ls -A /mnt/{number}").split() == ["acme.tar"]


@pytest.mark.parametrize("volumes", [(), ("--volume-size", "1MB")])
def test_a_stick_that_is_short_is_refused_before_anything_is_fetched(site: Site, volumes: tuple[str, ...]) -> None:
    before = site.guest.shell("ls -A /mnt/4")
    said = site.guest.airgap("airgap-export", "build", site.path / "acme.yaml", "-o", "/mnt/4/again.tar", *volumes)
    assert (said.status, "AB-HOST-SPACE" in said.text) == (6, True), said.text
    assert "Fetching" not in said.text
    assert "are free on /mnt/4" in said.text
    assert site.guest.shell("ls -A /mnt/4") == before


def test_it_is_cut_onto_several_sticks_and_pushed_from_them(site: Site) -> None:
    sticks = [f"/mnt/{number}" for number in (2, 3, 4)]
    places = [word for stick in sticks for word in ("-o", stick)]
    said = site.guest.airgap("airgap-export", "cut", "/mnt/0/acme.tar", "--volume-size", "15MB", *places)
    assert said.status == 0, said.text
    for stick in sticks:
        site.guest.shell(f"cd {stick} && ls acme.tar.0* && sha256sum --quiet -c acme.tar.sha256")
    media = [word for stick in sticks[1:] for word in ("--media", stick)]
    said = site.guest.airgap("airgap-import", "verify", sticks[0], *media, "--policy", "/root/policy.yaml")
    assert (said.status, "Accepted acme 1.0.0" in said.text) == (0, True), said.text
    trust = ("--policy", "/root/policy.yaml", "--state", "/root/state-of-volumes")
    said = site.guest.airgap("airgap-import", "push", sticks[0], "dir:/root/from-volumes", *media, *trust)
    assert said.status == 0, said.text


@pytest.mark.parametrize("number", [0, 1])
def test_it_is_pushed_into_a_registry_with_the_state_on_the_stick_too(site: Site, number: int) -> None:
    trust = ("--policy", "/root/policy.yaml", "--state", f"/mnt/{number}/state")
    words = ["push", f"/mnt/{number}/acme.tar", f"dir:/mnt/{number}/registry", *trust, "--format", "json"]
    try:
        for _ in range(2):
            said = site.guest.airgap("airgap-import", *words)
            assert said.status == 0, said.text
        assert site.guest.airgap("airgap-import", "audit", "verify", "--state", f"/mnt/{number}/state").status == 0
    finally:
        site.guest.shell(f"rm -rf /mnt/{number}/state /mnt/{number}/registry")


def test_a_state_directory_that_everybody_may_write_to_is_refused(site: Site) -> None:
    site.guest.shell("umount /mnt/4; mount -t vfat -o umask=000 /dev/vde /mnt/4; mkdir -p /mnt/4/state")
    try:
        trust = ("--policy", "/root/policy.yaml", "--state", "/mnt/4/state")
        said = site.guest.airgap("airgap-import", "push", "/mnt/0/acme.tar", "dir:/root/registry", *trust)
        assert (said.status, "AB-STATE-MODE" in said.text, "umask=077" in said.text) == (6, True, True), said.text
    finally:
        site.guest.shell("rm -rf /mnt/4/state; umount /mnt/4; mount -t vfat /dev/vde /mnt/4")


@pytest.mark.parametrize("kind", _KINDS)
@pytest.mark.parametrize("how", ["killed", "power cut"])
def test_a_build_that_was_stopped_inside_a_blob_goes_on(
    maker: GuestMaker, delivery: Path, tmp_path: Path, kind: str, how: str
) -> None:
    disk = format_disk(tmp_path / kind, kind, 400 * MB)
    begin = f"""
      cd /root; {" ".join(f"'{word}'" for word in _build_words(delivery))} >/root/said 2>&1 & build=$!
      until [ "$(stat -c %s /mnt/0/acme.tar.partial 2>/dev/null || echo 0)" -gt {50 * MB} ]; do sleep 0.1; done
    """
    with contextlib.ExitStack() as stack:
        site = stack.enter_context(started(maker, delivery, [disk]))
        site.guest.shell(begin + ("kill -KILL $build" if how == "killed" else "kill -STOP $build; sync"))
        if how == "power cut":
            site.guest.switch_off()
            site = stack.enter_context(started(maker, delivery, [disk]))
        assert "acme.tar" not in site.guest.shell("ls -A /mnt/0").split()
        said = site.build("acme", "/mnt/0/acme.tar", *_SIGN, "--format", "json")
        resumed = re.search(r'"resumedBytes":\s*([0-9]+)', said)
        assert resumed is not None, said
        assert int(resumed[1]) > 10 * MB
        said = site.guest.airgap("airgap-import", "verify", "/mnt/0/acme.tar", "--policy", "/root/policy.yaml")
        assert said.status == 0, said.text
        assert site.guest.shell("ls -A /mnt/0").split() == ["acme.tar"]


def _build_words(delivery: Path) -> list[str]:
    return command_line("airgap-export", "build", delivery / "acme.yaml", "-o", "/mnt/0/acme.tar", *_SIGN)
