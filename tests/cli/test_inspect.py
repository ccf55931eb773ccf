"""What `inspect` and `verify` say of a bundle with files, attachments and upstream signatures, in every format."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from support import upstream
from support.images import helm_chart, referrer, single_image
from support.trip import Trip, command_line, make_trip, run

from airgap_bundle.core.content import Digest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

IMAGE = single_image("app", size=100)


@pytest.fixture(scope="module")
def delivery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Trip, Path]]:
    """A signed bundle of a signed image with an SBOM, a chart and a file."""
    key = ec.generate_private_key(ec.SECP256R1())
    content = upstream.payload(IMAGE.digest)
    with pytest.MonkeyPatch.context() as patch, make_trip(tmp_path_factory.mktemp("trip"), patch) as trip:
        image, chart = trip.put(
            {
                ("acme/app", "1.0"): IMAGE.with_referrers(referrer(IMAGE.root)),
                ("charts/acme", "1.2.3"): helm_chart(),
            }
        )
        signature = upstream.signature_image((content, upstream.key_notes(key, content)))
        signature.push_to(trip.source.registry, "acme/app", upstream.beside(IMAGE.digest))
        (trip.path / "cosign.pub").write_bytes(upstream.public_pem(key))
        (trip.path / "licence.txt").write_bytes(b"licence")
        trip.write_manifest(
            f"images: ['{image}']",
            f"charts: [{{chart: 'oci://{chart.rpartition(':')[0]}', version: 1.2.3, images: none}}]",
            "files: [{path: licence.txt, as: licences/acme.txt}]",
            "verify: [{match: '**/acme/app', key: cosign.pub}]",
        )
        yield trip, trip.build()


@pytest.mark.parametrize("program", ["airgap-export", "airgap-import"])
def test_cyclonedx_names_everything(delivery: tuple[Trip, Path], program: str) -> None:
    trip, bundle = delivery
    said = run(program, "inspect", bundle, "--format", "cyclonedx")
    assert (said.status, said.err) == (0, "")
    document = json.loads(said.out)
    named = {(each["type"], each["name"]) for each in document["components"]}
    assert named == {
        ("container", f"{trip.source.address}/acme/app"),
        ("data", f"{trip.source.address}/acme/app"),
        ("application", f"{trip.source.address}/charts/acme"),
        ("file", "licences/acme.txt"),
    }
    (file,) = (each for each in document["components"] if each["type"] == "file")
    assert file["hashes"][0]["content"] == Digest.of(b"licence").encoded
    assert said.out == run(program, "inspect", bundle, "--format", "cyclonedx").out


@pytest.mark.parametrize("program", ["airgap-export", "airgap-import"])
def test_spdx_names_everything(delivery: tuple[Trip, Path], program: str) -> None:
    trip, bundle = delivery
    said = run(program, "inspect", bundle, "--format", "spdx")
    assert (said.status, said.err) == (0, "")
    document: dict[str, Any] = json.loads(said.out)
    assert {each["name"] for each in document["packages"]} == {
        "acme",
        f"{trip.source.address}/acme/app",
        f"{trip.source.address}/charts/acme",
        "licences/acme.txt",
    }
    kinds = {each["relationshipType"] for each in document["relationships"]}
    assert kinds == {"DESCRIBES", "CONTAINS", "METAFILE_OF"}


def test_text_and_json_name_files_and_upstream_signatures(delivery: tuple[Trip, Path]) -> None:
    _, bundle = delivery
    text = run("airgap-export", "inspect", bundle).text
    assert "licences/acme.txt" in text
    assert "SIGNED UPSTREAM BY" in text
    assert "key sha256:" in text
    document = run("airgap-export", "inspect", bundle, "--format", "json").json
    assert [each["name"] for each in document["files"]] == ["licences/acme.txt"]
    verdicts = [verdict for item in document["items"] for verdict in item["upstream"]]
    assert [verdict["digest"] for verdict in verdicts] == [IMAGE.digest]


def test_verify_shows_the_verdicts_and_says_that_it_did_not_check_them_again(delivery: tuple[Trip, Path]) -> None:
    trip, bundle = delivery
    said = run("airgap-import", "verify", bundle, "--policy", trip.policy)
    assert said.status == 0, said.err
    assert "SIGNED UPSTREAM BY" in said.text
    assert "upstream signatures, again" in said.text
    document = run("airgap-import", "verify", bundle, "--policy", trip.policy, "--format", "json").json
    assert any(item["upstream"] for item in document["items"])
    assert any("upstream signatures" in sentence for sentence in document["notChecked"])


def test_a_lock_without_the_signature_is_refused_with_status_3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with make_trip(tmp_path, monkeypatch) as trip:
        references = trip.put({("acme/app", "1.0"): IMAGE})
        key = ec.generate_private_key(ec.SECP256R1())
        (trip.path / "cosign.pub").write_bytes(upstream.public_pem(key))
        trip.manifest_of_images(*references, more=("verify: [{match: '**', key: cosign.pub}]",))
        said = trip.lock()
        assert said.status == 3
        assert "AB-TRUST-UPSTREAM" in said.text
        assert "nobody has signed it" in said.text
        assert not (trip.path / "acme.lock.yaml").exists()


def inspect_stream(raw: bytes, *options: str) -> subprocess.CompletedProcess[bytes]:
    """What `airgap-export inspect -` says of these bytes."""
    line = command_line("airgap-export", "inspect", "-", "--format", "json", *options)
    return subprocess.run(line, input=raw, capture_output=True, check=False)


@pytest.mark.parametrize("options", [(), ("--check",)])
def test_a_stream_is_looked_into_as_a_file_is(delivery: tuple[Trip, Path], options: tuple[str, ...]) -> None:
    _, bundle = delivery
    expected = run("airgap-export", "inspect", bundle, "--format", "json", *options).json
    said = inspect_stream(bundle.read_bytes(), *options)
    assert said.returncode == 0, said.stderr
    assert json.loads(said.stdout) == expected | {"bundle": "standard input"}
    assert [each["name"] for each in expected["files"]] == ["licences/acme.txt"]


def test_a_stream_that_is_damaged_at_its_end_is_noticed_by_check(delivery: tuple[Trip, Path]) -> None:
    _, bundle = delivery
    raw = bundle.read_bytes()
    for damaged in (raw[:-1], raw + b"x", raw[:-1500] + bytes([raw[-1500] ^ 1]) + raw[-1499:]):
        assert inspect_stream(damaged).returncode == 0
        assert inspect_stream(damaged, "--check").returncode == 4


def test_the_exporting_side_reads_no_bundle_from_a_url() -> None:
    said = run("airgap-export", "inspect", "https://x.example/acme.tar?key=5ec2e7", "--format", "json")
    assert (said.status, said.json["error"]["code"]) == (2, "AB-USAGE-BUNDLE-URL")
    assert "https://x.example/acme.tar is a URL" in said.json["error"]["message"]
    assert "5ec2e7" not in said.out
