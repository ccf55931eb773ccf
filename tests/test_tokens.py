"""Tokens with other people's programs: skopeo and podman at our registry, and Debian's registry that checks ours.

The embedded server issues, real clients log in with the credential of an identity, and Debian's docker-registry, which
knows nothing but our certificates, takes and refuses tokens by itself.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from support.certificates import authority
from support.clients import Logins, login, options
from support.images import single_image
from support.registries import debian_registry
from support.token_office import Desk, ask, claims_for, forge, hs256, real_clock, strangers_key, token_registry
from support.tools import containerd, short_directory, tool
from support.trip import run

from airgap_bundle.boundary.tokens.exporting import as_key_set, for_docker_registry
from airgap_bundle.core.errors import RegistryError
from airgap_bundle.registry.client import RegistryClient
from airgap_bundle.registry.serving.tls import TlsFiles

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from airgap_bundle.boundary.tokens.issuing import Issued
    from airgap_bundle.registry.server import RegistryServer

ELSEWHERE = "registry.internal"
HOUR = dt.timedelta(hours=1)


@dataclass
class Site:
    """A desk that issues in real time, and the registry beside it."""

    desk: Desk
    server: RegistryServer
    path: Path

    def revoke(self, name: str) -> None:
        said = run("airgap-import", "token", "revoke", name, "--state", self.desk.path, "--reason", "test")
        assert said.status == 0, said.err


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    desk = Desk(tmp_path / "state", clock=real_clock)
    with token_registry(desk, tmp_path / "registry") as server:
        yield Site(desk=desk, server=server, path=tmp_path)


def client(address: str, issued: Issued, **more: Any) -> RegistryClient:
    known = login(issued.identity.name, issued.credential)
    return RegistryClient(address, options(credentials=Logins({address: known}), **more))


def trip(address: str, issued: Issued, repository: str, **more: Any) -> None:
    """Push an image and read it back with our own client."""
    image = single_image("tokens")
    with contextlib.closing(client(address, issued, **more)) as registry:
        image.push_to(registry, repository, "1.0")
        assert registry.get_manifest(repository, "1.0") == image.root


def refused(address: str, issued: Issued, repository: str, **more: Any) -> str:
    with contextlib.closing(client(address, issued, **more)) as registry, pytest.raises(RegistryError) as caught:
        registry.get_manifest(repository, "1.0")
    return caught.value.code


# Our registry


def test_our_client_logs_in_pushes_pulls_and_stays_in_its_repositories(site: Site) -> None:
    issued = site.desk.issue("ci", "acme/**:push")
    trip(site.server.address, issued, "acme/app")
    single_image("other").push_to(site.server.registry, "other/app", "1.0")
    assert refused(site.server.address, issued, "other/app") == "AB-REGISTRY-UNAUTHORIZED"
    reader = site.desk.issue("reader", "acme/**:pull")
    with contextlib.closing(client(site.server.address, reader)) as registry:
        assert registry.list_tags("acme/app") == ("1.0",)
        with pytest.raises(RegistryError):
            single_image("new").push_to(registry, "acme/app", "2.0")
    assert site.server.registry.list_tags("acme/app") == ("1.0",)


@pytest.mark.tools("skopeo")
def test_skopeo_pushes_and_pulls_with_a_credential_and_stops_when_it_is_revoked(site: Site, tmp_path: Path) -> None:
    issued = site.desk.issue("ci", "acme/**:push")
    address, credential = site.server.address, f"ci:{issued.credential}"
    image = single_image("seed")
    image.write_layout(tmp_path / "layout", "1.0")
    remote, source = f"docker://{address}/acme/app:1.0", f"oci:{tmp_path}/layout:1.0"
    tool("skopeo", "copy", "--dest-tls-verify=false", "--dest-creds", credential, source, remote)
    assert site.server.registry.get_manifest("acme/app", "1.0") == image.root
    back = ("skopeo", "copy", "--src-tls-verify=false", "--src-creds", credential, remote, f"dir:{tmp_path}/back")
    tool(*back)
    other = f"docker://{address}/other/app:1.0"
    assert "denied" in tool(
        *("skopeo", "copy", "--dest-tls-verify=false", "--dest-creds", credential, source, other), fails=True
    )
    site.revoke("ci")
    assert "authorized" in tool(*back, fails=True)


@pytest.mark.tools("podman")
def test_podman_logs_in_and_pulls_and_a_wrong_credential_gets_nowhere(site: Site, tmp_path: Path) -> None:
    issued = site.desk.issue("node-7", "acme/**:pull")
    single_image("seed").push_to(site.server.registry, "acme/app", "1.0")
    address, file = site.server.address, tmp_path / "auth.json"
    with short_directory() as short:
        store = ("--storage-driver=vfs", f"--root={tmp_path}/podman", f"--runroot={short}")
        log_in = ("podman", *store, "login", "--tls-verify=false", "--authfile", file, "-u", "node-7", "-p")
        wrong = issued.credential[:-1] + ("A" if issued.credential[-1] != "A" else "B")
        assert "invalid username/password" in tool(*log_in, wrong, address, fails=True)
        tool(*log_in, issued.credential, address)
        pull = ("podman", *store, "pull", "-q", "--tls-verify=false", "--authfile", file, f"{address}/acme/app:1.0")
        tool(*pull)
        tool("podman", *store, "rmi", "-a")
        site.revoke("node-7")
        assert "invalid username/password" in tool(*pull, fails=True)


@pytest.mark.tools("ctr", "containerd")
def test_containerd_fetches_with_a_credential_until_it_is_revoked(site: Site) -> None:
    issued = site.desk.issue("node-7", "acme/**:pull")
    single_image("seed").push_to(site.server.registry, "acme/app", "1.0")
    name = f"{site.server.address}/acme/app:1.0"
    with short_directory() as home, containerd(home) as address:
        fetch = ("ctr", "--address", address, "content", "fetch", "--plain-http", "--user")
        tool(*fetch, f"node-7:{issued.credential}", name)
        assert "401" in tool(*fetch, "node-7:wrong", name, fails=True)
        site.revoke("node-7")
        assert "401" in tool(*fetch, f"node-7:{issued.credential}", name, fails=True)


@pytest.mark.tools("skopeo")
def test_an_identity_token_in_an_auth_file_is_a_credential_too(site: Site, tmp_path: Path) -> None:
    """The OAuth2 form: POST with `grant_type=refresh_token`, which docker and skopeo use with an identity token."""
    issued = site.desk.issue("ci", "acme/**:pull")
    single_image("seed").push_to(site.server.registry, "acme/app", "1.0")
    file = tmp_path / "auth.json"
    known = {"auth": "Y2k6", "identitytoken": issued.credential}
    file.write_text(json.dumps({"auths": {site.server.address: known}}))
    remote = f"docker://{site.server.address}/acme/app:1.0"
    tool("skopeo", "inspect", "--tls-verify=false", "--authfile", file, remote)
    assert len(site.desk.told("token-refreshed")) >= 1


def test_a_revocation_by_another_process_stops_the_very_next_request(site: Site) -> None:
    issued = site.desk.issue("ci", "acme/**:pull")
    single_image("seed").push_to(site.server.registry, "acme/app", "1.0")
    address = site.server.address
    path = "/token?scope=repository:acme/app:pull"
    token = ask(address, path, login=("ci", issued.credential)).json["token"]
    assert ask(address, "/v2/acme/app/manifests/1.0", bearer=token).status == 200
    site.revoke("ci")
    answer = ask(address, "/v2/acme/app/manifests/1.0", bearer=token)
    assert (answer.status, 'error="invalid_token"' in answer.challenge) == (401, True)
    assert ask(address, path, login=("ci", issued.credential)).status == 401


def test_a_rotation_by_another_process_counts_at_once_and_interrupts_nobody(site: Site) -> None:
    issued = site.desk.issue("ci", "acme/**:pull")
    single_image("seed").push_to(site.server.registry, "acme/app", "1.0")
    address = site.server.address

    def token() -> str:
        login_ = ("ci", issued.credential)
        return str(ask(address, "/token?scope=repository:acme/app:pull", login=login_).json["token"])

    def status(bearer: str) -> int:
        return ask(address, "/v2/acme/app/manifests/1.0", bearer=bearer).status

    old = token()
    assert run("airgap-import", "token", "keys", "--rotate", "--state", site.desk.path).status == 0
    new = token()
    assert (status(old), status(new)) == (200, 200)
    assert old.partition(".")[0] != new.partition(".")[0]
    assert run("airgap-import", "token", "keys", "--compromised", "--state", site.desk.path).status == 0
    assert (status(old), status(new), status(token())) == (401, 401, 200)


def test_one_token_for_a_job_needs_no_endpoint(site: Site, tmp_path: Path) -> None:
    single_image("seed").push_to(site.server.registry, "acme/app", "1.0")
    said = run(
        *("airgap-import", "token", "issue", "job-1", "--once", "--scope", "acme/app:pull", "--life", "15m"),
        *("--state", site.desk.path, "-o", tmp_path / "token"),
    )
    assert said.status == 0, said.err
    token = (tmp_path / "token").read_text().strip()
    assert ask(site.server.address, "/v2/acme/app/manifests/1.0", bearer=token).status == 200
    assert ask(site.server.address, "/v2/acme/app/blobs/uploads/", method="POST", bearer=token).status == 401
    site.revoke("job-1")
    assert ask(site.server.address, "/v2/acme/app/manifests/1.0", bearer=token).status == 401


def test_tokens_over_tls_name_a_realm_over_tls(tmp_path: Path) -> None:
    trusted = authority(tmp_path / "authority")
    certificate, key = trusted.issue("server")
    desk = Desk(tmp_path / "state", clock=real_clock)
    issued = desk.issue()
    files = TlsFiles(certificate=certificate, key=key)
    with token_registry(desk, tmp_path / "registry", tls=files) as server:
        trip(server.address, issued, "acme/app", ca_file=trusted.ca_file)
        context = ssl.create_default_context(cafile=str(trusted.ca_file))
        answer = ask(server.address, "/v2/", context=context)
        assert answer.challenge.startswith(f'Bearer realm="https://{server.address}/token"')


def test_a_pull_that_asks_many_times_is_one_use_in_the_trail(site: Site) -> None:
    issued = site.desk.issue("ci", "acme/**:pull")
    image = single_image("seed")
    image.push_to(site.server.registry, "acme/app", "1.0")
    token = ask(site.server.address, "/token?scope=repository:acme/app:pull", login=("ci", issued.credential)).json[
        "token"
    ]
    for _ in range(50):
        assert ask(site.server.address, "/v2/acme/app/manifests/1.0", bearer=token).status == 200
    used = site.desk.told("token-used")
    assert [(one["identity"], one["repository"], one["action"]) for one in used] == [("ci", "acme/app", "pull")]


def test_the_trail_with_tokens_in_it_is_whole(site: Site) -> None:
    issued = site.desk.issue("ci", "acme/**:push")
    trip(site.server.address, issued, "acme/app")
    site.revoke("ci")
    assert refused(site.server.address, issued, "acme/app") == "AB-REGISTRY-UNAUTHORIZED"
    events = [record["event"] for record in site.desk.events()]
    assert events[:4] == ["token-keys-made", "token-issued", "token-refreshed", "token-used"]
    assert {"token-revoked", "token-refused"} <= set(events)
    said = run("airgap-import", "audit", "verify", "--state", site.desk.path)
    assert said.status == 0, said.text


def test_no_credential_and_no_token_gets_into_the_trail_or_the_log(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "state", clock=real_clock)
    lines: list[str] = []
    with token_registry(desk, tmp_path / "registry", log=lines.append) as server:
        issued = desk.issue()
        token = ask(server.address, "/token?scope=repository:acme/app:pull", login=("ci", issued.credential)).json
        ask(server.address, "/v2/acme/app/tags/list", bearer=token["token"])
        ask(server.address, "/v2/acme/app/tags/list", bearer=token["token"] + "x")
        ask(server.address, "/token", login=("ci", issued.credential + "x"))
    everything = "\n".join(lines) + (desk.path / "audit.jsonl").read_text()
    for secret in (issued.credential, token["token"], token["token"].rpartition(".")[2]):
        assert secret not in everything
    stored = b"".join(path.read_bytes() for path in (desk.path / "tokens").rglob("*") if path.is_file())
    assert issued.credential.encode() not in stored


# Debian's registry


@dataclass
class Elsewhere:
    """Debian's registry, which has been given our certificates, and nothing else of ours."""

    address: str
    site: Site

    def token(self, issued: Issued, scope: str = "repository:acme/app:pull,push", service: str = ELSEWHERE) -> str:
        path = f"/token?service={service}&scope={scope}"
        answer = ask(self.site.server.address, path, login=(issued.identity.name, issued.credential))
        assert answer.status == 200, answer.body
        return str(answer.json["token"])

    def status(self, bearer: str, repository: str = "acme/app") -> int:
        """What it answers to a question about tags; 404 is that of a token that counts, for what is not there."""
        return ask(self.address, f"/v2/{repository}/tags/list", bearer=bearer).status


@contextlib.contextmanager
def elsewhere(site: Site, name: str = "docker") -> Iterator[Elsewhere]:
    """Debian's registry with the files that `token keys --for docker-registry` writes for it now."""
    folder = site.path / name
    said = run(
        *("airgap-import", "token", "keys", "--for", "docker-registry", "-o", folder / "files"),
        *("--realm", f"http://{site.server.address}/token", "--service", ELSEWHERE, "--state", site.desk.path),
    )
    assert said.status == 0, said.err
    configuration = (folder / "files" / "config.auth.yaml").read_text()
    configuration = configuration.replace("/etc/docker/registry", str(folder / "files"))
    with debian_registry(folder / "registry", configuration) as address:
        yield Elsewhere(address=address, site=site)


@pytest.fixture
def docker(site: Site) -> Iterator[Elsewhere]:
    with elsewhere(site) as registry:
        yield registry


@pytest.mark.tools("docker-registry")
def test_debians_registry_takes_our_tokens_for_what_they_allow(docker: Elsewhere) -> None:
    issued = docker.site.desk.issue("ci", "acme/**:push", services=(ELSEWHERE,))
    hosts = frozenset({docker.site.server.address})
    trip(docker.address, issued, "acme/app", token_hosts=hosts)
    assert refused(docker.address, issued, "other/app", token_hosts=hosts) == "AB-REGISTRY-UNAUTHORIZED"


@pytest.mark.tools("docker-registry", "skopeo")
def test_skopeo_gets_tokens_from_us_for_debians_registry(docker: Elsewhere, tmp_path: Path) -> None:
    issued = docker.site.desk.issue("ci", "acme/**:push", services=(ELSEWHERE,))
    image = single_image("seed")
    image.write_layout(tmp_path / "layout", "1.0")
    credential = f"ci:{issued.credential}"
    remote = f"docker://{docker.address}/acme/app:1.0"
    tool(
        *("skopeo", "copy", "--dest-tls-verify=false", "--dest-creds", credential),
        *(f"oci:{tmp_path}/layout:1.0", remote),
    )
    inspect = ("skopeo", "inspect", "--tls-verify=false", "--creds", credential, "--format", "{{.Digest}}", remote)
    assert tool(*inspect).strip() == image.digest


@pytest.mark.tools("docker-registry")
def test_debians_registry_refuses_what_is_not_for_it_or_not_ours(docker: Elsewhere) -> None:
    desk = docker.site.desk
    issued = desk.issue("ci", "acme/**:push", services=(ELSEWHERE, "airgap-registry"))
    good = docker.token(issued)
    assert docker.status(good) == 404
    now, identity = real_clock(), issued.identity
    ring = desk.office.keys.ready(now).ring
    claims = claims_for(identity, now, aud=ELSEWHERE)
    header = {"alg": "HS256", "kid": ring.current.kid, "typ": "JWT"}
    seconds = int(now.timestamp())
    pem, jwk = strangers_key()
    wrong = {
        "another audience": docker.token(issued, service="airgap-registry"),
        "another issuer": forge(desk, {**claims, "iss": "somebody"}),
        "another key": forge(desk, claims, key=pem),
        "a key brought along": forge(desk, claims, key=pem, jwk=jwk, kid=None),
        "no algorithm": forge(desk, claims, alg="none"),
        "a shared secret": hs256(ring.current.public_pem.encode(), header, claims),
        "expired, beyond its allowance": forge(desk, {**claims, "exp": seconds - 61}),
        "the future, beyond its allowance": forge(desk, {**claims, "nbf": seconds + 75}),
        "no signature": good.rpartition(".")[0] + ".",
        "other bits": good[:-2] + ("AA" if good[-2:] != "AA" else "BB"),
    }
    assert {what: docker.status(token) for what, token in wrong.items()} == dict.fromkeys(wrong, 401)
    assert docker.status(forge(desk, claims)) == 404  # the positive control
    assert docker.status(good, "other/app") == 401


@pytest.mark.tools("docker-registry")
def test_debians_registry_takes_a_revoked_identitys_token_until_it_expires_and_no_new_one(docker: Elsewhere) -> None:
    """What the guide says about registries that only check signatures."""
    issued = docker.site.desk.issue("ci", "acme/**:push", services=(ELSEWHERE,))
    token = docker.token(issued)
    docker.site.revoke("ci")
    assert docker.status(token) == 404
    path = f"/token?service={ELSEWHERE}&scope=repository:acme/app:pull"
    assert ask(docker.site.server.address, path, login=("ci", issued.credential)).status == 401


@pytest.mark.tools("docker-registry")
def test_a_rotation_does_not_interrupt_a_registry_that_has_the_files_of_before(docker: Elsewhere) -> None:
    desk = docker.site.desk
    issued = desk.issue("ci", "acme/**:push", services=(ELSEWHERE,))
    before = docker.token(issued)
    desk.office.keys.rotate(real_clock(), HOUR)
    after = docker.token(issued)
    assert before.partition(".")[0] != after.partition(".")[0]
    # The key that signs now was in the files as the next one.
    assert (docker.status(before), docker.status(after)) == (404, 404)
    desk.office.keys.rotate(real_clock(), HOUR)
    # Two rotations without new files: it has never heard of this key.
    assert docker.status(docker.token(issued)) == 401


@pytest.mark.tools("docker-registry")
def test_a_registry_with_new_files_refuses_a_retired_key(docker: Elsewhere) -> None:
    desk = docker.site.desk
    issued = desk.issue("ci", "acme/**:push", services=(ELSEWHERE,))
    old = docker.token(issued)
    desk.office.keys.rotate(real_clock(), dt.timedelta(0))
    with elsewhere(docker.site, "again") as renewed:
        assert renewed.status(old) == 401
        assert renewed.status(renewed.token(issued)) == 404


def test_others_can_verify_our_tokens_with_the_key_set(site: Site) -> None:
    """As registries of version 3 and other programs do: by the key set alone, with a library of their own choice."""
    now = real_clock()
    identity = site.desk.issue("ci", "acme/**:pull").identity
    token = site.desk.office.issuer.sign(identity, "airgap-registry", (), now).text
    ring = site.desk.office.keys.ready(now).ring
    key_set = jwt.PyJWKSet.from_json(as_key_set(ring, now).files["token-keys.jwks.json"].decode())
    key = key_set[jwt.get_unverified_header(token)["kid"]]
    assert jwt.decode(token, key, algorithms=["ES256"], audience="airgap-registry")["sub"] == "ci"


def test_what_is_exported_holds_no_private_key(site: Site) -> None:
    now = real_clock()
    ring = site.desk.office.keys.ready(now).ring
    export = for_docker_registry(ring, now, realm="https://tokens.internal/token", service=ELSEWHERE)
    everything = b"".join(export.files.values())
    assert b"PRIVATE" not in everything
    assert b'"d"' not in everything
