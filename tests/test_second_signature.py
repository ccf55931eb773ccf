"""A second signature on a bundle of any size: at once, in place, and whole or absent whenever the process dies."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from support.site import Site, bundle_id, now
from support.trip import command_line, run

from airgap_bundle.boundary.judging.verify import verify_head
from airgap_bundle.bundle import layout
from airgap_bundle.bundle.beside import read_beside
from airgap_bundle.bundle.inventory import BlobEntry
from airgap_bundle.bundle.media import FileMedium
from airgap_bundle.core.content import Digest
from airgap_bundle.trust.policy_files import load_policy

if TYPE_CHECKING:
    from pathlib import Path

GIB = 1 << 30


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = Site(path=tmp_path)
    made.write_policy()
    key = ec.generate_private_key(ec.SECP256R1())
    (tmp_path / "second.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return made


def large(site: Site, size: int) -> Path:
    """A bundle with one blob more, of this size, which takes no room on the disk."""
    parts = site.parts()
    huge = BlobEntry(digest=Digest.of(b"huge"), size=size)
    parts = parts.with_inventory(blobs=(*parts.inventory.blobs, huge))
    parts = parts.signed_by(lambda data: site.who.signatures(("ci", "bob"), data))
    head = parts.head() + parts.body() + layout.tar_header(layout.blob_name(huge.digest), size)
    bundle = site.path / "large.tar"
    bundle.write_bytes(head)
    os.truncate(bundle, len(head) + size + layout.padding_of(size) + layout.END_BYTES)
    return bundle


def seconds_to_check(site: Site, bundle: Path) -> float:
    """The best of three: signatures and policy, without the blobs."""
    policy = load_policy(site.policy)
    times = []
    for _ in range(3):
        started = time.perf_counter()
        medium = FileMedium(bundle)
        verify_head(medium, policy, now(), read_beside=lambda: read_beside(bundle))
        medium.close()
        times.append(time.perf_counter() - started)
    return min(times)


def test_the_time_for_signature_and_policy_does_not_depend_on_the_size(site: Site) -> None:
    small = seconds_to_check(site, site.bundle("ci", "bob"))
    assert seconds_to_check(site, large(site, 500 * GIB)) < small * 3 + 0.1


def test_half_a_terabyte_is_signed_in_well_under_a_second(site: Site) -> None:
    bundle = large(site, 500 * GIB)
    before, size, used = bundle_id(bundle), bundle.stat().st_size, bundle.stat().st_blocks
    started = time.perf_counter()
    said = run("airgap-export", "sign", bundle, "--sign", f"key:{site.path / 'second.pem'}")
    took = time.perf_counter() - started
    assert said.status == 0, said.err
    assert took < 0.5
    assert (bundle_id(bundle), bundle.stat().st_size) == (before, size)
    assert bundle.stat().st_blocks < used + 4096


@pytest.mark.tools("strace")
@pytest.mark.parametrize("call", ["pwrite64", "fdatasync"])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_at_every_write_it_has_the_old_signatures_or_the_new_one_too(site: Site, call: str, moment: str) -> None:
    parts = site.parts()
    signed = replace(parts, signatures=tuple(site.who.signatures(("ci", "bob"), parts.inventory_bytes)))
    sign = command_line("airgap-export", "sign", site.path / "x.tar", "--sign", f"key:{site.path / 'second.pem'}")
    killed = 0
    for number in range(1, 20):
        bundle = signed.write(site.path / "x.tar")
        before, size = bundle_id(bundle), bundle.stat().st_size
        # Without an error the call is carried out before the process dies, with one it is not.
        fault = f"inject={call}:{'error=EIO:' if moment == 'before' else ''}signal=KILL:when={number}"
        log = site.path / "trace"
        done = subprocess.run(
            ["strace", "-f", "-qq", "-P", bundle, "-e", fault, "-o", log, *sign],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode == 0:
            break
        killed += 1
        assert (bundle_id(bundle), bundle.stat().st_size) == (before, size)
        verified = run("airgap-import", "verify", bundle, "--policy", site.policy)
        assert verified.status == 0, verified.err
        assert run("airgap-export", "sign", bundle, "--sign", f"key:{site.path / 'second.pem'}").status == 0
        said = run("airgap-import", "verify", bundle, "--policy", site.policy, "--format", "json")
        assert (said.status, len(said.json["signers"]), len(said.json["uncounted"])) == (0, 2, 1)
    assert killed >= 3


def test_the_same_key_again_changes_no_byte(site: Site) -> None:
    bundle = site.bundle("ci")
    for times in range(2):
        before = bundle.read_bytes()
        said = run("airgap-export", "sign", bundle, "--sign", f"key:{site.path / 'second.pem'}")
        assert said.status == 0
        assert (bundle.read_bytes() == before) == bool(times)


def test_signatures_beside_a_bundle_count_as_much(site: Site) -> None:
    parts = site.parts()
    bundle = parts.write(site.path / "plane.tar")
    beside = site.path / "plane.tar.signatures"
    beside.mkdir()
    for one in site.who.signatures(("ci", "bob"), parts.inventory_bytes):
        (beside / one.name).write_bytes(one.data)
    site.pushed(bundle)
