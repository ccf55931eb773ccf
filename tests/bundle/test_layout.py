"""Tar headers and offsets: what other tar readers see is what ours sees."""

from __future__ import annotations

import hashlib
import io
import subprocess
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from support.bundles import SOME_SIGNATURE, parts_of
from support.images import corpus

from airgap_bundle.bundle import layout
from airgap_bundle.bundle.layout import blob_name, lay_out, member_bytes, padding_of, parse_tar_header, tar_header
from airgap_bundle.core.content import MAX_SIZE_BYTES, Digest
from airgap_bundle.core.errors import InvalidValueError

if TYPE_CHECKING:
    from pathlib import Path

EIGHT_GIB = 8 * 1024**3
A_BLOB = blob_name(Digest.of(b""))


@dataclass(frozen=True, kw_only=True, slots=True)
class Listed:
    """A member as some reader sees it."""

    name: str
    size: int
    digest: str


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def listed_by_us(data: bytes) -> list[Listed]:
    """Walk an archive with our own header reader and nothing else."""
    members, position = [], 0
    while data[position:].strip(b"\0"):
        name, size = parse_tar_header(data[position : position + 512])
        start = position + 512
        members.append(Listed(name=name, size=size, digest=sha256(data[start : start + size])))
        position = start + size + padding_of(size)
    return members


def listed_by_python(path: Path) -> list[Listed]:
    with tarfile.open(path) as tar:
        members = []
        for entry in tar:
            assert entry.isreg()
            content = tar.extractfile(entry)
            assert content is not None
            members.append(Listed(name=entry.name, size=entry.size, digest=sha256(content.read())))
        return members


def listed_by_program(program: str, path: Path) -> list[Listed]:
    names = subprocess.run([program, "-tf", path], check=True, capture_output=True, text=True).stdout.splitlines()
    members = []
    for name in names:
        content = subprocess.run([program, "-xOf", path, name], check=True, capture_output=True).stdout
        members.append(Listed(name=name, size=len(content), digest=sha256(content)))
    return members


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return parts_of(corpus(size=200), signatures=[SOME_SIGNATURE]).write(tmp_path / "bundle.tar")


def test_python_sees_what_we_see(bundle: Path) -> None:
    assert listed_by_us(bundle.read_bytes()) == listed_by_python(bundle)


@pytest.mark.tools("tar")
def test_gnu_tar_sees_what_we_see(bundle: Path) -> None:
    assert listed_by_us(bundle.read_bytes()) == listed_by_program("tar", bundle)


@pytest.mark.tools("bsdtar")
def test_bsdtar_sees_what_we_see(bundle: Path) -> None:
    assert listed_by_us(bundle.read_bytes()) == listed_by_program("bsdtar", bundle)


@pytest.mark.parametrize("size", [0, 1, 511, 512, 513, EIGHT_GIB - 1, EIGHT_GIB, EIGHT_GIB + 1, 2**40, MAX_SIZE_BYTES])
def test_python_reads_every_size_as_we_wrote_it(size: int) -> None:
    entry = tarfile.TarInfo.frombuf(tar_header(A_BLOB, size), "ascii", "strict")
    assert (A_BLOB, size, 0, 0, 0, 0o644) == (entry.name, entry.size, entry.mtime, entry.uid, entry.gid, entry.mode)


@pytest.mark.parametrize("size", [0, 77, EIGHT_GIB - 1])
def test_below_8_gib_python_writes_the_same_header_but_for_the_device_fields(size: int) -> None:
    entry = tarfile.TarInfo(A_BLOB)
    entry.size = size
    theirs = bytearray(entry.tobuf(tarfile.USTAR_FORMAT, "ascii", "strict"))
    # Some versions of Python write octal zeros there for regular files too; POSIX leaves it open, we write NUL.
    theirs[329:345] = bytes(16)
    ours = bytearray(tar_header(A_BLOB, size))
    theirs[148:156] = ours[148:156] = bytes(8)
    assert theirs == ours


def test_exactly_at_8_gib_the_size_turns_to_base_256() -> None:
    assert tar_header(A_BLOB, EIGHT_GIB - 1)[124:136] == b"77777777777\0"
    assert b"\x80" + EIGHT_GIB.to_bytes(11, "big") == tar_header(A_BLOB, EIGHT_GIB)[124:136]


@pytest.mark.tools("tar")
@pytest.mark.parametrize("size", [EIGHT_GIB - 1, EIGHT_GIB])
def test_gnu_tar_reads_sizes_around_8_gib(tmp_path: Path, size: int) -> None:
    path = tmp_path / "large.tar"
    with path.open("wb") as file:
        file.write(tar_header(A_BLOB, size))
        # All holes: takes no space. Listing skips over it.
        file.truncate(512 + size + padding_of(size) + layout.END_BYTES)
    listing = subprocess.run(["tar", "-tvf", path], check=True, capture_output=True, text=True).stdout
    assert [str(size), A_BLOB] == [listing.split()[2], listing.split()[5]]


def resum(header: bytearray) -> bytes:
    """Put the right checksum in, so that only the deviation itself can be what is refused."""
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)


def with_field(start: int, data: bytes, name: str = A_BLOB, size: int = 77) -> bytes:
    header = bytearray(tar_header(name, size))
    header[start : start + len(data)] = data
    return resum(header)


def with_name(name: bytes) -> bytes:
    return with_field(0, name.ljust(100, b"\0"))


FOREIGN_NAMES = {
    "absolute": b"/etc/x",
    "windows drive": b"C:\\x",
    "network share": b"//x",
    "parent": b"../x",
    "parent in the middle": b"a/../../x",
    "dot": b"./x",
    "empty component": b"a//b",
    "trailing slash": b"blobs/",
    "backslash": b"a\\b",
    "empty": b"",
    "hidden": b".x",
    "space": b"a b",
    "trailing space": b"a ",
    "trailing dot component": b"a/.",
    "option": b"-rf",
    "newline": b"a\nb",
    "escape": b"a\x1b[2J",
    "not ascii": "naïve".encode(),
    "zero inside": b"index.json\0evil",
    "hundred and no end": b"a" * 99 + b"\xff",
}


@pytest.mark.parametrize("name", FOREIGN_NAMES.values(), ids=FOREIGN_NAMES)
def test_a_name_that_leads_elsewhere_is_refused(name: bytes) -> None:
    with pytest.raises(InvalidValueError):
        parse_tar_header(with_name(name))


FOREIGN_HEADERS = {
    "hard link": with_field(156, b"1"),
    "symbolic link": with_field(156, b"2"),
    "device": with_field(156, b"3"),
    "directory": with_field(156, b"5"),
    "fifo": with_field(156, b"6"),
    "old regular file": with_field(156, b"\0"),
    "contiguous file": with_field(156, b"7"),
    "PAX header": with_field(156, b"x"),
    "global PAX header": with_field(156, b"g"),
    "GNU long name": with_field(156, b"L"),
    "GNU long link": with_field(156, b"K"),
    "GNU sparse": with_field(156, b"S"),
    "GNU multi-volume": with_field(156, b"M"),
    "Solaris extended": with_field(156, b"X"),
    "link name": with_field(157, b"target"),
    "prefix": with_field(345, b"prefix"),
    "GNU magic": with_field(257, b"ustar  \0"),
    "old magic": with_field(257, bytes(8)),
    "mode": with_field(100, b"0000755\0"),
    "owner": with_field(108, b"0000001\0"),
    "group": with_field(116, b"0000001\0"),
    "time": with_field(136, b"00000000001\0"),
    "owner's name": with_field(265, b"root"),
    "device number": with_field(329, b"0000000\0"),
    "last byte": with_field(511, b"\1"),
    "size with a sign": with_field(124, b"-0000000001\0"),
    "size with a plus": with_field(124, b"+0000000001\0"),
    "size with spaces": with_field(124, b"        115\0"),
    "size without zeros in front": with_field(124, b"115\0\0\0\0\0\0\0\0\0"),
    "size with an underscore": with_field(124, b"000000_0115\0"),
    "size ended by a space": with_field(124, b"00000000115 "),
    "size of twelve digits": with_field(124, b"000000000115"),
    "size not octal": with_field(124, b"00000000189\0"),
    "size empty": with_field(124, bytes(12)),
    "size in letters": with_field(124, b"abc\0\0\0\0\0\0\0\0\0"),
    "size in other digits": with_field(124, ("\N{ARABIC-INDIC DIGIT ONE}" * 5).encode().ljust(12, b"\0")),
    "base 256 for a small size": with_field(124, b"\x80" + (77).to_bytes(11, "big")),
    "base 256 one below 8 GiB": with_field(124, b"\x80" + (EIGHT_GIB - 1).to_bytes(11, "big")),
    "negative base 256": with_field(124, b"\xff" * 12),
    "2^63": with_field(124, b"\x80" + (2**63).to_bytes(11, "big")),
    "2^87": with_field(124, b"\x80" + (2**87).to_bytes(11, "big")),
    "2^88 and more": with_field(124, b"\x81" + bytes(11)),
    "wrong checksum": tar_header(A_BLOB, 77).replace(tar_header(A_BLOB, 77)[148:154], b"000000"),
    "checksum as Solaris writes it": tar_header(A_BLOB, 77)[:154] + b" \0" + tar_header(A_BLOB, 77)[156:],
    "zeros": bytes(512),
    "half a block": tar_header(A_BLOB, 77)[:256],
    "nothing": b"",
}


@pytest.mark.parametrize("header", FOREIGN_HEADERS.values(), ids=FOREIGN_HEADERS)
def test_a_header_that_this_format_does_not_write_is_refused(header: bytes) -> None:
    with pytest.raises(InvalidValueError):
        parse_tar_header(header)


def test_what_the_refusals_start_from_is_accepted() -> None:
    assert parse_tar_header(with_field(0, b"")) == (A_BLOB, 77)


def test_no_flipped_bit_of_a_header_leaves_name_and_size_as_they_were() -> None:
    header = tar_header(A_BLOB, 77)
    for bit in range(512 * 8):
        flipped = bytearray(header)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(InvalidValueError):
            parse_tar_header(bytes(flipped))


@pytest.mark.parametrize("name", ["", "/a", "a/", "../a", "ä", "a" * 101, "a/.b"])
def test_a_name_that_no_member_may_have_is_not_written(name: str) -> None:
    with pytest.raises(InvalidValueError):
        tar_header(name, 1)


@pytest.mark.parametrize("size", [-1, MAX_SIZE_BYTES + 1])
def test_a_size_that_no_member_can_have_is_not_written(size: int) -> None:
    with pytest.raises(InvalidValueError):
        tar_header("a", size)


def test_every_name_of_a_bundle_fits() -> None:
    names = [layout.OCI_LAYOUT, layout.INDEX, layout.DOCKER_MANIFEST, layout.MANIFEST, layout.LOCK, layout.INVENTORY]
    longest = [f"airgap/signatures/openpgp-{'f' * 64}.sig", layout.RESERVED, A_BLOB]
    for name in names + longest:
        assert (name, 5) == parse_tar_header(tar_header(name, 5))


def test_a_member_is_header_data_and_padding_to_a_whole_block() -> None:
    member = member_bytes("index.json", b"abc")
    assert tar_header("index.json", 3) + b"abc" + bytes(509) == member


def test_the_offsets_are_those_at_which_the_bytes_stand() -> None:
    parts = parts_of()
    data, places = parts.assemble(), lay_out(len(parts.head()), parts.inventory.blobs)
    assert len(data) == places.total_bytes
    for digest, extent in places.extents.items():
        assert extent.header == data[extent.header_at : extent.data_at]
        assert parts.blobs[digest] == data[extent.data_at : extent.data_end]
    assert bytes(layout.END_BYTES) == data[places.end_at :]


def test_a_bundle_without_blobs_ends_behind_its_head() -> None:
    assert (lay_out(4096, []).end_at, lay_out(4096, []).total_bytes) == (4096, 5120)


def test_python_finds_the_member_behind_one_of_8_gib(tmp_path: Path) -> None:
    path = tmp_path / "large.tar"
    with path.open("wb") as file:
        file.write(tar_header("large", EIGHT_GIB))
        file.seek(512 + EIGHT_GIB)
        file.write(member_bytes("small", b"x") + bytes(layout.END_BYTES))
    with tarfile.open(path) as tar:
        assert [(entry.name, entry.size) for entry in tar] == [("large", EIGHT_GIB), ("small", 1)]


def test_python_takes_the_head_alone_for_a_tar_that_ends_early() -> None:
    """Why we do not read with `tarfile`: it ends without a word where an archive breaks off."""
    with tarfile.open(fileobj=io.BytesIO(parts_of().head())) as tar:
        assert tar.getnames()[-1] == layout.RESERVED
