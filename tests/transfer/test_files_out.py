"""Files of a bundle on their way into a directory: only names that stay below it, and only all of them."""

from __future__ import annotations

import io
import json
import tarfile
from contextlib import nullcontext
from typing import TYPE_CHECKING

import pytest

from airgap_bundle.bundle.inventory import Item
from airgap_bundle.core.content import BytesSource, Digest
from airgap_bundle.core.errors import BundleError
from airgap_bundle.core.oci import OCI_EMPTY, OCI_MANIFEST, parse_document
from airgap_bundle.manifest.locked import DIRECTORY_MEDIA_TYPE, FILE_MEDIA_TYPE
from airgap_bundle.transfer.files_out import stage
from airgap_bundle.transfer.plan import Target

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from airgap_bundle.core.content import Source


def tar_of(*entries: tuple[str, bytes, bytes]) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for name, kind, data in entries:
            entry = tarfile.TarInfo(name)
            entry.type, entry.size, entry.linkname = kind, len(data), "/etc/passwd"
            tar.addfile(entry, io.BytesIO(data))
    return raw.getvalue()


def staged(tmp_path: Path, *layers: tuple[str, str, bytes], below: str = "") -> list[str]:
    """The names that come of layers given as (title, media type, bytes)."""
    held = {Digest.of(data): data for _, _, data in layers}
    described = [
        {
            "mediaType": media_type,
            "digest": Digest.of(data),
            "size": len(data),
            "annotations": {"org.opencontainers.image.title": title},
        }
        for title, media_type, data in layers
    ]
    value = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": OCI_EMPTY, "digest": Digest.of(b"{}"), "size": 2},
        "layers": described,
    }
    document = parse_document(json.dumps(value).encode(), OCI_MANIFEST)
    item = Item(
        kind="files",
        source="files/acme:1",
        path="files/acme",
        tag="1",
        digest=document.descriptor.digest,
        media_type=OCI_MANIFEST,
        size=document.descriptor.size,
    )
    target = Target(item=item, repository="files/acme", anchor="a", documents=(document,))
    with stage(
        tmp_path / "out", (target,), lambda _, layer: nullcontext(BytesSource(held[layer.digest])), below=below
    ) as ready:
        ready.check()
        ready.publish()
        return list(ready.put)


@pytest.mark.parametrize(
    "title", ["../x", "/etc/x", "a/../../x", "", "a//b", "-x", "CON", "a\nb", "./a", "a/", "ä", "c:\\x", "a" * 300]
)
def test_a_name_that_leads_elsewhere_is_never_written(tmp_path: Path, title: str) -> None:
    for media_type, data in ((FILE_MEDIA_TYPE, b"x"), (DIRECTORY_MEDIA_TYPE, tar_of(("x", tarfile.REGTYPE, b"x")))):
        for below in ("", "files"):
            with pytest.raises(BundleError, match="cannot be written"):
                staged(tmp_path, (title, media_type, data), below=below)
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    "entry",
    [
        ("../x", tarfile.REGTYPE, b"x"),
        ("/etc/x", tarfile.REGTYPE, b"x"),
        ("./x", tarfile.REGTYPE, b"x"),
        ("x", tarfile.SYMTYPE, b""),
        ("x", tarfile.LNKTYPE, b""),
        ("x", tarfile.FIFOTYPE, b""),
        ("x", tarfile.CHRTYPE, b""),
        ("NUL", tarfile.REGTYPE, b"x"),
    ],
)
def test_a_packed_directory_holds_files_and_directories_only(tmp_path: Path, entry: tuple[str, bytes, bytes]) -> None:
    with pytest.raises(BundleError, match="cannot be written"):
        staged(tmp_path, ("d", DIRECTORY_MEDIA_TYPE, tar_of(("ok", tarfile.REGTYPE, b"x"), entry)))
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    "layers",
    [
        (("a", FILE_MEDIA_TYPE, b"1"), ("A", FILE_MEDIA_TYPE, b"2")),
        (("a", FILE_MEDIA_TYPE, b"1"), ("a/b", FILE_MEDIA_TYPE, b"2")),
        (("d/x", FILE_MEDIA_TYPE, b"1"), ("d", DIRECTORY_MEDIA_TYPE, tar_of(("X", tarfile.REGTYPE, b"2")))),
        (("d", DIRECTORY_MEDIA_TYPE, tar_of(("x", tarfile.REGTYPE, b"1"), ("x", tarfile.REGTYPE, b"2"))),),
        (("d", FILE_MEDIA_TYPE, b"1"), ("d", DIRECTORY_MEDIA_TYPE, tar_of(("x", tarfile.REGTYPE, b"2")))),
    ],
)
def test_two_files_of_one_name_are_refused(tmp_path: Path, layers: tuple[tuple[str, str, bytes], ...]) -> None:
    with pytest.raises(BundleError, match="cannot be written"):
        staged(tmp_path, *layers)
    assert list((tmp_path / "out").iterdir()) == []


def test_a_directory_that_is_cut_short_is_refused(tmp_path: Path) -> None:
    whole = tar_of(("x", tarfile.REGTYPE, b"x" * 3000))
    with pytest.raises(BundleError, match="cut short"):
        staged(tmp_path, ("d", DIRECTORY_MEDIA_TYPE, whole[:1024]))


def test_documents_and_files_below_a_directory_are_put_side_by_side(tmp_path: Path) -> None:
    with stage(tmp_path / "out", (), nothing_asked, below="files", documents={"a/b.sig": b"1", "c": b"2"}) as ready:
        ready.publish()
    assert (tmp_path / "out" / "a" / "b.sig").read_bytes() == b"1"
    assert (tmp_path / "out" / "c").read_bytes() == b"2"
    assert staged(tmp_path, ("x", FILE_MEDIA_TYPE, b"x"), below="files") == ["files/x"]


def nothing_asked(*_: object) -> AbstractContextManager[Source]:
    raise AssertionError
