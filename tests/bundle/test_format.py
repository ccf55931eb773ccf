"""FORMAT.md says what is so: its numbers are those of the code, and its commands work."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
from importlib.resources import files
from typing import TYPE_CHECKING

import pytest
from support.bundles import Parts, parts_of
from support.images import corpus
from support.keys import GnuPgHome, gnupg_home

from airgap_bundle.bundle import inventory, layout, reader, signatures
from airgap_bundle.bundle.inventory import parse_inventory
from airgap_bundle.bundle.layout import tar_header
from airgap_bundle.bundle.signatures import SignatureFile, build_area
from airgap_bundle.core import strictjson

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TEXT = files("airgap_bundle.bundle").joinpath("FORMAT.md").read_text("utf-8")
SECTIONS = {
    int(number): body for number, body in re.findall(r"^## (\d+)\. (.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL)
}


def commands() -> str:
    return "\n".join(re.findall(r"^```sh\n(.*?)^```", SECTIONS[9], re.MULTILINE | re.DOTALL))


@pytest.fixture(scope="module")
def gnupg() -> Iterator[GnuPgHome]:
    with gnupg_home() as home:
        yield home


@pytest.fixture(scope="module")
def signed(gnupg: GnuPgHome) -> Parts:
    key = gnupg.make_key("release@example.com")

    def sign(data: bytes) -> list[SignatureFile]:
        return [SignatureFile(name=f"openpgp-{key}.sig", data=gnupg.sign(data, key))]

    return parts_of(corpus(size=200)).signed_by(sign)


def check_by_hand(data: bytes, directory: Path, gnupg: GnuPgHome) -> subprocess.CompletedProcess[str]:
    (directory / "acme-1.0.0.tar").write_bytes(data)
    script = "set -euo pipefail\n" + commands()
    environment = {"PATH": "/usr/bin:/bin", "GNUPGHOME": str(gnupg.path), "LC_ALL": "C.UTF-8"}
    return subprocess.run(
        ["bash", "-c", script], cwd=directory, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.tools("tar", "gpg", "sha256sum", "bash")
def test_the_commands_accept_a_good_bundle(signed: Parts, gnupg: GnuPgHome, tmp_path: Path) -> None:
    done = check_by_hand(signed.assemble(), tmp_path, gnupg)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "complete"), done.stderr
    assert hashlib.sha256(signed.inventory_bytes).hexdigest() in done.stdout
    assert "Good signature" in done.stderr
    assert sum(line.endswith(": OK") for line in done.stdout.splitlines()) == 4


def damaged(signed: Parts) -> dict[str, bytes]:
    whole = signed.assemble()
    at = len(signed.head()) + 600
    lock_at = whole.index(b"apiVersion: airgap-bundle/lock")
    name_at = whole.index(b'"name":"acme"')
    return {
        "a blob": whole[:at] + b"\xff" + whole[at + 1 :],
        "a member": whole[:lock_at] + b"A" + whole[lock_at + 1 :],
        "the inventory": whole[:name_at] + b'"name":"evil"' + whole[name_at + 13 :],
        "a blob that is missing": whole[: len(signed.head())] + bytes(1024),
        "a blob too many": whole[:-1024] + layout.member_bytes(f"blobs/sha256/{'0' * 64}", b"x") + bytes(1024),
    }


@pytest.mark.tools("tar", "gpg", "sha256sum", "bash")
@pytest.mark.parametrize("what", damaged(parts_of()))
def test_the_commands_refuse_a_damaged_bundle(signed: Parts, gnupg: GnuPgHome, tmp_path: Path, what: str) -> None:
    done = check_by_hand(damaged(signed)[what], tmp_path, gnupg)
    assert done.returncode != 0
    assert "complete" not in done.stdout.splitlines()


def hexadecimal(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize(
    ("section", "value"),
    [
        (2, hexadecimal(tar_header(layout.OCI_LAYOUT, 30))),
        (2, hexadecimal(tar_header("blobs/sha256/" + "0" * 64, 2**33))),
        (2, f"{2**33:,}"),
        (3, layout.OCI_LAYOUT_CONTENT.decode()),
        (5, inventory.INVENTORY_TYPE),
        (5, f"`{inventory.FORMAT}`"),
        (5, f"{inventory.MAX_BLOBS:,}"),
        (5, f"{inventory.MAX_TEXT:,}"),
        (5, f"{strictjson.MAX_INTEGER:,}"),
        (5, f"deeper than {strictjson.MAX_DEPTH}"),
        (6, hexadecimal(build_area([]))),
        (6, f"{layout.SIGNATURE_AREA_BYTES:,}"),
        (6, f"0 to {signatures.MAX_SIGNATURES} signature members"),
        (6, f"1 to {signatures.MAX_SIGNATURE_BYTES:,} bytes"),
        (7, f"{layout.END_BYTES:,}"),
    ],
)
def test_its_numbers_are_those_of_the_code(section: int, value: str) -> None:
    assert value in SECTIONS[section]


def test_its_limits_of_the_head_are_those_of_the_reader() -> None:
    rows = re.findall(r"^\| `([^`]+)` \| (no|yes) \| ([\d,]+) \|", SECTIONS[3], re.MULTILINE)
    assert [(name, int(limit.replace(",", ""))) for name, _, limit in rows] == list(reader._MAX_BYTES.items())
    assert [name for name, optional, _ in rows if optional == "yes"] == [layout.DOCKER_MANIFEST]


def test_its_table_of_the_header_covers_the_512_bytes() -> None:
    rows = [(int(a), int(b)) for a, b in re.findall(r"^\| (\d+) \| (\d+) \|", SECTIONS[2], re.MULTILINE)]
    assert [start for start, _ in rows] == [0, *(start + length for start, length in rows[:-1])]
    assert sum(length for _, length in rows) == 512


def test_its_example_is_an_inventory() -> None:
    example = re.search(r"^```json\n(.*?)^```", SECTIONS[5], re.MULTILINE | re.DOTALL)
    assert example is not None
    assert parse_inventory(example[1].replace("\n", "").encode()).items[0].kind == "image"


def test_it_describes_every_key_of_an_inventory_and_of_an_item() -> None:
    described = set(re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", SECTIONS[5], re.MULTILINE))
    keys = {key for cell in described for key in re.findall(r"`(\w+)`", cell)}
    item = {"kind", "source", "path", "tag", "digest", "mediaType", "size", "platforms", "subject", "original"}
    top = json.loads(parts_of().inventory_bytes).keys() | {"expires", "assumed", "base"}
    assert keys == item | {"referrers", "upstream"} | top


def test_its_contents_name_its_sections() -> None:
    assert sorted(SECTIONS) == list(range(1, 11))
    for number, body in SECTIONS.items():
        assert f"{number}. [{body.splitlines()[0]}](#" in TEXT


def test_it_ships_in_the_package() -> None:
    assert TEXT.startswith("# The bundle format, version 1.0")
