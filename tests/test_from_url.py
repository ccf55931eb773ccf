"""A bundle is pushed from where it lies on a web server: a static nginx, and only what is missing crosses the link."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest
from support.certificates import authority
from support.drop import Drop, nginx_drop
from support.images import artifact, single_image
from support.trip import Trip, command_line, keys, make_trip, run

from airgap_bundle.bundle.media import FileMedium
from airgap_bundle.bundle.reader import BundleReader, read_head, read_inventory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KIB, MIB = 1024, 1024 * 1024


@pytest.fixture
def trip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trip]:
    with make_trip(tmp_path, monkeypatch) as made:
        yield made


@pytest.fixture
def drop(tmp_path: Path) -> Iterator[Drop]:
    with nginx_drop(tmp_path / "web") as served:
        yield served


def serve(trip: Trip, drop: Drop, name: str = "acme.tar") -> str:
    shutil.copy(trip.build(name), drop.directory / name)
    return drop.url(name)


def reader_of(bundle: Path) -> BundleReader:
    """Where everything lies in a bundle."""
    medium = FileMedium(bundle)
    try:
        head = read_head(medium)
        return BundleReader(medium, head, read_inventory(head, str(bundle)))
    finally:
        medium.close()


def failed(said: Any) -> tuple[int, str]:
    return said.status, said.json["error"]["code"]


def test_a_push_from_a_url_brings_in_what_a_push_from_the_file_does(trip: Trip, drop: Drop) -> None:
    image = trip.one_image(size=3 * MIB)
    url = serve(trip, drop)
    pushed = trip.pushed(url)
    assert pushed["bundle"] == url
    assert trip.inside("acme/app", "1.0") == image.digest
    assert {each.status for each in drop.sent(at_least=1)} == {206}


def test_what_is_read_of_a_bundle_is_what_the_registry_lacks(trip: Trip, drop: Drop) -> None:
    """Of 20 images, one is missing: 5 % of the bytes cross, and the head."""
    images = {
        ("acme/app", f"1.{number}"): single_image(f"{number}", size=MIB, base=f"{number}") for number in range(20)
    }
    trip.manifest_of_images(*trip.put(images))
    for (repository, tag), image in list(images.items())[:19]:
        image.push_to(trip.inner.registry, trip.below(repository), tag)
    url = serve(trip, drop)
    bundle = trip.path / "acme.tar"
    reader = reader_of(bundle)
    documents = sum(each.size for each in reader.inventory.blobs if each.size < 100 * KIB)
    missing = sum(len(blob) for blob in images["acme/app", "1.19"].blobs.values())
    assert trip.pushed(url)["blobs"]["bytesSent"] == missing
    sent = drop.sent(at_least=4)
    moved = sum(each.size for each in sent)
    # What is not the missing blobs: the head, the image documents, and 0.3 % of the whole for nothing.
    assert moved - missing - reader.layout.head_bytes - documents < 0.007 * bundle.stat().st_size
    assert moved < 0.05 * bundle.stat().st_size + 1.4 * MIB
    assert len(sent) <= 6


def test_a_second_push_days_later_fetches_the_head_alone_and_sends_nothing(trip: Trip, drop: Drop) -> None:
    trip.one_image(size=3 * MIB)
    url = serve(trip, drop)
    assert trip.pushed(url)["blobs"]["pushed"] > 0
    drop.forget()
    again = trip.pushed(url)
    assert (again["blobs"]["pushed"], again["tagsMoved"]) == (0, 0)
    assert sum(each.size for each in drop.sent(at_least=2)) <= 1280 * KIB + 1024
    assert len(drop.sent()) <= 2


def test_verify_reads_every_byte_and_finds_the_one_that_is_wrong(trip: Trip, drop: Drop) -> None:
    trip.one_image(size=3 * MIB)
    url = serve(trip, drop)
    said = run("airgap-import", "verify", url, "--policy", trip.policy, "--format", "json")
    assert said.status == 0, said.err
    size = (drop.directory / "acme.tar").stat().st_size
    assert size <= sum(each.size for each in drop.sent(at_least=3)) < size + 1.2 * MIB
    layout = reader_of(trip.path / "acme.tar").layout
    largest = max(layout.extents.values(), key=lambda extent: extent.size)
    with (drop.directory / "acme.tar").open("r+b") as file:
        file.seek(largest.data_end - 1)
        byte = file.read(1)
        file.seek(largest.data_end - 1)
        file.write(bytes([byte[0] ^ 1]))
    for words in (("verify", url, "--policy", trip.policy), trip.push_arguments(url)):
        assert failed(run("airgap-import", *words, "--format", "json")) == (4, "AB-BUNDLE-BLOB")
    assert trip.inner_tags() == {}


@pytest.mark.parametrize("change", ["cut", "longer"])
def test_a_file_of_the_wrong_length_is_damaged(trip: Trip, drop: Drop, change: str) -> None:
    trip.one_image(size=3 * MIB)
    url = serve(trip, drop)
    with (drop.directory / "acme.tar").open("r+b") as file:
        file.truncate(file.seek(0, os.SEEK_END) + (-512 if change == "cut" else 512))
    code = {"cut": "AB-BUNDLE-TRUNCATED", "longer": "AB-BUNDLE-TRAILING"}[change]
    assert failed(trip.push(url, "", "--format", "json")) == (4, code)
    assert trip.inner_tags() == {}


def test_a_plan_reads_the_head_and_the_image_documents_and_nothing_else(trip: Trip, drop: Drop) -> None:
    trip.one_image(size=8 * MIB)
    url = serve(trip, drop)
    words = ("plan", url, trip.dest, "--policy", trip.policy, "--state", trip.state, "--format", "json")
    said = run("airgap-import", *words)
    assert said.status == 0, said.err
    assert sum(each.size for each in drop.sent(at_least=1)) <= 1280 * KIB
    shown = run("airgap-import", "inspect", url, "--format", "json")
    assert shown.json["bundle"] == url


def test_tls_with_an_authority_of_the_site_and_a_login_from_netrc(
    trip: Trip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = authority(tmp_path / "authority")
    (tmp_path / "passwords").write_text("carrier:{PLAIN}secret word\n")
    rules = f'auth_basic "deliveries"; auth_basic_user_file {tmp_path / "passwords"};'
    image = trip.one_image()
    with nginx_drop(tmp_path / "web", tls=site.issue("drop"), rules=rules) as drop:
        url = serve(trip, drop)
        trust = ("--ca-file", site.ca_file, "--plain-http", trip.inner.address)
        assert failed(trip.push(url, "", "--format", "json")) == (5, "AB-NETWORK-CERTIFICATE")
        unknown = trip.push(url, "", *trust, "--format", "json")
        assert failed(unknown) == (5, "AB-URL-UNAUTHORIZED")
        assert "machine 127.0.0.1 login NAME" in unknown.json["error"]["hint"]
        login = tmp_path / "login"
        login.write_text('machine 127.0.0.1 login carrier password "wrong"\n')
        wrong = trip.push(url, "", *trust, "--netrc", login, "--format", "json")
        assert failed(wrong) == (5, "AB-URL-UNAUTHORIZED")
        assert "wrong" not in wrong.out.replace("and refused", "")
        (tmp_path / "home").mkdir()
        (tmp_path / "home" / ".netrc").write_text('machine 127.0.0.1\n login carrier\n password "secret word"\n')
        monkeypatch.setenv("HOME", str(tmp_path / "home"))
        assert trip.pushed(url, "", *trust)["bundle"] == url
    assert trip.inside("acme/app", "1.0") == image.digest


def test_volumes_on_a_web_server_are_read_by_ranges(trip: Trip, drop: Drop) -> None:
    trip.put({("acme/app", "1.0"): single_image("app", size=600 * KIB, layers=6)})
    trip.manifest_of_images(f"{trip.source.address}/acme/app:1.0")
    trip.build("acme.tar", "--volume-size", "1MB")
    for path in trip.path.glob("acme.tar.*"):
        shutil.copy(path, drop.directory)
    count = len(list(trip.path.glob("acme.tar.0*")))
    url = drop.url("acme.tar.001")
    assert run("airgap-import", "verify", url, "--policy", trip.policy).status == 0
    drop.forget()
    assert trip.pushed(url)["bundle"] == url
    whole = sum(path.stat().st_size for path in trip.path.glob("acme.tar.0*"))
    assert sum(each.size for each in drop.sent(at_least=count)) <= whole + 300 * KIB
    drop.forget()
    again = trip.pushed(url)
    assert again["blobs"]["pushed"] == 0
    # The head, and the end of the archive.
    assert sum(each.size for each in drop.sent(at_least=3)) <= 1400 * KIB


def test_volumes_on_a_web_server_that_are_not_what_the_table_says_are_refused(trip: Trip, drop: Drop) -> None:
    trip.put({("acme/app", "1.0"): single_image("app", size=600 * KIB, layers=4)})
    trip.manifest_of_images(f"{trip.source.address}/acme/app:1.0")
    trip.build("acme.tar", "--volume-size", "1MB")
    for path in trip.path.glob("acme.tar.*"):
        shutil.copy(path, drop.directory)
    url, json = drop.url("acme.tar.001"), ("--format", "json")
    third = drop.directory / "acme.tar.003"
    raw = third.read_bytes()
    third.write_bytes(raw[:-1])
    assert failed(trip.push(url, "", *json)) == (4, "AB-BUNDLE-TRUNCATED")
    third.write_bytes(bytes(len(raw)))
    assert failed(trip.push(url, "", *json))[0] == 4
    third.unlink()
    assert failed(trip.push(url, "", *json)) == (5, "AB-URL-NOT-FOUND")
    table = drop.directory / "acme.tar.volumes.json"
    table.write_text("{}")
    assert failed(trip.push(url, "", *json)) == (5, "AB-URL-VOLUMES")
    table.unlink()
    assert failed(trip.push(url, "", *json)) == (5, "AB-URL-NOT-FOUND")
    assert failed(trip.push(drop.url("acme.tar.002"), "", *json)) == (2, "AB-USAGE-URL-VOLUME")
    assert trip.inner_tags() == {}


def test_a_server_that_wants_a_client_certificate_gets_that_of_the_bundle_and_no_other(
    trip: Trip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = authority(tmp_path / "authority")
    image = trip.one_image()
    certificate, key = site.issue("carrier")
    both = tmp_path / "both.pem"
    both.write_bytes(certificate.read_bytes() + key.read_bytes())
    with nginx_drop(tmp_path / "web", tls=site.issue("drop"), client_authority=site.ca_file) as drop:
        url = serve(trip, drop)
        trust = ("--ca-file", site.ca_file, "--plain-http", trip.inner.address)
        json = ("--format", "json")
        for wrong in ((), ("--cert-file", certificate, "--key-file", key)):
            assert failed(trip.push(url, "", *trust, *wrong, *json)) == (5, "AB-URL-REFUSED")
        alone = trip.push(url, "", *trust, "--bundle-key", key, *json)
        assert failed(alone) == (2, "AB-REGISTRY-OPTIONS")
        assert "--bundle-cert" in alone.json["error"]["hint"]
        missing = trip.push(url, "", *trust, "--bundle-cert", tmp_path / "nothing.pem", *json)
        assert failed(missing) == (6, "AB-NETWORK-CERTIFICATE-FILE")
        for given in (("--bundle-cert", certificate, "--bundle-key", key), ("--bundle-cert", both)):
            assert trip.pushed(url, "", *trust, *given)["bundle"] == url
        monkeypatch.setenv("AIRGAP_BUNDLE_CERT", str(both))
        said = run("airgap-import", "inspect", url, "--ca-file", site.ca_file)
        assert said.status == 0, said.err
    assert trip.inside("acme/app", "1.0") == image.digest


def test_a_file_that_is_replaced_in_the_middle_is_noticed_and_no_tag_moves(trip: Trip, drop: Drop) -> None:
    """A rate limit makes the push slow; meanwhile somebody puts the next version there."""
    trip.put({("acme/app", "1.0"): single_image("app", size=12 * MIB)})
    trip.manifest_of_images(f"{trip.source.address}/acme/app:1.0")
    url = serve(trip, drop)
    push = command_line("airgap-import", *trip.push_arguments(url, "", "--limit-rate", "16MB", "--format", "json"))
    with subprocess.Popen(push, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        # The head, and the first of the layers that comes whole.
        while len(drop.sent()) < 1:
            time.sleep(0.005)
        other = drop.directory / "other"
        other.write_bytes((drop.directory / "acme.tar").read_bytes()[:-4] + b"\0\0\0\1")
        # nginx tells files apart by length and by the second of their last change.
        os.utime(other, (time.time() + 60, time.time() + 60))
        other.replace(drop.directory / "acme.tar")
        out, err = process.communicate(timeout=60)
    assert process.returncode == 5, err
    assert b"AB-URL-CHANGED" in out
    assert trip.inner_tags() == {}
    # With the file that was meant the same command goes on, and what came through is not fetched again.
    shutil.copy(trip.path / "acme.tar", drop.directory / "acme.tar")
    assert trip.pushed(url)["tagsMoved"] == 1


def test_a_server_that_redirects_elsewhere_is_not_followed(trip: Trip, tmp_path: Path, drop: Drop) -> None:
    trip.one_image()
    url = serve(trip, drop)
    with nginx_drop(tmp_path / "front", rules=f"return 302 {url};") as front:
        said = trip.push(front.url("acme.tar"), "", "--format", "json")
    assert failed(said) == (5, "AB-URL-REDIRECT")
    assert drop.sent() == []
    # On its own host it may send us where it likes, as servers do that mend the path.
    with nginx_drop(tmp_path / "same", rules="rewrite ^/drop/latest.tar$ /drop/acme.tar redirect;") as same:
        shutil.copy(trip.path / "acme.tar", same.directory / "acme.tar")
        assert trip.pushed(same.url("latest.tar"))["tagsMoved"] == 1


def test_a_server_that_ignores_ranges_is_refused_with_what_to_do(trip: Trip, tmp_path: Path) -> None:
    trip.one_image(size=3 * MIB)
    with nginx_drop(tmp_path / "web", rules="max_ranges 0;") as drop:
        said = trip.push(serve(trip, drop), "", "--format", "json")
    assert failed(said) == (5, "AB-URL-NO-RANGES")
    assert "curl --fail" in said.json["error"]["hint"]
    assert trip.inner_tags() == {}


def test_a_missing_file_a_forbidden_one_and_a_stopped_server_each_say_so(
    trip: Trip, drop: Drop, tmp_path: Path
) -> None:
    trip.one_image()
    assert failed(trip.push(drop.url("other.tar"), "", "--format", "json")) == (5, "AB-URL-NOT-FOUND")
    with nginx_drop(tmp_path / "shut", rules="deny all;") as shut:
        said = trip.push(shut.url("acme.tar"), "", "--format", "json")
        assert failed(said) == (5, "AB-URL-FORBIDDEN")
    gone = trip.push(shut.url("acme.tar"), "", "--format", "json")
    assert failed(gone) == (5, "AB-NETWORK-REFUSED")
    assert "web server" in gone.json["error"]["hint"]


def test_secrets_in_a_signed_address_are_shown_nowhere(trip: Trip, drop: Drop) -> None:
    trip.one_image()
    url = serve(trip, drop)
    said = trip.push(f"{url}?X-Amz-Signature=5ec2e7", "", "--format", "json", "--verbose")
    assert said.status == 0, said.err
    assert said.json["bundle"] == url
    assert "5ec2e7" not in said.out + said.err
    assert "5ec2e7" not in "".join(each.read_text() for each in trip.state.rglob("*.json*"))
    missing = trip.push(f"{drop.url('none.tar')}?X-Amz-Signature=5ec2e7", "", "--format", "json")
    assert "5ec2e7" not in missing.out + missing.err


def test_signatures_that_lie_elsewhere_count_for_a_url_and_a_stream(trip: Trip, drop: Drop) -> None:
    trip.one_image()
    bundle = trip.build(sign="")
    bundle.chmod(0o444)
    shutil.copy(bundle, drop.directory / "acme.tar")
    signed = trip.build("signed.tar")
    beside = trip.path / "acme.tar.signatures"
    beside.mkdir()
    head = reader_of(signed)._head
    for each in head.signatures:
        (beside / each.name).write_bytes(each.data)
    for source, options in ((drop.url("acme.tar"), ()), (bundle, ())):
        said = run("airgap-import", "verify", source, "--policy", trip.policy, "--format", "json", *options)
        assert said.status == (0 if source == bundle else 3), said.err
    with_them = ("--signatures", beside, "--policy", trip.policy, "--format", "json")
    assert run("airgap-import", "verify", drop.url("acme.tar"), *with_them).status == 0
    line = command_line("airgap-import", "verify", "-", *with_them)
    assert subprocess.run(line, input=bundle.read_bytes(), capture_output=True, check=False).returncode == 0
    wrong = ("--signatures", trip.path / "none", "--policy", trip.policy, "--format", "json")
    assert failed(run("airgap-import", "verify", drop.url("acme.tar"), *wrong)) == (2, "AB-USAGE-SIGNATURES")


def test_files_from_a_url_are_written_from_what_the_registry_has_now(trip: Trip, drop: Drop) -> None:
    (trip.path / "licence.txt").write_text("for acme\n" * 300_000)
    trip.one_image()
    trip.manifest_of_images(
        f"{trip.source.address}/acme/app:1.0", more=("files:", "  - {path: licence.txt, as: licence.txt}")
    )
    url = serve(trip, drop)
    assert trip.pushed(url, "", "--files-to", trip.path / "out")["files"] == ["licence.txt"]
    assert (trip.path / "out" / "licence.txt").read_bytes() == (trip.path / "licence.txt").read_bytes()
    size = (drop.directory / "acme.tar").stat().st_size
    assert sum(each.size for each in drop.sent(at_least=3)) < size + 200 * KIB


def test_an_interruption_ends_a_slow_push_at_once(trip: Trip, tmp_path: Path) -> None:
    trip.one_image(size=8 * MIB)
    with nginx_drop(tmp_path / "web", rules="limit_rate 1m; limit_rate_after 1300k;") as drop:
        url = serve(trip, drop)
        push = command_line("airgap-import", *trip.push_arguments(url))
        with subprocess.Popen(push, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            drop.sent(at_least=1)
            time.sleep(0.5)
            process.send_signal(signal.SIGINT)
            before = time.monotonic()
            err = process.communicate(timeout=30)[1]
            assert time.monotonic() - before < 5
    assert process.returncode == 130, err
    assert trip.inner_tags() == {}


@pytest.mark.slow
def test_memory_stays_flat_however_large_the_bundle(trip: Trip, drop: Drop) -> None:
    from test_trip_memory import MOST_KILOBYTES, kilobytes, measured  # noqa: PLC0415 - slow tests share it

    files = {"database": bytes(200_000_000)}
    (reference,) = trip.put({("acme/database", "2"): artifact("database", files=files)})
    trip.write_manifest(f"artifacts: [{reference}]")
    url = serve(trip, drop)
    log = trip.path / "memory"
    for words in (
        measured(log, "airgap-import", "verify", url, "--policy", trip.policy),
        measured(log, "airgap-import", *trip.push_arguments(url)),
    ):
        subprocess.run(words, check=True, capture_output=True)
    assert max(kilobytes(log)) < MOST_KILOBYTES, kilobytes(log)


def test_a_look_needs_no_policy_and_no_registry(trip: Trip, drop: Drop) -> None:
    trip.one_image()
    url = serve(trip, drop)
    said = run("airgap-import", "inspect", url, "--format", "json")
    assert said.json["signatures"] == [f"openpgp-{keys().release.lower()}.sig"]
