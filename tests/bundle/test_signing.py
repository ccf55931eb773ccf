"""Adding signatures to bundles on a medium: in place, beside it, and stopped at every write."""

from __future__ import annotations

import errno
import os
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from support.bundles import SOME_SIGNATURE, parts_of

from airgap_bundle.bundle.beside import beside, read_beside
from airgap_bundle.bundle.layout import SIGNATURE_AREA_BYTES
from airgap_bundle.bundle.media import FileMedium
from airgap_bundle.bundle.reader import read_head
from airgap_bundle.bundle.signatures import MAX_SIGNATURE_BYTES, MAX_SIGNATURES, SignatureFile
from airgap_bundle.bundle.signing import add_signature
from airgap_bundle.core.errors import BundleError, HostError

if TYPE_CHECKING:
    from pathlib import Path


def signature(number: int, size: int = 900) -> SignatureFile:
    return SignatureFile(name=f"openpgp-{number:040x}.sig", data=bytes([number]) * size)


def signatures_in(bundle: Path) -> tuple[SignatureFile, ...]:
    with closing(FileMedium(bundle)) as medium:
        return read_head(medium).signatures


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return parts_of(signatures=[SOME_SIGNATURE]).write(tmp_path / "acme.tar")


def test_a_signature_goes_into_the_bundle_and_changes_nothing_else(bundle: Path) -> None:
    before = bundle.read_bytes()
    assert add_signature(bundle, signature(1)) == bundle
    assert signatures_in(bundle) == (SOME_SIGNATURE, signature(1))
    after = bundle.read_bytes()
    area_at = len(parts_of().head()) - SIGNATURE_AREA_BYTES
    assert (after[:area_at], len(after)) == (before[:area_at], len(before))
    assert after[area_at + SIGNATURE_AREA_BYTES :] == before[area_at + SIGNATURE_AREA_BYTES :]


def test_a_key_that_has_signed_changes_nothing(bundle: Path) -> None:
    before = bundle.read_bytes()
    assert add_signature(bundle, SOME_SIGNATURE) is None
    assert bundle.read_bytes() == before


class KilledError(Exception):
    """Stands for the end of the process."""


@pytest.mark.parametrize("writes", range(4))
def test_a_signing_that_is_killed_at_any_write_leaves_a_bundle_that_can_be_signed(
    bundle: Path, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    really, left = os.pwrite, iter(range(writes))

    def pwrite(descriptor: int, data: bytes, offset: int) -> int:
        if next(left, None) is None:
            really(descriptor, data[: len(data) // 1024 * 512], offset)
            raise KilledError
        return really(descriptor, data, offset)

    monkeypatch.setattr(os, "pwrite", pwrite)
    try:
        add_signature(bundle, signature(1))
    except KilledError:
        assert signatures_in(bundle) == (SOME_SIGNATURE,)
    monkeypatch.undo()
    add_signature(bundle, signature(2))
    assert signatures_in(bundle)[-1] == signature(2)


def test_two_people_who_sign_at_once_both_sign(bundle: Path) -> None:
    threads = [threading.Thread(target=add_signature, args=(bundle, signature(number))) for number in range(1, 6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(signatures_in(bundle)) == {SOME_SIGNATURE, *(signature(number) for number in range(1, 6))}


def test_a_bundle_whose_area_is_full_is_signed_beside_it(tmp_path: Path) -> None:
    full = [signature(number, MAX_SIGNATURE_BYTES) for number in range(15)]
    bundle = parts_of(signatures=full).write(tmp_path / "acme.tar")
    large = signature(99, MAX_SIGNATURE_BYTES)
    assert add_signature(bundle, large) == tmp_path / "acme.tar.signatures" / large.name
    assert (read_beside(bundle), signatures_in(bundle)) == ((large,), tuple(full))
    assert add_signature(bundle, large) is None


def test_a_bundle_that_cannot_be_changed_is_signed_beside_it(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    really = os.open

    def read_only(path: Path, flags: int, mode: int = 0o777) -> int:
        if flags & os.O_RDWR:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return really(path, flags, mode)

    before = bundle.read_bytes()
    monkeypatch.setattr(os, "open", read_only)
    assert add_signature(bundle, signature(1)) == beside(bundle) / signature(1).name
    monkeypatch.undo()
    assert (read_beside(bundle), bundle.read_bytes()) == ((signature(1),), before)


def test_a_file_that_is_no_bundle_is_not_signed(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(b"hello")
    with pytest.raises(BundleError, match="is not a bundle"):
        add_signature(path, signature(1))
    assert path.read_bytes() == b"hello"


def test_a_bundle_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(HostError, match=r"missing\.tar"):
        add_signature(tmp_path / "missing.tar", signature(1))


def test_without_a_directory_there_are_no_signatures_beside(bundle: Path) -> None:
    assert read_beside(bundle) == ()
    beside(bundle).write_bytes(b"a file")
    assert read_beside(bundle) == ()


def test_hidden_files_beside_are_passed_over(bundle: Path) -> None:
    directory = beside(bundle)
    directory.mkdir()
    (directory / signature(1).name).write_bytes(signature(1).data)
    for name in (".DS_Store", f"._{signature(1).name}", f".{signature(2).name}.4711"):
        (directory / name).write_bytes(b"half")
    assert read_beside(bundle) == (signature(1),)


@pytest.mark.parametrize("kind", ["fifo", "directory", "device", "too large", "empty", "another name", "dangling"])
def test_what_is_no_signature_beside_is_refused_at_once(bundle: Path, kind: str) -> None:
    directory = beside(bundle)
    directory.mkdir()
    path = directory / signature(1).name
    match kind:
        case "fifo":
            os.mkfifo(path)
        case "directory":
            path.mkdir()
        case "device":
            path.symlink_to("/dev/zero")
        case "dangling":
            path.symlink_to("nowhere")
        case "too large":
            path.write_bytes(bytes(MAX_SIGNATURE_BYTES + 1))
        case "empty":
            path.write_bytes(b"")
        case _:
            (directory / "notes.txt").write_bytes(b"hello")
    with pytest.raises(BundleError, match="is not a signature") as caught:
        read_beside(bundle)
    assert caught.value.code == "AB-BUNDLE-SIGNATURES"


def test_more_signatures_beside_than_allowed_are_refused(bundle: Path) -> None:
    directory = beside(bundle)
    directory.mkdir()
    for number in range(MAX_SIGNATURES):
        (directory / signature(number).name).write_bytes(b"x")
    assert len(read_beside(bundle)) == MAX_SIGNATURES
    (directory / signature(99).name).write_bytes(b"x")
    with pytest.raises(BundleError, match="more than 16"):
        read_beside(bundle)
