"""The embedded registry on the wire: the protocol, what is refused, and hostile requests."""

from __future__ import annotations

import contextlib
import http.client
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from support.images import multi_arch_image, referrer, single_image
from support.registries import embedded_registry, free_port

from airgap_bundle.core.content import Digest
from airgap_bundle.core.errors import HostError, UsageError
from airgap_bundle.core.oci import MAX_DOCUMENT_BYTES, OCI_INDEX, OCI_MANIFEST
from airgap_bundle.registry import directory as directory_module
from airgap_bundle.registry import incoming, manifest_routes
from airgap_bundle.registry import server as server_module
from airgap_bundle.registry.server import RegistryServer
from airgap_bundle.registry.serving import http as http_module
from airgap_bundle.registry.serving.limits import Limits
from airgap_bundle.registry.serving.listening import Listen, parse_listen
from airgap_bundle.registry.store import DirectoryRegistry
from airgap_bundle.registry.uploads import Uploads

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


class Answer:
    """What came back."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    @property
    def code(self) -> str:
        """The error code of the specification."""
        return str(self.json["errors"][0]["code"])

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """Requests over one kept connection."""

    def __init__(self, server: RegistryServer) -> None:
        self.server = server
        self.connection = http.client.HTTPConnection(server.host, server.port, timeout=10)

    def __call__(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        self.connection.request(method, path, body, dict(headers or {}))
        return Answer(self.connection.getresponse())

    def push_blob(self, repository: str, data: bytes) -> Digest:
        digest = Digest.of(data)
        assert self("POST", f"/v2/{repository}/blobs/uploads/?digest={digest}", data).status == 201
        return digest

    def raw(self, request: bytes) -> bytes:
        """Everything that comes back for these bytes, until the server closes."""
        with socket.create_connection((self.server.host, self.server.port), timeout=10) as sock:
            sock.sendall(request)
            sock.shutdown(socket.SHUT_WR)
            received = b""
            while piece := sock.recv(65536):
                received += piece
        return received


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryServer]:
    with embedded_registry(tmp_path_factory.mktemp("registry") / "data") as server:
        yield server


@contextmanager
def connected(server: RegistryServer) -> Iterator[Client]:
    client = Client(server)
    with closing(client.connection):
        yield client


@pytest.fixture
def client(server: RegistryServer) -> Iterator[Client]:
    with connected(server) as client:
        yield client


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A repository of the test's own."""
    return f"test/{Digest.of(request.node.nodeid.encode()).encoded[:16]}"


class TestVersion:
    def test_it_speaks_version_two(self, client: Client) -> None:
        for path in ("/v2/", "/v2"):
            answer = client("GET", path)
            assert (answer.status, answer.body) == (200, b"{}")
            assert answer.headers["Docker-Distribution-Api-Version"] == "registry/2.0"

    def test_elsewhere_there_is_nothing(self, client: Client) -> None:
        for path in ("/", "/v1/", "/v2/x", "/v3/", "/v2/a/unknown/b"):
            assert client("GET", path).status == 404


class TestBlobs:
    def test_a_blob_in_one_request(self, client: Client, name: str) -> None:
        digest = Digest.of(b"hello")
        answer = client("POST", f"/v2/{name}/blobs/uploads/?digest={digest}", b"hello")
        assert (answer.status, answer.headers["Location"]) == (201, f"/v2/{name}/blobs/{digest}")
        found = client("GET", answer.headers["Location"])
        assert (found.status, found.body) == (200, b"hello")
        assert found.headers["Docker-Content-Digest"] == digest

    def test_head_says_everything_and_sends_nothing(self, client: Client, name: str) -> None:
        digest = client.push_blob(name, b"hello")
        answer = client("HEAD", f"/v2/{name}/blobs/{digest}")
        assert (answer.status, answer.headers["Content-Length"], answer.body) == (200, "5", b"")

    def test_an_unknown_blob_is_404(self, client: Client, name: str) -> None:
        answer = client("GET", f"/v2/{name}/blobs/{Digest.of(b'nothing')}")
        assert (answer.status, answer.code) == (404, "BLOB_UNKNOWN")

    @pytest.mark.parametrize(
        ("value", "expected"),
        [("bytes=0-4", b"01234"), ("bytes=5-", b"56789"), ("bytes=-3", b"789"), ("bytes=8-99", b"89")],
    )
    def test_ranges(self, client: Client, name: str, value: str, expected: bytes) -> None:
        digest = client.push_blob(name, b"0123456789")
        answer = client("GET", f"/v2/{name}/blobs/{digest}", headers={"Range": value})
        assert (answer.status, answer.body) == (206, expected)
        begin = b"0123456789".index(expected)
        assert answer.headers["Content-Range"] == f"bytes {begin}-{begin + len(expected) - 1}/10"

    @pytest.mark.parametrize("value", ["bytes=10-", "bytes=5-4", "bytes=-0"])
    def test_a_range_that_is_not_there_is_416(self, client: Client, name: str, value: str) -> None:
        digest = client.push_blob(name, b"0123456789")
        answer = client("GET", f"/v2/{name}/blobs/{digest}", headers={"Range": value})
        assert (answer.status, answer.headers["Content-Range"]) == (416, "bytes */10")

    @pytest.mark.parametrize("value", ["bytes=0-1,3-4", "lines=1-2", "bytes=a-b", "bytes=-"])
    def test_what_is_no_single_range_means_the_whole(self, client: Client, name: str, value: str) -> None:
        digest = client.push_blob(name, b"0123456789")
        answer = client("GET", f"/v2/{name}/blobs/{digest}", headers={"Range": value})
        assert (answer.status, answer.body) == (200, b"0123456789")

    def test_a_blob_larger_than_every_buffer_arrives_whole(self, client: Client, name: str) -> None:
        data = os.urandom(1024) * 5_000
        digest = client.push_blob(name, data)
        assert client("GET", f"/v2/{name}/blobs/{digest}").body == data

    def test_a_deleted_blob_is_gone_here_and_stays_elsewhere(self, client: Client, name: str) -> None:
        digest = client.push_blob(name, b"hello")
        client.push_blob(f"{name}/other", b"hello")
        assert client("DELETE", f"/v2/{name}/blobs/{digest}").status == 202
        assert client("GET", f"/v2/{name}/blobs/{digest}").status == 404
        assert client("DELETE", f"/v2/{name}/blobs/{digest}").status == 404
        assert client("GET", f"/v2/{name}/other/blobs/{digest}").body == b"hello"

    def test_mounting(self, client: Client, name: str) -> None:
        digest = client.push_blob(name, b"hello")
        target = f"/v2/{name}/target/blobs"
        answer = client("POST", f"{target}/uploads/?mount={digest}&from={name}")
        assert (answer.status, answer.headers["Location"]) == (201, f"{target}/{digest}")
        assert client("GET", f"{target}/{digest}").body == b"hello"

    @pytest.mark.parametrize("source", ["", "&from=test/nowhere"])
    def test_what_cannot_be_mounted_begins_an_upload(self, client: Client, name: str, source: str) -> None:
        digest = client.push_blob(name, b"hello")
        answer = client("POST", f"/v2/{name}/target/blobs/uploads/?mount={digest}{source}")
        assert answer.status == 202
        assert client("DELETE", answer.headers["Location"]).status == 204


class TestUploads:
    def test_pieces_with_their_places(self, client: Client, name: str) -> None:
        location = client("POST", f"/v2/{name}/blobs/uploads/").headers["Location"]
        answer = client("PATCH", location, b"01234", {"Content-Range": "0-4"})
        assert (answer.status, answer.headers["Range"]) == (202, "0-4")
        answer = client("GET", location)
        assert (answer.status, answer.headers["Range"], answer.body) == (204, "0-4", b"")
        digest = Digest.of(b"0123456789")
        answer = client("PUT", f"{location}?digest={digest}", b"56789", {"Content-Range": "5-9"})
        assert answer.status == 201
        assert client("GET", f"/v2/{name}/blobs/{digest}").body == b"0123456789"
        assert client("GET", location).code == "BLOB_UPLOAD_UNKNOWN"

    @pytest.mark.parametrize("place", ["4-8", "6-10", "0-4", "5-4", "x"])
    def test_a_piece_out_of_order_is_416_and_changes_nothing(self, client: Client, name: str, place: str) -> None:
        location = client("POST", f"/v2/{name}/blobs/uploads/").headers["Location"]
        client("PATCH", location, b"01234")
        for method, target in (("PATCH", location), ("PUT", f"{location}?digest={Digest.of(b'x')}")):
            answer = client(method, target, b"56789", {"Content-Range": place})
            assert (answer.status, answer.headers["Range"]) == (416, "0-4")
        assert client("GET", location).headers["Range"] == "0-4"

    def test_a_body_in_chunks_as_docker_sends_it(self, client: Client, name: str) -> None:
        location = client("POST", f"/v2/{name}/blobs/uploads/").headers["Location"]
        pieces = [b"a" * 70_000, b"b", b"c" * 3]
        client.connection.request("PATCH", location, iter(pieces), encode_chunked=True)
        assert Answer(client.connection.getresponse()).headers["Range"] == "0-70003"
        digest = Digest.of(b"".join(pieces))
        assert client("PUT", f"{location}?digest={digest}").status == 201

    def test_wrong_bytes_are_refused_and_stored_nowhere(self, client: Client, name: str) -> None:
        digest = Digest.of(b"right")
        answer = client("POST", f"/v2/{name}/blobs/uploads/?digest={digest}", b"wrong")
        assert (answer.status, answer.code) == (400, "DIGEST_INVALID")
        assert client("HEAD", f"/v2/{name}/blobs/{digest}").status == 404

    def test_sha512(self, client: Client, name: str) -> None:
        digest = Digest.of(b"hello", "sha512")
        location = client("POST", f"/v2/{name}/blobs/uploads/?digest-algorithm=sha512").headers["Location"]
        assert client("PUT", f"{location}?digest={digest}", b"hello").status == 201
        assert client("GET", f"/v2/{name}/blobs/{digest}").body == b"hello"

    def test_cancelling(self, client: Client, name: str) -> None:
        location = client("POST", f"/v2/{name}/blobs/uploads/").headers["Location"]
        assert client("DELETE", location).status == 204
        assert client("PATCH", location, b"x").status == 404

    @pytest.mark.parametrize("query", ["", "?digest=", "?digest=md5:0", "?digest=sha256:../../etc/passwd"])
    def test_an_upload_cannot_end_without_a_digest(self, client: Client, name: str, query: str) -> None:
        location = client("POST", f"/v2/{name}/blobs/uploads/").headers["Location"]
        answer = client("PUT", location + query, b"x")
        assert (answer.status, answer.code) == (400, "DIGEST_INVALID")

    def test_an_unknown_upload_is_404(self, client: Client, name: str) -> None:
        for identifier in ("00000000-0000-0000-0000-000000000000", "x", "..", "%2e%2e"):
            answer = client("PATCH", f"/v2/{name}/blobs/uploads/{identifier}", b"x")
            assert (answer.status, answer.code) == (404, "BLOB_UPLOAD_UNKNOWN")

    @pytest.mark.parametrize("query", ["digest-algorithm=md5", "mount=x", f"mount={Digest.of(b'')}&from=../a"])
    def test_a_question_that_makes_no_sense_is_refused(self, client: Client, name: str, query: str) -> None:
        assert client("POST", f"/v2/{name}/blobs/uploads/?{query}").status == 400

    def test_content_range_has_to_be_as_long_as_the_body(self, client: Client, name: str) -> None:
        location = client("POST", f"/v2/{name}/blobs/uploads/").headers["Location"]
        assert client("PATCH", location, b"01234", {"Content-Range": "0-9"}).code == "SIZE_INVALID"


class TestManifests:
    def test_the_exact_bytes_and_type_come_back(self, server: RegistryServer, client: Client, name: str) -> None:
        image = multi_arch_image("seed")
        image.push_to(server.registry, name, "1.0")
        for reference in ("1.0", image.digest):
            answer = client("GET", f"/v2/{name}/manifests/{reference}")
            assert answer.body == image.root.raw
            assert answer.headers["Content-Type"] == image.root.descriptor.media_type
            assert answer.headers["Docker-Content-Digest"] == image.digest
            head = client("HEAD", f"/v2/{name}/manifests/{reference}")
            assert (head.headers["Content-Length"], head.body) == (str(len(image.root.raw)), b"")

    def put(self, client: Client, name: str, reference: str, raw: bytes, media_type: str = OCI_MANIFEST) -> Answer:
        return client("PUT", f"/v2/{name}/manifests/{reference}", raw, {"Content-Type": media_type})

    def empty_manifest(self, client: Client, name: str, **fields: object) -> bytes:
        config = {"mediaType": "application/vnd.oci.empty.v1+json", "digest": Digest.of(b"{}"), "size": 2}
        client.push_blob(name, b"{}")
        value = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": [], **fields}
        return json.dumps(value).encode()

    def test_pushing_by_tag(self, client: Client, name: str) -> None:
        raw = self.empty_manifest(client, name)
        answer = self.put(client, name, "1.0", raw, f"{OCI_MANIFEST}; charset=utf-8")
        assert (answer.status, answer.headers["Docker-Content-Digest"]) == (201, Digest.of(raw))
        assert client("GET", answer.headers["Location"]).body == raw

    def test_pushing_by_digest_with_tags(self, client: Client, name: str) -> None:
        raw = self.empty_manifest(client, name)
        answer = self.put(client, name, f"{Digest.of(raw, 'sha512')}?tag=1&tag=1.0", raw)
        assert (answer.status, answer.headers["OCI-Tag"]) == (201, "1, 1.0")
        assert client("GET", f"/v2/{name}/manifests/1").headers["Docker-Content-Digest"] == Digest.of(raw, "sha512")

    def test_tags_beside_a_tag_are_refused(self, client: Client, name: str) -> None:
        raw = self.empty_manifest(client, name)
        assert self.put(client, name, "1?tag=2", raw).code == "UNSUPPORTED"

    def test_another_digest_is_refused(self, client: Client, name: str) -> None:
        raw = self.empty_manifest(client, name)
        answer = self.put(client, name, Digest.of(b"other"), raw)
        assert (answer.status, answer.code) == (400, "DIGEST_INVALID")

    def test_missing_blobs_are_refused(self, client: Client, name: str) -> None:
        layer = {"mediaType": "application/x", "digest": Digest.of(b"missing"), "size": 7}
        answer = self.put(client, name, "1", self.empty_manifest(client, name, layers=[layer]))
        assert (answer.status, answer.code) == (400, "MANIFEST_BLOB_UNKNOWN")

    @pytest.mark.parametrize(
        "raw",
        [b"", b"{", b"[]", b'{"schemaVersion":1}', b'{"schemaVersion":2,"manifests":[],"layers":[]}', b"\xff\xfe"],
    )
    def test_what_is_no_manifest_is_refused(self, client: Client, name: str, raw: bytes) -> None:
        answer = self.put(client, name, "1", raw)
        assert (answer.status, answer.code) == (400, "MANIFEST_INVALID")

    def test_another_type_than_it_says_is_refused(self, client: Client, name: str) -> None:
        answer = self.put(client, name, "1", self.empty_manifest(client, name), OCI_INDEX)
        assert (answer.status, answer.code) == (400, "MANIFEST_INVALID")

    def test_four_mebibytes_are_taken_and_one_byte_more_is_not(self, client: Client, name: str) -> None:
        room = MAX_DOCUMENT_BYTES - len(self.empty_manifest(client, name, annotations={"a": ""}))
        raw = self.empty_manifest(client, name, annotations={"a": "x" * room})
        assert len(raw) == MAX_DOCUMENT_BYTES
        assert self.put(client, name, "1", raw).status == 201
        assert client("GET", f"/v2/{name}/manifests/1").body == raw
        answer = self.put(client, name, "1", raw + b" ")
        assert (answer.status, answer.code) == (413, "SIZE_INVALID")

    def test_too_large_in_chunks_is_refused_too(self, client: Client, name: str) -> None:
        pieces = iter([b" " * 1_000_000] * 5)
        client.connection.request("PUT", f"/v2/{name}/manifests/1", pieces, encode_chunked=True)
        assert Answer(client.connection.getresponse()).status == 413

    def test_deleting_a_tag_and_a_manifest(self, client: Client, name: str) -> None:
        raw = self.empty_manifest(client, name)
        for tag in ("1", "2", "3"):
            self.put(client, name, tag, raw)
        assert client("DELETE", f"/v2/{name}/manifests/1").status == 202
        assert client("GET", f"/v2/{name}/tags/list").json["tags"] == ["2", "3"]
        assert client("DELETE", f"/v2/{name}/manifests/{Digest.of(raw)}").status == 202
        assert client("GET", f"/v2/{name}/tags/list").json["tags"] == []
        assert client("DELETE", f"/v2/{name}/manifests/1").code == "MANIFEST_UNKNOWN"

    @pytest.mark.parametrize("reference", ["-x", "x" * 129, "a%2fb", "sha256:0", "sha1:" + "0" * 40, "%C3%A4", "a b"])
    def test_what_is_neither_tag_nor_digest_is_refused(self, client: Client, name: str, reference: str) -> None:
        assert client("GET", f"/v2/{name}/manifests/{reference.replace(' ', '%20')}").status == 400


class TestLists:
    def test_tags_in_pages(self, server: RegistryServer, client: Client, name: str) -> None:
        image = single_image("seed")
        for tag in ("b", "A", "c", "a"):
            image.push_to(server.registry, name, tag)
        path, seen = f"/v2/{name}/tags/list?n=3", []
        while path:
            answer = client("GET", path)
            seen.append(answer.json["tags"])
            path = (answer.headers["Link"] or "").partition(">")[0].lstrip("<")
        assert seen == [["A", "a", "b"], ["c"]]

    def test_no_tags_were_asked_for(self, server: RegistryServer, client: Client, name: str) -> None:
        single_image("seed").push_to(server.registry, name, "1")
        answer = client("GET", f"/v2/{name}/tags/list?n=0")
        assert (answer.json["tags"], answer.headers["Link"]) == ([], None)

    @pytest.mark.parametrize("n", ["-1", "x", "1e3", "9" * 30, "%D9%A3"])
    def test_a_bad_number_is_refused(self, server: RegistryServer, client: Client, name: str, n: str) -> None:
        single_image("seed").push_to(server.registry, name, "1")
        assert client("GET", f"/v2/{name}/tags/list?n={n}").status == 400

    def test_an_unknown_repository_has_no_tags(self, client: Client) -> None:
        answer = client("GET", "/v2/no/such/tags/list")
        assert (answer.status, answer.code) == (404, "NAME_UNKNOWN")

    def test_the_catalogue(self, tmp_path: Path) -> None:
        with embedded_registry(tmp_path) as server, connected(server) as client:
            for name in ("b", "a/x", "a"):
                single_image("seed").push_to(server.registry, name, "1")
            answer = client("GET", "/v2/_catalog?n=2")
            assert answer.json == {"repositories": ["a", "a/x"]}
            assert answer.headers["Link"] == '</v2/_catalog?n=2&last=a%2Fx>; rel="next"'
            assert client("GET", "/v2/_catalog?last=a/x").json == {"repositories": ["b"]}

    def test_referrers(self, server: RegistryServer, client: Client, name: str) -> None:
        image = single_image("seed")
        sbom, other = referrer(image.root, "sbom"), referrer(image.root, "other", artifact_type="application/x+y")
        image.with_referrers(sbom, other).push_to(server.registry, name, "1")
        path = f"/v2/{name}/referrers/{image.digest}"
        answer = client("GET", path)
        assert answer.headers["Content-Type"] == OCI_INDEX
        assert {entry["digest"] for entry in answer.json["manifests"]} == {sbom.digest, other.digest}
        for escaped in ("application/x%2By", "application/x+y"):
            answer = client("GET", f"{path}?artifactType={escaped}")
            assert [entry["digest"] for entry in answer.json["manifests"]] == [other.digest]
            assert answer.headers["OCI-Filters-Applied"] == "artifactType"

    def test_pushing_a_referrer_names_its_subject(self, client: Client, name: str) -> None:
        subject = single_image("seed")
        attached = referrer(subject.root, "sbom")
        for data in attached.blobs.values():
            client.push_blob(name, data)
        headers = {"Content-Type": attached.root.descriptor.media_type}
        answer = client("PUT", f"/v2/{name}/manifests/{attached.digest}", attached.root.raw, headers)
        assert (answer.status, answer.headers["OCI-Subject"]) == (201, subject.digest)

    def test_long_lists_of_referrers_come_in_pages(self, server: RegistryServer, client: Client, name: str) -> None:
        subject = {"mediaType": OCI_MANIFEST, "digest": Digest.of(b"subject"), "size": 7}
        manifests = TestManifests()
        for n in range(5):
            annotations = {"n": str(n), "long": "x" * 1_000_000}
            raw = manifests.empty_manifest(client, name, subject=subject, annotations=annotations)
            assert manifests.put(client, name, Digest.of(raw), raw).status == 201
        path, seen = f"/v2/{name}/referrers/{Digest.of(b'subject')}", []
        while path:
            answer = client("GET", path)
            seen.append([entry["annotations"]["n"] for entry in answer.json["manifests"]])
            path = (answer.headers["Link"] or "").partition(">")[0].lstrip("<")
        assert [len(page) for page in seen] == [3, 2]
        assert sorted(number for page in seen for number in page) == ["0", "1", "2", "3", "4"]

    def test_large_manifests_are_looked_at_one_after_the_other(
        self, server: RegistryServer, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Reading one takes many times its bytes; dozens at once would take gigabytes."""
        at_once, most, original = [0], [0], manifest_routes._parsed

        def parsed(*words: Any) -> Any:
            at_once[0] += 1
            most[0] = max(most[0], at_once[0])
            time.sleep(0.02)
            at_once[0] -= 1
            return original(*words)

        monkeypatch.setattr(manifest_routes, "_parsed", parsed)
        raw = json.dumps({"schemaVersion": 2, "config": "x" * 300_000}).encode()

        def push(number: int) -> None:
            with closing(http.client.HTTPConnection(server.host, server.port, timeout=20)) as connection:
                connection.request("PUT", f"/v2/{name}/manifests/{number}", raw, {"Content-Type": OCI_MANIFEST})
                assert connection.getresponse().status == 400

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(push, range(4)))
        assert most == [1]

    def test_of_many_large_referrers_one_page_is_read(
        self, server: RegistryServer, client: Client, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whoever may push could fill the memory with a few hundred of them."""
        read: list[str] = []
        subject = {"mediaType": OCI_MANIFEST, "digest": Digest.of(b"subject"), "size": 7}
        manifests = TestManifests()
        for n in range(8):
            annotations = {"n": str(n), "long": "x" * 2_000_000}
            raw = manifests.empty_manifest(client, name, subject=subject, annotations=annotations)
            assert manifests.put(client, name, Digest.of(raw), raw).status == 201
        original = directory_module._read_small
        monkeypatch.setattr(
            directory_module, "_read_small", lambda path, limit: (read.append(path.name), original(path, limit))[1]
        )
        answer = client("GET", f"/v2/{name}/referrers/{Digest.of(b'subject')}")
        assert (len(answer.json["manifests"]), len(read)) == (1, 2)
        read.clear()
        following = answer.headers["Link"].partition(">")[0].lstrip("<")
        assert (len(client("GET", following).json["manifests"]), len(read)) == (1, 2)
        (*_, last) = server.registry.list_referrers(name, Digest.of(b"subject"))
        assert last.annotations == {}

    def test_nothing_is_attached(self, client: Client, name: str) -> None:
        answer = client("GET", f"/v2/{name}/referrers/{Digest.of(b'x')}")
        assert (answer.status, answer.json["manifests"]) == (200, [])
        assert client("GET", f"/v2/{name}/referrers/sha256:x").code == "DIGEST_INVALID"


class TestMirror:
    def test_the_host_leads_to_its_repositories(self, server: RegistryServer, client: Client, name: str) -> None:
        image = single_image("seed")
        image.push_to(server.registry, f"docker.io/{name}", "1")
        assert client("GET", f"/v2/{name}/manifests/1").status == 404
        answer = client("GET", f"/v2/{name}/manifests/1?ns=docker.io")
        assert answer.body == image.root.raw
        blob = image.root.blobs[0]
        assert client("HEAD", f"/v2/{name}/blobs/{blob.digest}?ns=docker.io").status == 200
        assert client("GET", f"/v2/{name}/tags/list?ns=docker.io").json["tags"] == ["1"]
        assert client("GET", f"/v2/{name}/manifests/1?ns=ghcr.io").status == 404

    def test_a_port_is_written_with_an_underscore(self, server: RegistryServer, client: Client, name: str) -> None:
        image = single_image("seed")
        image.push_to(server.registry, f"registry.internal_5000/{name}", "1")
        assert client("GET", f"/v2/{name}/manifests/1?ns=Registry.Internal:5000").body == image.root.raw

    def test_what_is_kept_for_the_host_comes_first(self, server: RegistryServer, client: Client, name: str) -> None:
        here, below = single_image("here"), single_image("below")
        here.push_to(server.registry, name, "1")
        below.push_to(server.registry, f"docker.io/{name}", "1")
        assert client("GET", f"/v2/{name}/manifests/1?ns=docker.io").body == below.root.raw

    def test_a_path_that_names_the_host_itself_is_found(
        self, server: RegistryServer, client: Client, name: str
    ) -> None:
        image = single_image("here")
        image.push_to(server.registry, name, "1")
        assert client("GET", f"/v2/{name}/manifests/1?ns=docker.io").body == image.root.raw

    @pytest.mark.parametrize("ns", ["", "..", "../..", "a/b", "-x", "host:0", "host:99999", "[::1]", "%00", "x" * 300])
    def test_what_is_no_host_is_refused(self, client: Client, name: str, ns: str) -> None:
        answer = client("GET", f"/v2/{name}/manifests/1?ns={ns}")
        assert (answer.status, answer.code) == (400, "NAME_INVALID")

    def test_it_is_for_pulls_only(self, client: Client, name: str) -> None:
        assert client("POST", f"/v2/{name}/blobs/uploads/?ns=docker.io").status == 400


class TestReadOnly:
    def test_a_directory_that_nobody_pushed_to_over_http_is_only_read(self, tmp_path: Path) -> None:
        registry = DirectoryRegistry(tmp_path)
        single_image("seed").push_to(registry, "a", "1")
        before = sorted(tmp_path.rglob("*"))
        with embedded_registry(tmp_path, allow_push=False) as server, connected(server) as client:
            assert client("GET", "/v2/a/manifests/1").status == 200
            assert client("GET", "/v2/b/manifests/1").status == 404
        assert sorted(tmp_path.rglob("*")) == before

    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("POST", "blobs/uploads/"),
            ("PUT", "manifests/1"),
            ("DELETE", "manifests/1"),
            ("DELETE", f"blobs/{Digest.of(b'')}"),
            ("PATCH", "blobs/uploads/x"),
        ],
    )
    def test_nothing_can_be_changed(self, tmp_path: Path, method: str, path: str) -> None:
        with embedded_registry(tmp_path, allow_push=False) as server, connected(server) as client:
            single_image("seed").push_to(server.registry, "a", "1")
            answer = client(method, f"/v2/a/{path}", b"x", {"X-HTTP-Method-Override": "GET"})
            assert (answer.status, answer.code, answer.headers["Allow"]) == (405, "UNSUPPORTED", "GET, HEAD")
            assert client("GET", "/v2/a/manifests/1", headers={"X-HTTP-Method-Override": "DELETE"}).status == 200

    def test_a_method_that_means_nothing_is_405(self, client: Client, name: str) -> None:
        for method in ("POST", "TRACE", "OPTIONS", "PROPFIND"):
            answer = client(method, f"/v2/{name}/manifests/1")
            assert (answer.status, answer.headers["Allow"]) == (405, "DELETE, GET, HEAD, PUT")


class TestHostileRequests:
    @pytest.mark.parametrize(
        "path",
        [
            "/v2/../registry.json",
            "/v2/a/../../registry.json",
            "/v2/%2e%2e/%2e%2e/etc/passwd",
            "/v2/..%2f..%2fetc/manifests/passwd",
            "/v2/a%2f..%2fb/manifests/1",
            "/v2/%252e%252e/manifests/1",
            "/v2/a/../b/manifests/1",
            "/v2/a/./b/tags/list",
            "/v2//tags/list",
            "/v2/_blobs/tags/list",
            "/v2/a/_tags/tags/list",
            "/v2/A/tags/list",
            "/v2/a%00/tags/list",
            "/v2/a%0a/tags/list",
            "/v2/a/blobs/sha256:../../../../etc/passwd",
            "/v2/a/blobs/sha256%3a..",
            "/v2/a/blobs/uploads/../../tags/list",
            "/v2/" + "a" * 256 + "/tags/list",
        ],
    )
    def test_paths_that_lead_elsewhere_lead_nowhere(self, client: Client, path: str) -> None:
        answer = client("GET", path)
        assert answer.status in {400, 404, 405}
        assert answer.json["errors"]
        assert b"root:" not in answer.body

    def test_a_long_address_is_refused(self, client: Client) -> None:
        assert client("GET", "/v2/a/tags/list?last=" + "x" * 9000).status == 414
        assert client("GET", "/v2/?" + "&".join("a=1" for _ in range(100))).status == 400

    @pytest.mark.parametrize(
        "lines",
        [
            b"Content-Length: 5\r\nContent-Length: 5",
            b"Content-Length: 5\r\nContent-Length: 6",
            b"Content-Length: 5\r\nTransfer-Encoding: chunked",
            b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
            b"Transfer-Encoding: gzip, chunked",
            b"Transfer-Encoding: xchunked",
            b"Content-Length: +5",
            b"Content-Length: -5",
            b"Content-Length: 5_0",
            b"Content-Length: 5, 5",
            b"Content-Length: 0x5",
            b"Content-Length : 5",
            b" Content-Length: 5",
            b"X: a\r\n Content-Length: 5",
            b"X: a\nContent-Length: 5",
            b"X: a\x00b",
            b"No colon",
            b": empty",
        ],
    )
    def test_a_request_that_can_be_read_in_two_ways_is_refused(self, client: Client, lines: bytes) -> None:
        second = b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n"
        received = client.raw(b"POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: x\r\n" + lines + b"\r\n\r\nhello" + second)
        assert received.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 501 "))
        assert received.count(b"HTTP/1.1 ") == 1

    def test_chunks_in_the_old_protocol_are_refused(self, client: Client) -> None:
        received = client.raw(b"PUT /v2/a/manifests/1 HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
        assert received.startswith(b"HTTP/1.1 400 ")

    @pytest.mark.parametrize(
        "body",
        [b"x\r\n", b"-1\r\n", b"0x5\r\nhello\r\n", b"5\r\nhello!\r\n", b"5\nhello\n", b"f" * 300, b"5\r\nhel", b""],
    )
    def test_bad_chunks_are_refused_and_end_the_connection(self, client: Client, name: str, body: bytes) -> None:
        location = client("POST", f"/v2/{name}/blobs/uploads/").headers["Location"].encode()
        received = client.raw(b"PATCH %b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n%b" % (location, body))
        assert received.startswith(b"HTTP/1.1 400 ")
        assert b"Connection: close" in received

    def test_a_body_shorter_than_its_length_is_no_blob(self, client: Client, name: str) -> None:
        digest = Digest.of(b"hello").encode()
        target = b"/v2/%b/blobs/uploads/?digest=%b" % (name.encode(), digest)
        received = client.raw(b"POST %b HTTP/1.1\r\nContent-Length: 6\r\n\r\nhello" % target)
        assert received.startswith(b"HTTP/1.1 400 ")
        assert client("HEAD", f"/v2/{name}/blobs/{digest.decode()}").status == 404

    def test_a_header_of_a_megabyte_is_refused(self, client: Client) -> None:
        with socket.create_connection((client.server.host, client.server.port), timeout=10) as sock:
            try:
                sock.sendall(b"GET /v2/ HTTP/1.1\r\nX: " + b"a" * 1_000_000 + b"\r\n\r\n")
                received = sock.recv(65536)
            except ConnectionError:
                received = b""  # the server may hang up before it has read it all
        assert not received or received.startswith(b"HTTP/1.1 413 ")
        assert client("GET", "/v2/").status == 200

    def test_a_thousand_headers_are_refused(self, client: Client) -> None:
        lines = b"".join(b"X-%d: a\r\n" % number for number in range(1000))
        assert client.raw(b"GET /v2/ HTTP/1.1\r\n" + lines + b"\r\n").startswith(b"HTTP/1.1 400 ")

    @pytest.mark.parametrize(
        "line",
        [b"GET", b"GET /v2/", b"get /v2/ HTTP/1.1", b"GET http://x/v2/ HTTP/1.1", b"GET v2 HTTP/1.1", b"\x16\x03"],
    )
    def test_what_is_no_request_is_refused(self, client: Client, line: bytes) -> None:
        assert client.raw(line + b"\r\n\r\n").startswith(b"HTTP/1.1 400 ")

    def test_uploads_are_bounded(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Uploads.__init__, "__kwdefaults__", {"limit": 2, "idle_seconds": 60.0})
        with embedded_registry(tmp_path) as server, connected(server) as client:
            assert [client("POST", "/v2/a/blobs/uploads/").status for _ in range(3)] == [202, 202, 429]

    def test_two_writers_of_one_upload_are_refused(self, client: Client, name: str) -> None:
        location = client("POST", f"/v2/{name}/blobs/uploads/").headers["Location"]
        with socket.create_connection((client.server.host, client.server.port), timeout=10) as sock:
            sock.sendall(b"PATCH %b HTTP/1.1\r\nContent-Length: 10\r\n\r\nhello" % location.encode())
            deadline = time.monotonic() + 5
            while (answer := client("PATCH", location, b"x")).status != 409:
                assert time.monotonic() < deadline
            assert answer.code == "BLOB_UPLOAD_INVALID"

    def test_a_client_that_dawdles_over_its_headers_is_cut_off(self, tmp_path: Path) -> None:
        with (
            RegistryServer(tmp_path, limits=Limits(header_seconds=0.1)) as server,
            socket.create_connection((server.host, server.port), timeout=10) as sock,
        ):
            sock.sendall(b"GET /v2/ HT")
            assert sock.recv(65536).startswith(b"HTTP/1.1 408 ")

    def test_a_client_that_does_not_read_is_cut_off(self, tmp_path: Path) -> None:
        limits = Limits(idle_seconds=0.2)
        with RegistryServer(tmp_path, allow_push=True, limits=limits) as server, connected(server) as client:
            digest = client.push_blob("a", bytes(20_000_000))
            with socket.create_connection((server.host, server.port), timeout=10) as sock:
                sock.sendall(b"GET /v2/a/blobs/%b HTTP/1.1\r\n\r\n" % digest.encode())
                time.sleep(0.6)
                received = 0
                while count := len(sock.recv(1_000_000)):
                    received += count
            assert received < 20_000_000

    def test_idle_connections_hold_no_thread(self, client: Client) -> None:
        address = (client.server.host, client.server.port)
        idle = [socket.create_connection(address, timeout=10) for _ in range(60)]
        try:
            began = time.monotonic()
            assert client("GET", "/v2/").status == 200
            assert time.monotonic() - began < 2
        finally:
            for sock in idle:
                sock.close()

    def test_a_surplus_of_connections_is_turned_away(self, tmp_path: Path) -> None:
        with RegistryServer(tmp_path, limits=Limits(connections=2)) as server:
            sockets = [socket.create_connection((server.host, server.port), timeout=10) for _ in range(3)]
            try:
                assert sockets[2].recv(1) == b""
            finally:
                for sock in sockets:
                    sock.close()
            with connected(server) as client:
                deadline = time.monotonic() + 5
                while True:
                    try:
                        assert client("GET", "/v2/").status == 200
                    except (ConnectionError, http.client.HTTPException):
                        assert time.monotonic() < deadline
                        client.connection.close()
                    else:
                        break

    def test_trouble_on_our_side_shows_nothing_of_this_machine(self, tmp_path: Path) -> None:
        with embedded_registry(tmp_path) as server, connected(server) as client:
            image = single_image("seed")
            image.push_to(server.registry, "a", "1")
            server.registry.storage.contents.path(image.digest).write_bytes(b"damaged")
            answer = client("GET", "/v2/a/manifests/1")
            assert (answer.status, answer.code) == (500, "UNKNOWN")
            assert str(tmp_path).encode() not in answer.body

    def test_a_bug_shows_the_client_no_traceback(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        with embedded_registry(tmp_path) as server, connected(server) as client:

            def broken(*_: object) -> None:
                raise ZeroDivisionError("secret")

            monkeypatch.setattr(server.registry.storage, "find_manifest", broken)
            with caplog.at_level(logging.ERROR):
                answer = client("GET", "/v2/a/manifests/1")
            assert answer.status == 500
            assert b"secret" not in answer.body
            assert "ZeroDivisionError" in caplog.text


class TestParallelClients:
    def test_nothing_is_lost_and_nothing_is_mixed_up(self, server: RegistryServer, name: str) -> None:
        failures: list[object] = []

        def work(number: int) -> None:
            with connected(server) as client:
                for turn in range(5):
                    data = f"{number} {turn}".encode() * 10_000
                    shared = f"shared {turn}".encode() * 10_000
                    for each in (data, shared):
                        digest = client.push_blob(name, each)
                        if client("GET", f"/v2/{name}/blobs/{digest}").body != each:
                            failures.append(digest)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []


class TestLog:
    def test_one_escaped_line_for_each_request(self, tmp_path: Path) -> None:
        lines: list[str] = []
        with embedded_registry(tmp_path, log=lines.append) as server, connected(server) as client:
            client("GET", "/v2/")
            client.raw(b"GET /v2/\x1b[31m HTTP/1.1\r\n\r\n")
        # Two connections, two threads: which line is written first is theirs to decide.
        good, escaped = sorted(lines, key=lambda line: "31m" in line)
        assert " 127.0.0.1 - GET /v2/ 200 " in good
        assert "\\x1b[31m" in escaped
        assert "\x1b" not in escaped


class TestAddresses:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("127.0.0.1:5000", ("127.0.0.1", 5000)),
            ("127.0.0.2:0", ("127.0.0.2", 0)),
            ("localhost:80", ("localhost", 80)),
            ("[::1]:5000", ("::1", 5000)),
        ],
    )
    def test_loopback(self, text: str, expected: tuple[str, int]) -> None:
        assert parse_listen(text) == Listen(host=expected[0], port=expected[1])

    @pytest.mark.parametrize("text", ["0.0.0.0:5000", "[::]:5000", "192.0.2.1:80", "registry.internal:80", "127.1:80"])
    def test_anything_else_is_refused(self, tmp_path: Path, text: str) -> None:
        with pytest.raises(UsageError) as caught:
            RegistryServer(tmp_path / "registry", text)
        assert caught.value.code == "AB-SERVE-NOT-LOOPBACK"
        assert not (tmp_path / "registry").exists()

    @pytest.mark.parametrize(
        "text", ["", ":", "5000", ":5000", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "localhost:65536"]
    )
    def test_what_is_no_address_is_refused(self, text: str) -> None:
        with pytest.raises(UsageError) as caught:
            parse_listen(text)
        assert caught.value.code == "AB-SERVE-ADDRESS"

    def test_an_address_that_is_taken_is_an_error_of_this_machine(self, server: RegistryServer, tmp_path: Path) -> None:
        with pytest.raises(HostError) as caught, RegistryServer(tmp_path, server.address):
            pass
        assert caught.value.code == "AB-SERVE-ADDRESS-IN-USE"


SERVE = """
import signal, sys
from airgap_bundle.registry.server import RegistryServer, serve
for number in (signal.SIGINT, signal.SIGTERM):
    # What comes after it has stopped is for whoever called, who wants none of it.
    signal.signal(number, signal.SIG_IGN)
server = RegistryServer(sys.argv[1], sys.argv[2], allow_push=True)
serve(server, ready=lambda server: print(server.address, flush=True))
print("stopped", flush=True)
"""


@contextmanager
def serving(path: Path) -> Iterator[tuple[subprocess.Popen[str], Client]]:
    command = [sys.executable, "-W", "error", "-c", SERVE, str(path), f"127.0.0.1:{free_port()}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            host, _, port = process.stdout.readline().strip().rpartition(":")
            connection = http.client.HTTPConnection(host, int(port), timeout=10)
            client = Client.__new__(Client)
            client.connection = connection
            with closing(connection):
                yield process, client
        finally:
            process.kill()


class TestTheProcess:
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_it_stops_cleanly_when_told_to(self, tmp_path: Path, number: int) -> None:
        with serving(tmp_path / "registry") as (process, client):
            assert client("GET", "/v2/").status == 200
            process.send_signal(number)
            output, errors = process.communicate(timeout=20)
        assert (process.returncode, output, errors) == (0, "stopped\n", "")

    def test_signals_one_upon_the_other_stop_it_once(self, tmp_path: Path) -> None:
        with serving(tmp_path / "registry") as (process, _):
            # Ctrl-C for the whole group, and at once the script's own SIGTERM.
            for number in (signal.SIGINT, signal.SIGTERM) * 10:
                process.send_signal(number)
            output, errors = process.communicate(timeout=90)
        assert (process.returncode, output, errors) == (0, "stopped\n", "")

    def test_killed_in_the_middle_of_an_upload_it_leaves_no_blob(self, tmp_path: Path) -> None:
        data = b"x" * 3_000_000
        digest = Digest.of(data)
        with serving(tmp_path / "registry") as (process, client):
            client.connection.putrequest("POST", f"/v2/a/blobs/uploads/?digest={digest}")
            client.connection.putheader("Content-Length", str(len(data)))
            client.connection.endheaders()
            client.connection.send(data[:-1])
            time.sleep(0.2)
            process.kill()
            process.wait()
        registry = DirectoryRegistry(tmp_path / "registry")
        assert not registry.has_blob("a", digest, len(data))
        assert list((tmp_path / "registry").rglob(digest.encoded)) == []
        with embedded_registry(tmp_path / "registry") as server, connected(server) as client:
            assert client.push_blob("a", data) == digest


def test_stopping_ends_an_upload_that_has_come_to_a_halt(tmp_path: Path) -> None:
    with closing(socket.socket()) as client:
        with RegistryServer(tmp_path / "registry", allow_push=True, limits=Limits(stop_seconds=0.1)) as server:
            client.connect((server.host, server.port))
            target = f"/v2/a/blobs/uploads/?digest=sha256:{'0' * 64}"
            head = f"POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"
            client.sendall(head.encode() + b"not all of it")
            time.sleep(0.1)
            began = time.monotonic()
        assert time.monotonic() - began < 3


class TestStopping:
    def test_idle_connections_are_not_waited_for(self, tmp_path: Path) -> None:
        with embedded_registry(tmp_path) as server:
            clients = [http.client.HTTPConnection(server.host, server.port, timeout=10) for _ in range(50)]
            for client in clients:
                client.request("GET", "/v2/")
                assert client.getresponse().read() == b"{}"
            silent = socket.create_connection((server.host, server.port), timeout=10)
            began = time.monotonic()
        assert time.monotonic() - began < 1
        # And none of them is left open.
        for sock in (silent, *(client.sock for client in clients)):
            assert sock.recv(1) == b""
            sock.close()

    def test_a_client_that_does_not_read_is_waited_for_as_long_as_was_said(self, tmp_path: Path) -> None:
        with closing(socket.socket()) as sock:
            with RegistryServer(tmp_path, allow_push=True, limits=Limits(stop_seconds=0.2)) as server:
                with connected(server) as client:
                    digest = client.push_blob("a", bytes(20_000_000))
                sock.connect((server.host, server.port))
                sock.sendall(b"GET /v2/a/blobs/%b HTTP/1.1\r\n\r\n" % digest.encode())
                assert sock.recv(10) == b"HTTP/1.1 2"
                began = time.monotonic()
            assert 0.2 <= time.monotonic() - began < 2

    def test_what_is_under_way_is_finished(self, tmp_path: Path) -> None:
        data = b"x" * 1000
        with closing(socket.socket()) as sock:
            sock.settimeout(10)
            with embedded_registry(tmp_path) as server:
                sock.connect((server.host, server.port))
                target = f"/v2/a/blobs/uploads/?digest={Digest.of(data)}"
                sock.sendall(f"POST {target} HTTP/1.1\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data[:500])
                time.sleep(0.1)
                threading.Timer(0.3, sock.sendall, (data[500:],)).start()
            received = sock.recv(65536)
        assert received.startswith(b"HTTP/1.1 201 ")
        assert b"Connection: close" in received

    def test_a_server_that_is_stopped_at_once_stops(self, tmp_path: Path) -> None:
        for _ in range(5):
            with embedded_registry(tmp_path):
                pass

    def test_a_signal_is_heard_whenever_it_comes(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            with server_module._signals() as stopped:
                os.kill(os.getpid(), number)
                assert os.read(stopped, 1) == bytes([number])


class TestOneAddress:
    def test_has_no_more_connections_than_its_share(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(http_module, "is_loopback", lambda _: False)
        with RegistryServer(tmp_path, limits=Limits(peer_connections=2)) as server:
            sockets = [socket.create_connection((server.host, server.port), timeout=10) for _ in range(3)]
            try:
                assert sockets[2].recv(1) == b""
                sockets[0].sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
                received = b""
                while b"free_bytes " not in received:
                    received += sockets[0].recv(65536)
                assert b"airgap_registry_connections_refused_total 1\n" in received
            finally:
                for sock in sockets:
                    sock.close()

    def test_on_this_machine_may_stand_for_many(self, tmp_path: Path) -> None:
        with (
            RegistryServer(tmp_path, limits=Limits(peer_connections=1)) as server,
            connected(server) as client,
            socket.create_connection((server.host, server.port), timeout=10),
        ):
            assert client("GET", "/v2/").status == 200


class TestBodiesThatNeverEnd:
    @pytest.mark.parametrize(
        "head",
        [
            b"GET /v2/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"PUT /v2/a/manifests/1 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"POST /v2/a/blobs/uploads/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"GET /v2/ HTTP/1.1\r\nContent-Length: 999999999999999\r\n\r\n",
        ],
    )
    def test_are_answered_and_cut_off(self, client: Client, head: bytes) -> None:
        chunk = b"10000\r\n" + bytes(65536) + b"\r\n"
        with socket.create_connection((client.server.host, client.server.port), timeout=10) as sock:
            sock.sendall(head)
            sent = 0
            with contextlib.suppress(ConnectionError):
                while sent < 100_000_000:
                    sock.sendall(chunk)
                    sent += len(chunk)
            assert sent < 60_000_000

    def test_are_not_waited_for(self, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(incoming, "_DRAIN_SECONDS", 0.1)
        with socket.create_connection((client.server.host, client.server.port), timeout=10) as sock:
            sock.sendall(b"DELETE /nothing HTTP/1.1\r\nContent-Length: 100\r\n\r\nhalf")
            began = time.monotonic()
            received = b""
            while piece := sock.recv(65536):
                received += piece
            assert time.monotonic() - began < 2
            assert received.startswith(b"HTTP/1.1 404 ")
