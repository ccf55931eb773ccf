"""Charts of classic repositories, directories and packages: carried byte for byte, or refused in one sentence."""

from __future__ import annotations

import gzip
import io
import os
import re
import tarfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from support.helm import index, metadata, package, packed, provenance, sha256
from support.scripted_server import ScriptedServer, answer
from support.trip import Trip, keys, make_trip, run

from airgap_bundle.connected.chart_package import CHART_LAYER, PROVENANCE_LAYER, read_chart
from airgap_bundle.connected.helmignore import ignore_rule
from airgap_bundle.core.content import BytesSource
from airgap_bundle.core.errors import InvalidValueError
from airgap_bundle.core.oci import HELM_CONFIG
from airgap_bundle.manifest.lock import parse_lock
from airgap_bundle.trust.provenance import parse_provenance

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from support.trip import Said

    from airgap_bundle.manifest.locked import LockedItem


@pytest.fixture
def trip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trip]:
    with make_trip(tmp_path, monkeypatch) as made:
        yield made


@dataclass
class Repository:
    """A classic repository on loopback; what it does not hold is not there."""

    server: ScriptedServer
    held: dict[str, bytes] = field(default_factory=dict)

    @property
    def address(self) -> str:
        return f"http://{self.server.address}/charts"

    @property
    def asked(self) -> list[str]:
        return [request.target for request in self.server.received]


@contextmanager
def repository(files: Mapping[str, bytes | str], *, missing: tuple[str, ...] = ()) -> Iterator[Repository]:
    """A repository of these files, each with status 200 or, as raw bytes that begin with HTTP, as they are."""
    with ScriptedServer() as server:
        made = Repository(server)
        for name, data in files.items():
            raw = data.encode() if isinstance(data, str) else data
            raw = raw.replace(b"@HERE@", server.address.encode())
            made.server.always("GET", f"/charts/{name}", raw if raw.startswith(b"HTTP/1.1 ") else answer(200, raw))
        for name in missing:
            server.always("GET", f"/charts/{name}", answer(404))
        yield made


def locked(trip: Trip, name: str = "acme") -> LockedItem:
    (item,) = parse_lock((trip.path / f"{name}.lock.yaml").read_bytes(), "acme.lock.yaml").items
    return item


def write(trip: Trip, chart: str, *more: str) -> None:
    trip.write_manifest("charts:", f"  - {{images: none, {chart}}}", *more)


def classic(repo: Repository, version: str = "1.0.0", more: str = "") -> str:
    return f"chart: app, repo: '{repo.address}', version: '{version}'{more}"


def assert_refused(said: Said, status: int, code: str, *words: str) -> None:
    assert (said.status, said.out) == (status, ""), said.text
    # Each with a page, one sentence, and what to do.
    assert f"explain {code}" in said.text, said.text
    for word in words:
        assert word in said.text, said.text


def test_a_chart_of_a_classic_repository_arrives_with_its_provenance(trip: Trip) -> None:
    tgz = package(version="1.0.0+build.7")
    prov = provenance(keys().home, keys().release, tgz, version="1.0.0+build.7")
    entry = ("app", "1.0.0+build.7", "app-1.tgz", sha256(tgz))
    with repository({"index.yaml": index(entry), "app-1.tgz": tgz, "app-1.tgz.prov": prov}) as repo:
        write(trip, classic(repo, "1.0.0+build.7"))
        assert trip.lock().status == 0
        host = repo.server.address.replace(":", "_")
    # The build needs no second download: the repository has gone.
    bundle = trip.build()
    trip.pushed(bundle)
    name = f"mirror/{host}/charts/app"
    found = trip.inner.registry.get_manifest(name, "1.0.0_build.7")
    assert found is not None
    assert found.config is not None
    assert found.config.media_type == HELM_CONFIG
    assert [layer.media_type for layer in found.layers] == [CHART_LAYER, PROVENANCE_LAYER]
    assert [read_blob(trip, name, layer.digest, layer.size) for layer in found.layers] == [tgz, prov]
    config = read_blob(trip, name, found.config.digest, found.config.size)
    assert config == b'{"apiVersion":"v2","appVersion":"1.10","name":"app","version":"1.0.0+build.7"}'


def read_blob(trip: Trip, name: str, digest: object, size: int) -> bytes:
    data = bytearray(size)
    with trip.inner.registry.open_blob(name, digest, size) as source:  # type: ignore[arg-type]  # a digest of ours
        filled = 0
        while filled < size:
            filled += source.readinto(memoryview(data)[filled:])
    return bytes(data)


def test_the_artifact_is_a_function_of_package_and_provenance_alone(trip: Trip) -> None:
    tgz = package()
    prov = provenance(keys().home, keys().release, tgz)
    with repository(
        {"index.yaml": index(("app", "1.0.0", "x/any.tgz", "")), "x/any.tgz": tgz, "x/any.tgz.prov": prov}
    ) as repo:
        write(trip, classic(repo))
        assert trip.lock().status == 0
    from_web = locked(trip)
    (trip.path / "other-name.tgz").write_bytes(tgz)
    (trip.path / "other-name.tgz.prov").write_bytes(prov)
    write(trip, "chart: ./other-name.tgz")
    assert trip.lock().status == 0
    local = locked(trip)
    assert (local.digest, local.tag, local.path) == (from_web.digest, "1.0.0", "charts/app")


def test_a_directory_is_packed_to_the_same_bytes_wherever_it_lies(trip: Trip) -> None:
    digests = []
    for number, names in enumerate((("a", "b"), ("b", "a"))):
        chart = trip.path / f"chart{number}"
        (chart / "templates").mkdir(parents=True)
        (chart / "Chart.yaml").write_bytes(metadata())
        (chart / ".helmignore").write_text("# comment\n*.swp\n/secret/\n")
        for name in names:
            (chart / "templates" / f"{name}.yaml").write_text(f"kind: {name}\n")
        (chart / "note.swp").write_text(str(number))
        (chart / "secret").mkdir()
        (chart / "secret" / "key").write_text(str(number))
        os.utime(chart / "Chart.yaml", (number, number))
        (chart / "Chart.yaml").chmod(0o600 if number else 0o664)
        write(trip, f"chart: ./chart{number}")
        assert trip.lock().status == 0
        digests.append(locked(trip).digest)
        trip.build(f"bundle{number}.tar")
    assert digests[0] == digests[1]


def test_a_directory_is_packed_again_where_the_cache_is_gone(trip: Trip, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRGAP_CACHE", str(trip.path / "cache"))
    (trip.path / "chart").mkdir()
    (trip.path / "chart" / "Chart.yaml").write_bytes(metadata("web"))
    write(trip, "chart: ./chart, as: other/name")
    assert trip.lock().status == 0
    (kept,) = (trip.path / "cache" / "blobs" / "sha256").iterdir()
    kept.unlink()
    trip.build("one.tar")
    assert kept.exists()
    kept.unlink()
    (trip.path / "chart" / "more").touch()
    said = run("airgap-export", "build", trip.path / "acme.yaml", "-o", trip.path / "two.tar")
    assert_refused(said, 2, "AB-LOCK-STALE", "chart")


def test_a_packed_directory_is_what_helm_expects(trip: Trip) -> None:
    chart = trip.path / "chart"
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_bytes(metadata("web", "2.0.0"))
    (chart / "templates" / "big.yaml").write_bytes(b"x" * 200_000)
    write(trip, "chart: ./chart")
    assert trip.lock().status == 0
    trip.pushed(trip.build())
    found = trip.inner.registry.get_manifest("mirror/charts/web", "2.0.0")
    assert found is not None
    tgz = read_blob(trip, "mirror/charts/web", found.layers[0].digest, found.layers[0].size)
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(tgz))) as tar:
        assert [member.name for member in tar] == ["web/Chart.yaml", "web/templates/big.yaml"]
        assert {(member.mtime, member.uid, member.mode) for member in tar} == {(0, 0, 0o644)}


def test_a_lock_that_is_made_again_asks_the_repository_nothing(trip: Trip) -> None:
    files: dict[str, bytes | str] = {"index.yaml": index(("app", "1.0.0", "a.tgz", "")), "a.tgz": package()}
    with repository(files, missing=("a.tgz.prov",)) as repo:
        write(trip, classic(repo))
        assert trip.lock().status == 0
        before = (trip.path / "acme.lock.yaml").read_bytes()
        asked = len(repo.asked)
        assert trip.lock().status == 0
        assert len(repo.asked) == asked
        assert trip.lock("--update-all").status == 0
        assert len(repo.asked) > asked
    assert (trip.path / "acme.lock.yaml").read_bytes() == before


def test_a_build_fetches_again_what_the_cache_has_lost_or_damaged(trip: Trip, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = trip.path / "cache"
    monkeypatch.setenv("AIRGAP_CACHE", str(cache))
    tgz = package()
    files: dict[str, bytes | str] = {"index.yaml": index(("app", "1.0.0", "a.tgz", "")), "a.tgz": tgz}
    with repository(files, missing=("a.tgz.prov",)) as repo:
        write(trip, classic(repo))
        assert trip.lock().status == 0
        (kept,) = (cache / "blobs" / "sha256").iterdir()
        kept.write_bytes(kept.read_bytes()[:-1] + b"x")
        trip.build("one.tar")
        kept.unlink()
        trip.build("two.tar")
        assert (trip.path / "one.tar").read_bytes()[:500] == (trip.path / "two.tar").read_bytes()[:500]
        # What stands there now is another package of the same version.
        kept.unlink()
        repo.server.always("GET", "/charts/a.tgz", answer(200, package(files=[("app/more", b"")])[: len(tgz)]))
        said = run("airgap-export", "build", trip.path / "acme.yaml", "-o", trip.path / "three.tar")
        assert_refused(said, 5, "AB-WEB-CONTENT", "a.tgz")
    assert not (trip.path / "three.tar").exists()
    assert list((cache / "blobs" / "sha256").iterdir()) == []


BOMB = gzip.compress(b"\0" * (110 * 1024 * 1024), 9, mtime=0)
TGZ = package()


@pytest.mark.parametrize(
    ("files", "status", "code", "word"),
    [
        ({"index.yaml": answer(404)}, 5, "AB-CHART-NOT-FOUND", "no index.yaml"),
        ({"index.yaml": index(("other", "1.0.0", "a.tgz", ""))}, 5, "AB-CHART-NOT-FOUND", "lists no chart app"),
        ({"index.yaml": index(("app", "v1.0.0", "a.tgz", ""))}, 5, "AB-CHART-NOT-FOUND", "it has v1.0.0"),
        ({"index.yaml": "entries: {app: [&a {version: 1.0.0}, *a]}"}, 5, "AB-CHART-INDEX", "anchor &a"),
        ({"index.yaml": "entries: {app: []}\nentries: {}\n"}, 5, "AB-CHART-INDEX", "again"),
        ({"index.yaml": "<html>"}, 5, "AB-CHART-NOT-FOUND", "lists no chart"),
        ({"index.yaml": index(("app", "1.0.0", "a.tgz", "zz"))}, 5, "AB-CHART-INDEX", "not a SHA-256"),
        ({"index.yaml": index(("app", "1.0.0", "file:///etc/passwd", ""))}, 5, "AB-CHART-INDEX", "neither http nor"),
        ({"index.yaml": index(("app", "1.0.0", "http://u:p@h/a.tgz", ""))}, 5, "AB-CHART-INDEX", "login"),
        ({"index.yaml": index(("app", "1.0.0", "http://h.example/a", ""))}, 5, "AB-NETWORK-PLAIN-HTTP", "TLS"),
        ({"index.yaml": answer(500)}, 5, "AB-WEB-REFUSED", "status 500"),
        ({"index.yaml": b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nentries: {}"}, 5, "AB-WEB-REFUSED", "how long"),
        ({"index.yaml": answer(302, location="http://u.example/")}, 5, "AB-NETWORK-REDIRECT", "plain HTTP"),
        ({"index.yaml": answer(302, location="file:///etc")}, 5, "AB-NETWORK-REDIRECT", "redirects"),
        ({"index.yaml": answer(302, location="/charts/index.yaml")}, 5, "AB-NETWORK-REDIRECT", "more than 5"),
        ({"a.tgz": answer(404)}, 5, "AB-WEB-NOT-FOUND", "a.tgz"),
        ({"a.tgz": b"x"}, 5, "AB-CHART-PACKAGE", "gzip"),
        ({"a.tgz": BOMB}, 5, "AB-CHART-PACKAGE", "unpack to more than"),
        ({"a.tgz": package(version="1.0.1")}, 5, "AB-CHART-PACKAGE", "says that it is app 1.0.1"),
        ({"a.tgz": package(name="evil")}, 5, "AB-CHART-PACKAGE", "says that it is evil 1.0.0"),
        ({"a.tgz": TGZ, "a.tgz.prov": answer(500)}, 5, "AB-WEB-REFUSED", "status 500"),
        ({"a.tgz": TGZ, "a.tgz.prov": answer(403)}, 5, "AB-WEB-REFUSED", "status 403"),
        ({"a.tgz": TGZ, "a.tgz.prov": b"hello"}, 5, "AB-CHART-PACKAGE", "does not fit"),
    ],
)
def test_what_a_repository_does_wrong_is_said_in_one_sentence(
    trip: Trip, files: dict[str, bytes | str], status: int, code: str, word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airgap_bundle.registry.session.Retries.again", lambda *_: False)
    with repository({"index.yaml": index(("app", "1.0.0", "a.tgz", "")), **files}) as repo:
        write(trip, classic(repo))
        assert_refused(trip.lock(), status, code, word)
    assert not (trip.path / "acme.lock.yaml").exists()


def test_a_package_that_the_index_gives_another_digest_is_refused(trip: Trip) -> None:
    with repository({"index.yaml": index(("app", "1.0.0", "a.tgz", "0" * 64)), "a.tgz": TGZ}) as repo:
        write(trip, classic(repo))
        assert_refused(trip.lock(), 5, "AB-WEB-CONTENT", "0" * 64)


def test_a_provenance_file_of_another_package_stops_the_lock(trip: Trip) -> None:
    prov = provenance(keys().home, keys().release, package(files=[("app/x", b"")]))
    files: dict[str, bytes | str] = {
        "index.yaml": index(("app", "1.0.0", "a.tgz", "")),
        "a.tgz": TGZ,
        "a.tgz.prov": prov,
    }
    with repository(files) as repo:
        write(trip, classic(repo))
        assert_refused(trip.lock(), 5, "AB-CHART-PACKAGE", "app-1.0.0.tgz")
    (trip.path / "app.tgz").write_bytes(TGZ)
    (trip.path / "app.tgz.prov").write_bytes(prov)
    write(trip, "chart: ./app.tgz")
    assert_refused(trip.lock(), 2, "AB-CHART-LOCAL", "app-1.0.0.tgz")
    (trip.path / "app.tgz.prov").write_bytes(provenance(keys().home, keys().release, TGZ, file="other.tgz"))
    assert_refused(trip.lock(), 2, "AB-CHART-LOCAL", "other.tgz")


def test_a_keyring_demands_a_signature_by_one_of_its_keys(trip: Trip) -> None:
    home, release, stranger = keys().home, keys().release, keys().stranger
    (trip.path / "both.gpg").write_bytes(home.gpg("--export", stranger, release))
    (trip.path / "stranger.gpg").write_bytes(home.gpg("--export", stranger))
    (trip.path / "none.gpg").write_bytes(b"")
    (trip.path / "app.tgz").write_bytes(TGZ)
    write(trip, "chart: ./app.tgz, keyring: both.gpg")
    assert_refused(trip.lock(), 3, "AB-CHART-UNSIGNED", "no provenance")
    prov = provenance(home, release, TGZ)
    (trip.path / "app.tgz.prov").write_bytes(prov)
    assert trip.lock().status == 0
    assert [dict(verdict) for verdict in locked(trip).verdicts] == [
        {"method": "helm-provenance", "key": release, "keyring": "both.gpg"}
    ]
    write(trip, "chart: ./app.tgz, keyring: stranger.gpg")
    assert_refused(trip.lock(), 3, "AB-TRUST-UNKNOWN-SIGNER", "another key")
    write(trip, "chart: ./app.tgz, keyring: none.gpg")
    assert_refused(trip.lock(), 2, "AB-CHART-KEYRING", "keyring")
    write(trip, "chart: ./app.tgz, keyring: both.gpg")
    # The text was changed where the digest of the package does not show it.
    (trip.path / "app.tgz.prov").write_bytes(prov.replace(b"appVersion: 1.10", b"appVersion: 1.11"))
    assert_refused(trip.lock(), 3, "AB-TRUST-BAD-SIGNATURE")


def test_a_range_of_versions_is_refused_when_the_lock_is_made(trip: Trip) -> None:
    with repository({}) as repo:
        write(trip, classic(repo, "^1.0"))
        said = trip.lock()
        assert (said.status, repo.asked) == (2, [])
        assert "AGM013" in said.text


def test_charts_that_depend_on_charts_they_lack_are_warned_of(trip: Trip) -> None:
    wanted = "dependencies: [{name: redis, version: 1.x, repository: 'https://r.example'}, {name: held, version: 1}]\n"
    files = [("app/Chart.yaml", metadata(more=wanted)), ("app/charts/held-1.0.0.tgz", b"")]
    (trip.path / "app.tgz").write_bytes(packed(files))
    write(trip, "chart: ./app.tgz")
    said = trip.lock()
    assert said.status == 0
    assert "depends on redis, which it does not hold" in said.text


def test_links_and_odd_names_in_a_directory_are_refused(trip: Trip) -> None:
    chart = trip.path / "chart"
    chart.mkdir()
    write(trip, "chart: ./chart")
    assert_refused(trip.lock(), 2, "AB-MANIFEST-LOCAL-FILE", "Chart.yaml")
    (chart / "Chart.yaml").write_bytes(metadata())
    (chart / "link").symlink_to("/etc/passwd")
    assert_refused(trip.lock(), 2, "AB-MANIFEST-LOCAL-FILE", "the link link")
    (chart / "link").unlink()
    os.mkfifo(chart / "pipe")
    assert_refused(trip.lock(), 2, "AB-MANIFEST-LOCAL-FILE", "neither a file nor a directory")
    (chart / "pipe").unlink()
    (chart / "a\nb").touch()
    assert_refused(trip.lock(), 2, "AB-MANIFEST-LOCAL-FILE", "not a file name")
    (chart / "a\nb").unlink()
    (chart / ".helmignore").write_text("!keep\n")
    assert_refused(trip.lock(), 2, "AB-MANIFEST-LOCAL-FILE", "!keep")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (packed([("app/values.yaml", b"")]), "no Chart.yaml"),
        (packed([("app/Chart.yaml", metadata()), ("app/Chart.yaml", metadata())]), "two files"),
        (packed([("app/Chart.yaml", metadata()), ("../evil", b"")]), "lead out"),
        (packed([("app/Chart.yaml", metadata()), ("/etc/evil", b"")]), "lead out"),
        (packed([("app/Chart.yaml", metadata()), ("app/..\\evil", b"")]), "lead out"),
        (packed([("app/Chart.yaml", metadata(name="../x"))]), "repository"),
        (packed([("app/Chart.yaml", metadata(name="a/b"))]), "repository"),
        (packed([("app/Chart.yaml", metadata(version="^1"))]), "version"),
        (packed([("app/Chart.yaml", metadata(more="x: &a [1]\ny: *a\n"))]), "anchor"),
        (packed([("app/Chart.yaml", b"- a list")]), "not a map"),
        (packed([("app/Chart.yaml", b"x: " + b"y" * 2_000_000)]), "1048576"),
        (packed([("app/Chart.yaml", metadata())])[:-20], "cut short"),
        (b"", "cut short"),
        (gzip.compress(b"not a tar" * 200, mtime=0), "not a tar header"),
        (gzip.compress(packed([("app/Chart.yaml", metadata())]), mtime=0), "within a header"),
    ],
)
def test_what_is_no_chart_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(InvalidValueError, match=re.escape(reason)):
        read_chart(BytesSource(data), "it")


def test_a_package_that_unpacks_to_gigabytes_is_read_to_the_limit_only() -> None:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.GNU_FORMAT) as tar:
        entry = tarfile.TarInfo("app/zeros")
        entry.size = 8 * 1024**3
        tar.addfile(entry)
    bomb = gzip.compress(raw.getvalue()[:512] + b"\0" * (120 * 1024 * 1024), 9)
    with pytest.raises(InvalidValueError, match="unpack to more than"):
        read_chart(BytesSource(bomb), "it")


def test_a_header_that_claims_gigabytes_for_itself_is_refused() -> None:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as tar:
        entry = tarfile.TarInfo("app/x")
        entry.pax_headers = {"comment": "x" * 100_000}
        tar.addfile(entry)
    with pytest.raises(InvalidValueError, match="extended header"):
        read_chart(BytesSource(gzip.compress(raw.getvalue())), "it")


def test_long_names_of_every_tar_format_are_understood() -> None:
    for kind in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):
        raw = io.BytesIO()
        with tarfile.open(fileobj=raw, mode="w", format=kind) as tar:
            for name, data in ((f"app/{'d' * 90}/{'e' * 120}", b"x"), ("app/Chart.yaml", metadata())):
                entry = tarfile.TarInfo(name)
                entry.size = len(data)
                tar.addfile(entry, io.BytesIO(data))
        assert read_chart(BytesSource(gzip.compress(raw.getvalue())), "it").name == "app"


def test_metadata_keeps_the_types_that_helm_reads() -> None:
    more = (
        "deprecated: true\nkeywords: [a, 1]\nmaintainers: [{name: A, email: a@b, url: 1}]\nunknown: x\n"
        "annotations: {n: 1.0, t: true}\ndependencies:\n- {name: d, version: 1.10, enabled: true, tags: [x], "
        "import-values: [data, {child: a, parent: b}]}\n"
    )
    chart = read_chart(BytesSource(packed([("app/Chart.yaml", metadata(more=more))])), "it")
    assert chart.config.decode() == (
        '{"annotations":{"n":"1.0","t":"true"},"apiVersion":"v2","appVersion":"1.10","dependencies":[{"enabled":true,'
        '"import-values":["data",{"child":"a","parent":"b"}],"name":"d","repository":"","tags":["x"],"version":"1.10"}],'
        '"deprecated":true,"keywords":["a","1"],"maintainers":[{"email":"a@b","name":"A","url":"1"}],"name":"app",'
        '"version":"1.0.0"}'
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"-----BEGIN PGP SIGNED MESSAGE-----", b"text in front\n-----BEGIN PGP SIGNED MESSAGE-----"),
        (b"-----END PGP SIGNATURE-----", b"-----END PGP SIGNATURE-----\ntext behind"),
        (b"Hash: ", b"NotDashEscaped: yes\nHash: "),
        (b"\n...\n", b"\n---\n"),
        (b"\n...\n", b"\n...\n...\n"),
        (b"files:", b"-files:"),
        (b"apiVersion", b"\xff"),
    ],
)
def test_a_provenance_file_with_a_frame_of_its_own_is_refused(old: bytes, new: bytes) -> None:
    raw = provenance(keys().home, keys().release, TGZ)
    parse_provenance(raw, "it")
    with pytest.raises(InvalidValueError):
        parse_provenance(raw.replace(old, new, 1), "it")


@pytest.mark.parametrize(
    ("pattern", "name", "is_directory", "ignored"),
    [
        ("*.swp", "deep/x.swp", False, True),
        ("/docs/", "docs", True, True),
        ("/docs/", "docs", False, False),
        ("/docs/", "a/docs", True, False),
        ("ci/*.yaml", "ci/x.yaml", False, True),
        ("ci/*.yaml", "ci/a/x.yaml", False, False),
        ("x[a-c]?", "xb1", False, True),
        ("x[a-c]?", "xd1", False, False),
        ("none", "templates/.hidden", False, True),
        ("a(b", "a(b", False, True),
    ],
)
def test_helmignore_means_what_helm_means(pattern: str, name: str, *, is_directory: bool, ignored: bool) -> None:
    assert ignore_rule(f"\n# comment\n{pattern}\n")(name, is_directory) is ignored
