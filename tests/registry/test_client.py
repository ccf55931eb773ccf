"""The client against a server that misbehaves; `test_client_debian.py` has the real one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from support.clients import Logins, Recorder, login, options
from support.scripted_server import Received, ScriptedServer, answer, refusal

from airgap_bundle.core.content import Digest
from airgap_bundle.core.errors import RegistryError
from airgap_bundle.core.oci import OCI_INDEX, OCI_MANIFEST, parse_document
from airgap_bundle.core.report import Remark
from airgap_bundle.registry.abilities import Registry
from airgap_bundle.registry.client import RegistryClient
from airgap_bundle.registry.credentials import Credentials

if TYPE_CHECKING:
    from collections.abc import Iterator

EMPTY = {
    "mediaType": "application/vnd.oci.empty.v1+json",
    "digest": "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
    "size": 2,
}


def manifest(**more: Any) -> bytes:
    return json.dumps({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": EMPTY, "layers": [], **more}).encode()


RAW = manifest(annotations={"odd": "  spacing "})
DIGEST = Digest.of(RAW)
TAG_PATH = "/v2/a/b/manifests/1.0"


def document_answer(raw: bytes = RAW, media_type: str = OCI_MANIFEST, **headers: str) -> bytes:
    return answer(200, raw, content_type=media_type, **headers)


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        yield running


@pytest.fixture
def other() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        yield running


def client(server: ScriptedServer, recorder: Recorder | None = None, **changes: Any) -> RegistryClient:
    return RegistryClient(server.address, options(recorder, side="source", **changes))


def refused(server: ScriptedServer, **changes: Any) -> RegistryError:
    """What the client says when it cannot read a/b:1.0."""
    with client(server, **changes) as registry, pytest.raises(RegistryError) as caught:
        registry.get_manifest("a/b", "1.0")
    return caught.value


# --- Reading ----------------------------------------------------------------------------------------------------------


def test_it_has_the_abilities_of_a_registry(server: ScriptedServer) -> None:
    with client(server) as registry:
        assert isinstance(registry, Registry)
        assert registry.name == server.address


def test_the_bytes_of_a_manifest_are_kept(server: ScriptedServer) -> None:
    server.step("GET", TAG_PATH, document_answer(docker_content_digest=DIGEST))
    with client(server) as registry:
        document = registry.get_manifest("a/b", "1.0")
    assert document is not None
    assert document.raw == RAW
    assert all(kind in server.received[0].headers["accept"] for kind in (OCI_INDEX, OCI_MANIFEST, "list.v2", "v2+json"))


def test_only_a_404_means_that_there_is_none(server: ScriptedServer) -> None:
    server.step("GET", TAG_PATH, refusal(404, "MANIFEST_UNKNOWN", "no"))
    with client(server) as registry:
        assert registry.get_manifest("a/b", "1.0") is None


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        pytest.param(document_answer(docker_content_digest="sha256:" + "0" * 64), "AB-REGISTRY-CONTENT", id="digest"),
        pytest.param(document_answer(docker_content_digest="sha256:../.."), "AB-REGISTRY-CONTENT", id="no digest"),
        pytest.param(document_answer(media_type=OCI_INDEX), "AB-REGISTRY-DOCUMENT", id="another type"),
        pytest.param(document_answer(b"<html>", media_type="text/html"), "AB-REGISTRY-DOCUMENT", id="a web page"),
        pytest.param(document_answer(b'{"schemaVersion": 1}'), "AB-REGISTRY-DOCUMENT", id="schema 1"),
        pytest.param(document_answer(b" " * (4 * 1024 * 1024 + 1)), "AB-REGISTRY-ANSWER", id="too long"),
        pytest.param(answer(204), "AB-REGISTRY-REFUSED", id="an odd status"),
        pytest.param(document_answer(content_encoding="gzip"), "AB-NETWORK-ENCODING", id="packed"),
    ],
)
def test_a_manifest_that_is_not_what_it_should_be_is_refused(server: ScriptedServer, reply: bytes, code: str) -> None:
    server.step("GET", TAG_PATH, reply)
    error = refused(server)
    assert error.code == code
    assert server.address in error.message
    assert "a/b:1.0" in error.message


def test_a_general_content_type_says_nothing(server: ScriptedServer) -> None:
    server.step("GET", TAG_PATH, document_answer(media_type="application/json; charset=utf-8"))
    with client(server) as registry:
        assert registry.get_manifest("a/b", "1.0") == parse_document(RAW)


def test_another_manifest_under_a_digest_is_refused(server: ScriptedServer) -> None:
    wanted = Digest.of(b"wanted")
    server.step("GET", f"/v2/a/b/manifests/{wanted}", document_answer())
    with client(server) as registry, pytest.raises(RegistryError, match=DIGEST):
        registry.get_manifest("a/b", wanted)


def test_content_named_by_sha512_is_not_asked_for(server: ScriptedServer) -> None:
    with client(server) as registry, pytest.raises(RegistryError) as caught:
        registry.get_manifest("a/b", Digest.of(b"x", "sha512"))
    assert caught.value.code == "AB-REGISTRY-DIGEST"
    assert server.asked == []


def test_a_head_that_says_everything_is_enough(server: ScriptedServer) -> None:
    reply = answer(200, content_type=OCI_MANIFEST, content_length=str(len(RAW)), docker_content_digest=DIGEST)
    server.step("HEAD", TAG_PATH, reply)
    with client(server) as registry:
        assert registry.head_manifest("a/b", "1.0") == parse_document(RAW).descriptor


@pytest.mark.parametrize("reply", [answer(405), answer(200, content_type=OCI_MANIFEST, content_length=str(len(RAW)))])
def test_a_head_that_says_too_little_is_followed_by_a_get(server: ScriptedServer, reply: bytes) -> None:
    server.step("HEAD", TAG_PATH, reply).step("GET", TAG_PATH, document_answer())
    with client(server) as registry:
        assert registry.head_manifest("a/b", "1.0") == parse_document(RAW).descriptor


def test_tags_come_in_pages(server: ScriptedServer) -> None:
    link = '</v2/a/b/tags/list?n=2&last=2>; rel="next"'
    server.step("GET", "/v2/a/b/tags/list?n=1000", answer(200, '{"name": "a/b", "tags": ["1", "2"]}', link=link))
    server.step("GET", "/v2/a/b/tags/list?n=2&last=2", answer(200, '{"name": "a/b", "tags": ["3"]}'))
    with client(server) as registry:
        assert registry.list_tags("a/b") == ("1", "2", "3")


@pytest.mark.parametrize(("status", "body"), [(404, ""), (200, '{"tags": null}')])
def test_no_tags_are_no_trouble(server: ScriptedServer, status: int, body: str) -> None:
    server.step("GET", "/v2/a/b/tags/list?n=1000", answer(status, body))
    with client(server) as registry:
        assert registry.list_tags("a/b") == ()


@pytest.mark.parametrize(
    "link",
    [
        '</v2/a/b/tags/list?n=1000>; rel="next"',
        '<https://evil.example/v2/a/b/tags/list?last=2>; rel="next"',
        '<file:///etc/passwd>; rel="next"',
    ],
)
def test_a_next_page_that_leads_nowhere_or_elsewhere_is_refused(server: ScriptedServer, link: str) -> None:
    server.step("GET", "/v2/a/b/tags/list?n=1000", answer(200, '{"tags": ["1"]}', link=link))
    with client(server) as registry, pytest.raises(RegistryError):
        registry.list_tags("a/b")


@pytest.mark.parametrize("body", ['{"tags": ["../../etc"]}', '{"tags": [1]}', "[]", "", '{"tags": {}}'])
def test_a_list_of_tags_that_is_none_is_refused(server: ScriptedServer, body: str) -> None:
    server.step("GET", "/v2/a/b/tags/list?n=1000", answer(200, body or "x"))
    with client(server) as registry:
        if body == '{"tags": {}}':
            assert registry.list_tags("a/b") == ()
        else:
            with pytest.raises(RegistryError):
                registry.list_tags("a/b")


def test_a_mirror_is_asked_in_place_of_a_registry_under_its_own_path(server: ScriptedServer) -> None:
    server.step("GET", "/v2/hub/library/redis/manifests/7", document_answer())
    chosen = options(mirrors={"docker.io": f"{server.address}/hub"})
    with RegistryClient("docker.io", chosen) as registry:
        assert registry.get_manifest("library/redis", "7") is not None
        assert registry.name == "docker.io"


# --- Patience ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_hiccup_is_tried_again(server: ScriptedServer, status: int) -> None:
    server.step("GET", TAG_PATH, answer(status)).step("GET", TAG_PATH, answer(status))
    server.step("GET", TAG_PATH, document_answer())
    recorder = Recorder()
    with client(server, recorder) as registry:
        assert registry.get_manifest("a/b", "1.0") is not None
    assert recorder.pauses == [0.25, 0.5]


def test_patience_ends(server: ScriptedServer) -> None:
    for _ in range(5):
        server.step("GET", TAG_PATH, refusal(503, "UNAVAILABLE", "maintenance"))
    error = refused(server)
    assert error.code == "AB-REGISTRY-FAILED"
    assert "503 (UNAVAILABLE: maintenance)" in error.message


@pytest.mark.parametrize(
    ("header", "pause"), [("7", 7.0), ("1000000000", None), ("999", 60.0), ("-1", 0.25), ("soon", 0.25), ("0", 0.25)]
)
def test_retry_after_is_believed_within_reason(server: ScriptedServer, header: str, pause: float | None) -> None:
    server.step("GET", TAG_PATH, answer(429, retry_after=header)).step("GET", TAG_PATH, document_answer())
    recorder = Recorder()
    with client(server, recorder) as registry:
        registry.get_manifest("a/b", "1.0")
    assert recorder.pauses[0] == (0.25 if pause is None else pause)


def test_a_line_that_is_cut_is_tried_again(server: ScriptedServer) -> None:
    server.step("GET", TAG_PATH, document_answer()[:-10], cut=True).step("GET", TAG_PATH, b"", cut=True)
    server.step("GET", TAG_PATH, document_answer())
    with client(server) as registry:
        document = registry.get_manifest("a/b", "1.0")
    assert document is not None
    assert document.raw == RAW


def test_a_refusal_is_not_tried_again(server: ScriptedServer) -> None:
    server.step("GET", TAG_PATH, refusal(403, "DENIED", "not yours"))
    assert "403 (DENIED: not yours)" in refused(server).message


@pytest.mark.parametrize(
    ("status", "words", "code"),
    [
        (401, "UNAUTHORIZED", "AB-REGISTRY-UNAUTHORIZED"),
        (403, "DENIED", "AB-REGISTRY-FORBIDDEN"),
        (403, "project quota exceeded", "AB-REGISTRY-QUOTA"),
        (413, "", "AB-REGISTRY-TOO-LARGE"),
        (400, "Client sent an HTTP request to an HTTPS server.", "AB-NETWORK-PLAIN-HTTP"),
        (418, "", "AB-REGISTRY-REFUSED"),
    ],
)
def test_each_refusal_has_its_code(server: ScriptedServer, status: int, words: str, code: str) -> None:
    server.step("GET", TAG_PATH, answer(status, words, content_type="text/plain"))
    assert refused(server).code == code


def test_warnings_are_told_once(server: ScriptedServer) -> None:
    warning = '299 - "this registry \\"moves\\" soon"'
    server.step("GET", TAG_PATH, document_answer(warning=warning)).step(
        "GET", TAG_PATH, document_answer(warning=warning)
    )
    recorder = Recorder()
    with client(server, recorder) as registry:
        registry.get_manifest("a/b", "1.0")
        registry.get_manifest("a/b", "1.0")
    (event,) = recorder.events
    assert isinstance(event, Remark)
    assert event.message == f'{server.address} warns: this registry "moves" soon'


# --- Redirects --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_host_is_followed_outside_without_the_login(
    server: ScriptedServer, other: ScriptedServer, status: int
) -> None:
    challenge = answer(401, www_authenticate='Basic realm="x"')
    server.step("GET", TAG_PATH, challenge)
    server.step("GET", TAG_PATH, answer(status, location=f"http://{other.address}/storage?signature=1"))
    other.step("GET", "/storage?signature=1", document_answer())
    logins = Logins({server.address: login()})
    with client(server, credentials=logins, follow_redirects_elsewhere=True) as registry:
        assert registry.get_manifest("a/b", "1.0") is not None
    assert "authorization" in server.received[1].headers
    assert "authorization" not in other.received[0].headers


def test_a_redirect_to_another_host_is_refused_inside(server: ScriptedServer, other: ScriptedServer) -> None:
    server.step("GET", TAG_PATH, answer(307, location=f"http://{other.address}/storage"))
    error = refused(server)
    assert error.code == "AB-NETWORK-REDIRECT"
    assert other.address in error.message
    assert other.connections == 0


def test_a_redirect_on_the_same_host_keeps_the_login(server: ScriptedServer) -> None:
    server.step("GET", TAG_PATH, answer(401, www_authenticate="Basic"))
    server.step("GET", TAG_PATH, answer(307, location="/elsewhere"))
    server.step("GET", "/elsewhere", document_answer())
    with client(server, credentials=Logins({server.address: login()})) as registry:
        registry.get_manifest("a/b", "1.0")
    assert "authorization" in server.received[2].headers


@pytest.mark.parametrize("location", ["file:///etc/passwd", "http://evil.example/", "gopher://x", "", "https://u:p@h/"])
def test_redirects_that_may_not_be_followed_are_refused(server: ScriptedServer, location: str) -> None:
    server.step("GET", TAG_PATH, answer(302, location=location))
    assert refused(server, follow_redirects_elsewhere=True).code == "AB-NETWORK-REDIRECT"


def test_redirects_without_end_are_refused(server: ScriptedServer) -> None:
    for _ in range(6):
        server.step("GET", TAG_PATH, answer(302, location=TAG_PATH))
    assert "more than 5 times" in refused(server).message


# --- Logins -----------------------------------------------------------------------------------------------------------


def bearer(realm: str, scope: str = "repository:a/b:pull", error: str = "") -> bytes:
    more = f',error="{error}"' if error else ""
    return answer(401, www_authenticate=f'Bearer realm="{realm}",service="svc",scope="{scope}"{more}')


def token(text: str = "t1", **more: Any) -> bytes:
    return answer(200, json.dumps({"token": text, **more}), content_type="application/json")


def token_target(*scopes: str) -> str:
    return "/token?service=svc" + "".join(f"&scope={scope.replace(':', '%3A').replace('/', '%2F')}" for scope in scopes)


PULL = token_target("repository:a/b:pull")


def test_a_token_is_asked_for_once(server: ScriptedServer) -> None:
    server.step("GET", TAG_PATH, bearer(f"http://{server.address}/token")).step("GET", PULL, token(expires_in=300))
    server.step("GET", TAG_PATH, document_answer()).step("GET", TAG_PATH, document_answer())
    logins = Logins({server.address: login()})
    with client(server, credentials=logins) as registry:
        registry.get_manifest("a/b", "1.0")
        registry.get_manifest("a/b", "1.0")
    sent = [request.headers.get("authorization") for request in server.received]
    assert sent == [None, "Basic YWxpY2U6Y29ycmVjdCBob3JzZQ==", "Bearer t1", "Bearer t1"]


def test_a_token_is_renewed_before_it_runs_out(server: ScriptedServer) -> None:
    server.step("GET", TAG_PATH, bearer(f"http://{server.address}/token")).step("GET", PULL, token(expires_in=300))
    server.step("GET", TAG_PATH, document_answer()).step("GET", PULL, token("t2", expires_in=300))
    server.step("GET", TAG_PATH, document_answer())
    now = [0.0]
    with client(server, clock=lambda: now[0]) as registry:
        registry.get_manifest("a/b", "1.0")
        now[0] = 241.0
        registry.get_manifest("a/b", "1.0")
    assert server.received[-1].headers["authorization"] == "Bearer t2"


def test_a_token_that_is_refused_is_replaced_once(server: ScriptedServer) -> None:
    challenge = bearer(f"http://{server.address}/token")
    server.step("GET", TAG_PATH, challenge).step("GET", PULL, token("t1")).step("GET", TAG_PATH, challenge)
    server.step("GET", PULL, token("t2")).step("GET", TAG_PATH, challenge)
    assert refused(server).code == "AB-REGISTRY-UNAUTHORIZED"


def test_the_scope_that_a_registry_misses_is_asked_for_too(server: ScriptedServer) -> None:
    realm = f"http://{server.address}/token"
    server.step("GET", TAG_PATH, bearer(realm, scope="")).step("GET", PULL, token("t1"))
    server.step("GET", TAG_PATH, bearer(realm, scope="repository:c:pull", error="insufficient_scope"))
    server.step("GET", token_target("repository:a/b:pull", "repository:c:pull"), token("t2"))
    server.step("GET", TAG_PATH, document_answer())
    with client(server) as registry:
        assert registry.get_manifest("a/b", "1.0") is not None


def test_an_identity_token_is_posted(server: ScriptedServer) -> None:
    server.step("GET", TAG_PATH, bearer(f"http://{server.address}/token"))
    server.step("POST", "/token", answer(200, '{"access_token": "t1"}')).step("GET", TAG_PATH, document_answer())
    logins = Logins({server.address: Credentials(identity_token="refresh me")})
    with client(server, credentials=logins) as registry:
        registry.get_manifest("a/b", "1.0")
    assert b"grant_type=refresh_token" in server.received[1].body
    assert b"refresh_token=refresh+me" in server.received[1].body


def test_a_registry_token_is_used_as_it_is(server: ScriptedServer) -> None:
    server.step("GET", TAG_PATH, document_answer())
    with client(server, credentials=Logins({server.address: Credentials(registry_token="given")})) as registry:
        registry.get_manifest("a/b", "1.0")
    assert server.received[0].headers["authorization"] == "Bearer given"


def test_of_several_ways_in_a_possible_one_is_taken(server: ScriptedServer) -> None:
    server.step("GET", TAG_PATH, answer(401, www_authenticate='Bearer realm="https://evil.example/t", Basic realm="x"'))
    server.step("GET", TAG_PATH, document_answer())
    with client(server, credentials=Logins({server.address: login()})) as registry:
        assert registry.get_manifest("a/b", "1.0") is not None


def test_a_token_host_that_the_policy_does_not_name_is_not_asked_inside(
    server: ScriptedServer, other: ScriptedServer
) -> None:
    server.step("GET", TAG_PATH, bearer(f"http://{other.address}/token"))
    error = refused(server, credentials=Logins({server.address: login()}))
    assert error.code == "AB-REGISTRY-REALM"
    assert other.address in error.message
    assert other.connections == 0


def test_a_token_host_that_the_policy_names_is_asked_inside(server: ScriptedServer, other: ScriptedServer) -> None:
    server.step("GET", TAG_PATH, bearer(f"http://{other.address}/token")).step("GET", TAG_PATH, document_answer())
    other.step("GET", PULL, token())
    hosts = frozenset({other.address})
    with client(server, credentials=Logins({server.address: login()}), token_hosts=hosts) as registry:
        assert registry.get_manifest("a/b", "1.0") is not None
    assert "authorization" in other.received[0].headers


def test_a_strange_token_host_never_sees_the_login(server: ScriptedServer) -> None:
    with ScriptedServer() as strange:
        realm = f"http://localhost:{strange.address.rpartition(':')[2]}/token"
        server.step("GET", TAG_PATH, bearer(realm))
        strange.step("GET", PULL, answer(401))
        error = refused(server, credentials=Logins({server.address: login()}), follow_redirects_elsewhere=True)
    assert "authorization" not in strange.received[0].headers
    assert "was not shown to the token host" in error.hint


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(answer(200, "not json"), id="not JSON"),
        pytest.param(answer(200, "{}"), id="empty"),
        pytest.param(answer(200, '{"token": 7}'), id="a number"),
        pytest.param(answer(200, '{"token": "a\\r\\nX: y"}'), id="a line break"),
        pytest.param(answer(200, json.dumps({"token": "x" * 20_000})), id="too long"),
        pytest.param(answer(200, b" " * (1 << 20)), id="a megabyte"),
    ],
)
def test_what_is_no_token_is_refused(server: ScriptedServer, reply: bytes) -> None:
    server.step("GET", TAG_PATH, bearer(f"http://{server.address}/token")).step("GET", PULL, reply)
    assert refused(server).code == "AB-REGISTRY-TOKEN"


def test_a_login_that_is_refused_says_whose_it_was_and_not_what(server: ScriptedServer) -> None:
    server.step("GET", TAG_PATH, bearer(f"http://{server.address}/token"))
    server.step("GET", PULL, refusal(401, "UNAUTHORIZED", "wrong password"))
    error = refused(server, credentials=Logins({server.address: login()}))
    assert "alice" in error.message
    assert "wrong password" in error.message
    assert "horse" not in error.message + error.hint


def test_a_login_goes_nowhere_unasked(server: ScriptedServer) -> None:
    server.step("GET", TAG_PATH, document_answer())
    with client(server, credentials=Logins({server.address: login()})) as registry:
        registry.get_manifest("a/b", "1.0")
    assert "authorization" not in server.received[0].headers


# --- Reaching ---------------------------------------------------------------------------------------------------------


def test_ping_is_content_with_a_registry_that_wants_a_login(server: ScriptedServer) -> None:
    server.step("GET", "/v2/", answer(401, www_authenticate="Basic")).step("GET", "/v2/", answer(200))
    with client(server) as registry:
        registry.ping()
        registry.ping()


def test_ping_refuses_a_wrong_login(server: ScriptedServer) -> None:
    server.always("GET", "/v2/", answer(401, www_authenticate="Basic"))
    with (
        client(server, credentials=Logins({server.address: login()})) as registry,
        pytest.raises(RegistryError) as caught,
    ):
        registry.ping()
    assert caught.value.code == "AB-REGISTRY-UNAUTHORIZED"


def test_ping_refuses_what_is_no_registry(server: ScriptedServer) -> None:
    server.step("GET", "/v2/", answer(404, "<html>", content_type="text/html"))
    with client(server) as registry, pytest.raises(RegistryError, match="does not speak the protocol"):
        registry.ping()


# --- Writing ----------------------------------------------------------------------------------------------------------


def test_a_manifest_is_written_as_it_is(server: ScriptedServer) -> None:
    server.step("PUT", TAG_PATH, answer(201, docker_content_digest=DIGEST))
    with client(server) as registry:
        registry.put_manifest("a/b", "1.0", parse_document(RAW))
    assert server.received[0].body == RAW
    assert server.received[0].headers["content-type"] == OCI_MANIFEST


def test_a_manifest_stored_under_another_digest_is_noticed(server: ScriptedServer) -> None:
    server.step("PUT", TAG_PATH, answer(201, docker_content_digest="sha256:" + "0" * 64))
    with client(server) as registry, pytest.raises(RegistryError) as caught:
        registry.put_manifest("a/b", "1.0", parse_document(RAW))
    assert caught.value.code == "AB-REGISTRY-CONTENT"


def head(digest: Digest) -> bytes:
    return answer(200, content_type=OCI_MANIFEST, content_length=str(len(RAW)), docker_content_digest=digest)


@pytest.mark.parametrize("reply", [answer(409), answer(412, "immutable"), refusal(400, "TAG_INVALID", "immutable")])
def test_a_tag_that_may_not_move_is_fine_where_it_says_so_already(server: ScriptedServer, reply: bytes) -> None:
    server.step("PUT", TAG_PATH, reply).step("HEAD", TAG_PATH, head(DIGEST))
    with client(server) as registry:
        registry.put_manifest("a/b", "1.0", parse_document(RAW))


def test_a_tag_that_may_not_move_is_an_error_where_it_says_something_else(server: ScriptedServer) -> None:
    server.step("PUT", TAG_PATH, answer(412)).step("HEAD", TAG_PATH, head(Digest.of(b"other")))
    with client(server) as registry, pytest.raises(RegistryError) as caught:
        registry.put_manifest("a/b", "1.0", parse_document(RAW))
    assert caught.value.code == "AB-REGISTRY-IMMUTABLE-TAG"


@pytest.mark.parametrize(("status", "gone"), [(202, True), (404, False), (405, False), (400, False)])
def test_removing_a_tag_says_whether_it_is_gone(server: ScriptedServer, status: int, *, gone: bool) -> None:
    server.step("DELETE", TAG_PATH, answer(status))
    with client(server) as registry:
        assert registry.delete_tag("a/b", "1.0") is gone


def test_removing_takes_tags_only(server: ScriptedServer) -> None:
    with client(server) as registry, pytest.raises(ValueError, match="not a tag"):
        registry.delete_tag("a/b", DIGEST)


# --- Attachments ------------------------------------------------------------------------------------------------------

SUBJECT = parse_document(RAW).descriptor
ATTACHED = parse_document(
    manifest(
        artifactType="application/vnd.example",
        subject={"mediaType": SUBJECT.media_type, "digest": SUBJECT.digest, "size": SUBJECT.size},
        annotations={"org.example": "yes"},
    )
)
REFERRERS = f"/v2/a/b/referrers/{DIGEST}"
FALLBACK = f"/v2/a/b/manifests/sha256-{DIGEST.encoded}"


def index(*entries: dict[str, Any]) -> bytes:
    return json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": list(entries), "odd": [1]}).encode()


OLD_ENTRY = {"mediaType": OCI_MANIFEST, "digest": Digest.of(b"old"), "size": 3, "unknown": {"kept": True}}


def test_attachments_come_from_the_api_page_by_page(server: ScriptedServer) -> None:
    link = f'<{REFERRERS}?page=2>; rel="next"'
    server.step("GET", REFERRERS, document_answer(index(OLD_ENTRY), OCI_INDEX, link=link))
    server.step("GET", f"{REFERRERS}?page=2", document_answer(index(), OCI_INDEX))
    with client(server) as registry:
        assert [entry.digest for entry in registry.list_referrers("a/b", DIGEST)] == [OLD_ENTRY["digest"]]


@pytest.mark.parametrize("status", [404, 405, 406])
def test_attachments_come_from_the_fallback_tag_where_there_is_no_api(server: ScriptedServer, status: int) -> None:
    server.step("GET", REFERRERS, answer(status)).step("GET", FALLBACK, document_answer(index(OLD_ENTRY), OCI_INDEX))
    with client(server) as registry:
        assert [entry.digest for entry in registry.list_referrers("a/b", DIGEST)] == [OLD_ENTRY["digest"]]


def test_a_registry_that_takes_the_fallback_tag_for_the_digest_itself_has_no_attachments(
    server: ScriptedServer,
) -> None:
    raw = index(OLD_ENTRY)
    subject = Digest.of(raw)
    server.step("GET", f"/v2/a/b/referrers/{subject}", answer(404))
    server.step("GET", f"/v2/a/b/manifests/sha256-{subject.encoded}", document_answer(raw, OCI_INDEX))
    with client(server) as registry:
        assert registry.list_referrers("a/b", subject) == ()


def test_no_api_and_no_tag_mean_no_attachments(server: ScriptedServer) -> None:
    server.step("GET", REFERRERS, answer(404)).step("GET", FALLBACK, answer(404))
    with client(server) as registry:
        assert registry.list_referrers("a/b", DIGEST) == ()


@pytest.mark.parametrize("reply", [answer(401), answer(403), answer(400), answer(200, "<html>"), answer(302)])
def test_trouble_with_attachments_never_means_that_there_are_none(server: ScriptedServer, reply: bytes) -> None:
    server.step("GET", REFERRERS, reply)
    with client(server) as registry, pytest.raises(RegistryError):
        registry.list_referrers("a/b", DIGEST)


def test_attachments_that_page_for_ever_are_refused(server: ScriptedServer) -> None:
    pages = iter(range(1000))

    def page(_: Received) -> bytes:
        return document_answer(index(OLD_ENTRY), OCI_INDEX, link=f'<{REFERRERS}?page={next(pages)}>; rel="next"')

    server.always("GET", REFERRERS, page)
    with client(server) as registry, pytest.raises(RegistryError, match="more than 100 pages"):
        registry.list_referrers("a/b", DIGEST)


def test_a_registry_with_the_api_attaches_by_itself(server: ScriptedServer) -> None:
    server.step("PUT", TAG_PATH, answer(201, oci_subject=SUBJECT.digest))
    with client(server) as registry:
        registry.put_manifest("a/b", "1.0", ATTACHED)


def test_the_fallback_tag_is_merged_and_read_back(server: ScriptedServer) -> None:
    written: list[bytes] = []

    def keep(request: Received) -> bytes:
        written.append(request.body)
        return answer(201)

    server.step("PUT", TAG_PATH, answer(201)).step("GET", FALLBACK, document_answer(index(OLD_ENTRY), OCI_INDEX))
    server.step("PUT", FALLBACK, keep)
    server.step("GET", FALLBACK, lambda _: document_answer(written[0], OCI_INDEX))
    with client(server) as registry:
        registry.put_manifest("a/b", "1.0", ATTACHED)
    value = json.loads(written[0])
    assert value["odd"] == [1]
    assert value["manifests"] == [
        OLD_ENTRY,
        {
            "mediaType": OCI_MANIFEST,
            "digest": ATTACHED.descriptor.digest,
            "size": ATTACHED.descriptor.size,
            "artifactType": "application/vnd.example",
            "annotations": {"org.example": "yes"},
        },
    ]


def test_a_fallback_tag_that_somebody_else_overwrites_is_written_again(server: ScriptedServer) -> None:
    written: list[bytes] = []

    def keep(request: Received) -> bytes:
        written.append(request.body)
        return answer(201)

    server.step("PUT", TAG_PATH, answer(201)).step("GET", FALLBACK, answer(404)).step("PUT", FALLBACK, keep)
    server.step("GET", FALLBACK, document_answer(index(OLD_ENTRY), OCI_INDEX)).step("PUT", FALLBACK, keep)
    server.step("GET", FALLBACK, lambda _: document_answer(written[1], OCI_INDEX))
    with client(server) as registry:
        registry.put_manifest("a/b", "1.0", ATTACHED)
    assert len(json.loads(written[1])["manifests"]) == 2


def test_a_fallback_tag_that_is_an_image_is_a_conflict(server: ScriptedServer) -> None:
    server.step("PUT", TAG_PATH, answer(201)).step("GET", FALLBACK, document_answer())
    with client(server) as registry, pytest.raises(RegistryError) as caught:
        registry.put_manifest("a/b", "1.0", ATTACHED)
    assert caught.value.code == "AB-REGISTRY-REFERRERS-TAG"


def test_an_index_under_its_own_fallback_tag_is_a_conflict_and_is_not_added_to(server: ScriptedServer) -> None:
    raw = index(OLD_ENTRY)
    subject = {"mediaType": OCI_INDEX, "digest": Digest.of(raw), "size": len(raw)}
    attached = parse_document(manifest(artifactType="application/vnd.example", subject=subject))
    tag = f"/v2/a/b/manifests/sha256-{Digest.of(raw).encoded}"
    server.step("PUT", TAG_PATH, answer(201)).step("GET", tag, document_answer(raw, OCI_INDEX))
    with client(server) as registry, pytest.raises(RegistryError) as caught:
        registry.put_manifest("a/b", "1.0", attached)
    assert caught.value.code == "AB-REGISTRY-REFERRERS-TAG"


def test_a_login_for_somebody_elses_token_host_makes_no_token_for_a_strange_registry(server: ScriptedServer) -> None:
    with ScriptedServer() as victim:
        host = f"localhost:{victim.address.rpartition(':')[2]}"
        server.step("GET", TAG_PATH, bearer(f"http://{host}/token", scope="repository:secret:pull"))
        victim.step("GET", token_target("repository:a/b:pull", "repository:secret:pull"), answer(401))
        refused(server, credentials=Logins({host: login(), server.address: login()}), follow_redirects_elsewhere=True)
        assert "authorization" not in victim.received[0].headers
