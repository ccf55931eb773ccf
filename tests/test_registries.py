"""Every registry can take part: whole trips to and from registries as sites have them, with real servers.

What a single request does is tested in tests/registry; here a person types commands.
"""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING

import pytest
from support.certificates import authority
from support.gate import gate_before
from support.images import corpus, cosign_signature, multi_arch_image, referrer, single_image
from support.nginx import nginx_before
from support.registries import debian_registry
from support.tokens import IDENTITY_TOKEN, with_tokens
from support.trip import Trip, client, make_trip, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.content import ImageContent

    from airgap_bundle.registry.abilities import Registry

pytestmark = pytest.mark.tools("nginx", "docker-registry")

# bcrypt of "alice" with "correct horse", four rounds.
PASSWORDS = "alice:$2b$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e\n"
AUTH = "YWxpY2U6Y29ycmVjdCBob3JzZQ=="
REFUSE_OUTSIDE_INFRA = """
    location ~ ^/v2/(?!infra/).+/blobs/uploads/ {
      return 403 '{"errors":[{"code":"DENIED","message":"no such project"}]}';
    }
"""


@pytest.fixture
def trip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trip]:
    with make_trip(tmp_path, monkeypatch) as made:
        yield made


@pytest.fixture
def debian(tmp_path: Path) -> Iterator[str]:
    """Debian's registry, as the one inside."""
    with debian_registry(tmp_path / "debian") as address:
        yield address


def three_images(trip: Trip) -> dict[tuple[str, str], ImageContent]:
    """Three images in three repositories that share a layer, named by the manifest."""
    contents = {(f"team-{letter}/app", "1.0"): single_image(letter, base="shared") for letter in "abc"}
    trip.manifest_of_images(*trip.put(contents))
    return contents


def below(trip: Trip, repository: str) -> str:
    return f"{trip.source.address.replace(':', '_')}/{repository}"


def assert_there(registry: Registry, repository: str, content: ImageContent, tag: str = "1.0") -> None:
    assert registry.get_manifest(repository, tag) == content.root
    for digest, data in content.blobs.items():
        assert registry.has_blob(repository, digest, len(data))


def unfinished_uploads(path: Path) -> list[Path]:
    """Begun uploads that Debian's registry keeps. (Of a cancelled one it keeps an empty hash, without a start.)"""
    return list((path / "debian").rglob("_uploads/*/startedat"))


def tags_in(registry: Registry, *repositories: str) -> list[str]:
    return [tag for name in repositories for tag in registry.list_tags(name)]


def write_login(path: Path, address: str, entry: dict[str, str]) -> Path:
    file = path / "auth.json"
    file.write_text(json.dumps({"auths": {address: entry}}))
    return file


# TLS and certificates


def test_a_private_authority_and_client_certificates_at_both_ends(trip: Trip, debian: str) -> None:
    trusted = authority(trip.path / "authority")
    certificate, key = trusted.issue("client")
    image = single_image("app")
    trip.put({("acme/app", "1.0"): image})
    known = ("--ca-file", trusted.ca_file)
    ours = (*known, "--cert-file", certificate, "--key-file", key)
    with (
        nginx_before(
            trip.source.address, trip.path / "out", tls=trusted.issue("outer"), client_authority=trusted.ca_file
        ) as outer,
        nginx_before(debian, trip.path / "in", tls=trusted.issue("inner"), client_authority=trusted.ca_file) as inner,
    ):
        trip.manifest_of_images(f"{outer.address}/acme/app:1.0")
        without = trip.lock(*known, "--format", "json")
        assert without.status == 5
        assert trip.lock(*ours).status == 0
        bundle = trip.build("acme.tar", *ours)
        assert trip.push(bundle, f"{inner.address}/mirror", *known).status == 5
        trip.pushed(bundle, f"{inner.address}/mirror", *ours)
        repository = f"mirror/{outer.address.replace(':', '_')}/acme/app"
    with client(debian) as registry:
        assert_there(registry, repository, image)


# Redirects


def test_blobs_behind_a_redirect_come_from_the_other_host_without_the_login(trip: Trip) -> None:
    image = multi_arch_image("app")
    (trip.path / "passwords").write_text("alice:{PLAIN}correct horse\n")
    with nginx_before(trip.source.address, trip.path / "store", host="127.0.0.2") as store:
        rules = f"""
            auth_basic "registry";
            auth_basic_user_file {trip.path / "passwords"};
            location ~ /blobs/sha256: {{ return 307 http://{store.address}$request_uri; }}
        """
        with nginx_before(trip.source.address, trip.path / "front", rules=rules) as front:
            trip.put({("acme/app", "1.0"): image})
            trip.manifest_of_images(f"{front.address}/acme/app:1.0")
            bundle = trip.build("acme.tar", "--authfile", write_login(trip.path, front.address, {"auth": AUTH}))
            trip.pushed(bundle)
            repository = f"mirror/{front.address.replace(':', '_')}/acme/app"
        assert_there(trip.inner.registry, repository, image)
        assert store.count("GET", "/blobs/") == len(image.blobs)
        assert {login for *_, login in store.asked} == {"-"}
        assert {login for *_, login in front.asked} <= {"-", f"Basic {AUTH}"}


def test_a_destination_that_sends_readers_elsewhere_is_told_to_serve_its_content_itself(
    trip: Trip, debian: str
) -> None:
    """Nobody but the destination is asked inside, so what an earlier import left there could not be read."""
    three_images(trip)
    bundle = trip.build()
    trip.pushed(bundle, f"{debian}/mirror")
    with nginx_before(debian, trip.path / "store", host="127.0.0.2") as store:
        rules = f"location ~ /blobs/sha256: {{ return 307 http://{store.address}$request_uri; }}"
        with nginx_before(debian, trip.path / "front", rules=rules) as front:
            said = trip.push(bundle, f"{front.address}/mirror", "--format", "json")
        assert store.asked == []
    assert (said.status, said.json["error"]["code"]) == (5, "AB-NETWORK-REDIRECT"), said.err
    assert "redirect.disable" in said.json["error"]["hint"]


@pytest.mark.parametrize("target", ["/moved$request_uri", "$scheme://$http_host/moved$request_uri"])
def test_uploads_that_are_redirected_on_the_registry_itself_arrive(trip: Trip, debian: str, target: str) -> None:
    contents = three_images(trip)
    rules = f"""
        location ~ ^/v2/.+/(blobs/uploads/|manifests/) {{
          if ($request_method ~ ^(POST|PUT|PATCH)$) {{ return 307 {target}; }}
          proxy_pass http://@BACKEND@;
        }}
        location /moved/ {{ rewrite ^/moved(/.*)$ $1 break; proxy_pass http://@BACKEND@; }}
    """
    with nginx_before(debian, trip.path / "front", rules=rules) as front:
        trip.pushed(trip.build(), f"{front.address}/mirror")
        assert front.count("PUT", "/moved/") > 0
    with client(debian) as registry:
        for (repository, tag), content in contents.items():
            assert_there(registry, f"mirror/{below(trip, repository)}", content, tag)


@pytest.mark.parametrize(("method", "code"), [("POST", "AB-NETWORK-REDIRECT"), ("PUT", "AB-REGISTRY-LOCATION")])
def test_an_upload_to_another_host_is_refused_and_nothing_is_tagged(
    trip: Trip, debian: str, method: str, code: str
) -> None:
    three_images(trip)
    with nginx_before(debian, trip.path / "other", host="127.0.0.2") as other:
        rules = f"""
            location ~ ^/v2/.+/blobs/uploads/ {{
              if ($request_method = {method}) {{ return 307 http://{other.address}$request_uri; }}
              proxy_pass http://@BACKEND@;
            }}
        """
        with nginx_before(debian, trip.path / "front", rules=rules) as front:
            said = trip.push(trip.build(), f"{front.address}/mirror", "--format", "json")
        assert (said.status, said.json["error"]["code"]) == (5, code), said.err
        assert other.asked == []
    with client(debian) as registry:
        assert tags_in(registry, *(f"mirror/{below(trip, f'team-{letter}/app')}" for letter in "abc")) == []


# Limits and lacks


def test_a_proxy_that_takes_one_mebibyte_at_once_gets_small_pieces(trip: Trip, debian: str) -> None:
    image = single_image("large", size=3_000_000)
    trip.manifest_of_images(*trip.put({("acme/app", "1.0"): image}))
    with nginx_before(debian, trip.path / "front", body="1m") as front:
        trip.pushed(trip.build(), f"{front.address}/mirror")
        assert front.count("PATCH") > 0
    with client(debian) as registry:
        assert_there(registry, f"mirror/{below(trip, 'acme/app')}", image)


def test_a_registry_that_cannot_mount_gets_everything_uploaded(trip: Trip, debian: str) -> None:
    contents = three_images(trip)
    rules = "location ~ ^/v2/.+/blobs/uploads/$ { proxy_pass http://@BACKEND@$uri; }"
    with nginx_before(debian, trip.path / "front", rules=rules) as front:
        trip.pushed(trip.build(), f"{front.address}/mirror")
    with client(debian) as registry:
        for (repository, tag), content in contents.items():
            assert_there(registry, f"mirror/{below(trip, repository)}", content, tag)


def test_all_of_it_goes_through_a_plain_proxy_to_a_registry_without_referrers(trip: Trip, debian: str) -> None:
    corpus().push_to(trip.source.registry)
    image = single_image("rich")
    trip.manifest_of_images(
        *trip.put({("acme/rich", "1.0"): image.with_referrers(referrer(image.root))}),
        f"{trip.source.address}/library/web:1.0",
    )
    with nginx_before(debian, trip.path / "front") as front:
        trip.pushed(trip.build(), f"{front.address}/mirror")
    with client(debian) as registry:
        assert len(registry.list_referrers(f"mirror/{below(trip, 'acme/rich')}", image.digest)) == 1


def test_where_tags_may_not_move_the_same_import_works_again_and_another_moves_nothing(trip: Trip) -> None:
    one = three_images(trip)
    with gate_before(trip.inner.address) as gate:
        taken: set[str] = set()

        def rule(method: str, target: str) -> int | None:
            is_tag = "/manifests/" in target and "sha256:" not in target
            if method == "PUT" and is_tag:
                if target in taken:
                    return 412
                taken.add(target)
            return None

        gate.rule = rule
        first = trip.build("first.tar")
        trip.pushed(first, f"{gate.address}/mirror")
        trip.pushed(first, f"{gate.address}/mirror")
        for letter in "abc":
            single_image(f"{letter} anew").push_to(trip.source.registry, f"team-{letter}/app", "1.0")
        assert trip.lock("--update-all").status == 0
        said = trip.push(trip.build("second.tar"), f"{gate.address}/mirror", "--format", "json")
    assert (said.status, said.json["error"]["code"]) == (5, "AB-REGISTRY-IMMUTABLE-TAG"), said.err
    for (repository, tag), content in one.items():
        assert trip.inside(repository, tag) == content.digest


def test_a_read_only_registry_says_so_before_anything_is_sent(trip: Trip) -> None:
    three_images(trip)
    with (
        debian_registry(trip.path / "debian", storage=", maintenance: {readonly: {enabled: true}}") as address,
        gate_before(address) as gate,
    ):
        said = trip.push(trip.build(), f"{gate.address}/mirror", "--format", "json")
        assert gate.count("PUT") == gate.count("PATCH") == 0
    assert (said.status, said.json["error"]["code"]) == (5, "AB-REGISTRY-UNSUPPORTED"), said.err


# Projects, depth and rights: asked beforehand


def test_projects_that_do_not_exist_are_all_named_before_anything_is_sent(trip: Trip, debian: str) -> None:
    three_images(trip)
    bundle = trip.build()
    with nginx_before(debian, trip.path / "front", rules=REFUSE_OUTSIDE_INFRA) as front:
        said = trip.push(bundle, front.address, "--format", "json")
        assert (said.status, said.json["error"]["code"]) == (5, "AB-REGISTRY-REPOSITORIES"), said.err
        for letter in "abc":
            assert below(trip, f"team-{letter}/app") in said.json["error"]["message"]
        assert "airgap-receipts/acme" in said.json["error"]["message"]
        assert "no such project" in said.json["error"]["message"]
        assert "--map" in said.json["error"]["hint"]
        assert front.count("PUT") == front.count("PATCH") == 0
    assert unfinished_uploads(trip.path) == []
    status = run("airgap-import", "status", "--state", trip.state, "--format", "json")
    assert status.json["unfinished"] == []


def test_those_that_exist_are_left_as_they_were_where_one_is_missing(trip: Trip, debian: str) -> None:
    three_images(trip)
    bundle = trip.build()
    host = trip.source.address.replace(":", "_")
    with nginx_before(debian, trip.path / "front", rules=REFUSE_OUTSIDE_INFRA) as front:
        said = trip.push(bundle, front.address, "--map", f"{host}/team-a/**=infra/**", "--format", "json")
        assert said.status == 5
        assert "infra/app" not in said.json["error"]["message"]
    assert unfinished_uploads(trip.path) == []
    with client(debian) as registry:
        assert tags_in(registry, "infra/app") == []


def test_a_map_sends_everything_into_the_project_that_exists(trip: Trip, debian: str) -> None:
    contents = three_images(trip)
    bundle = trip.build()
    with nginx_before(debian, trip.path / "front", rules=REFUSE_OUTSIDE_INFRA) as front:
        host = trip.source.address.replace(":", "_")
        trip.pushed(bundle, f"{front.address}/infra", "--map", f"{host}/**=outside/**")
    with client(debian) as registry:
        for (repository, tag), content in contents.items():
            assert_there(registry, f"infra/outside/{repository}", content, tag)
    assert unfinished_uploads(trip.path) == []


def test_repositories_that_may_not_even_be_read_are_all_named(trip: Trip, debian: str) -> None:
    three_images(trip)
    rules = """
        location ~ ^/v2/.+/team-.+/ {
          return 403 '{"errors":[{"code":"DENIED","message":"no such project"}]}';
        }
    """
    with nginx_before(debian, trip.path / "front", rules=rules) as front:
        said = trip.push(trip.build(), f"{front.address}/mirror", "--format", "json")
    assert (said.status, said.json["error"]["code"]) == (5, "AB-REGISTRY-REPOSITORIES"), said.err
    assert all(f"team-{letter}/app" in said.json["error"]["message"] for letter in "abc")


def test_where_nobody_may_push_anything_the_hint_is_about_the_login(trip: Trip, debian: str) -> None:
    three_images(trip)
    rules = """
        location ~ /blobs/uploads/ {
          return 401 '{"errors":[{"code":"UNAUTHORIZED","message":"project mirror not found"}]}';
        }
    """
    with nginx_before(debian, trip.path / "front", rules=rules) as front:
        said = trip.push(trip.build(), f"{front.address}/mirror", "--format", "json")
    error = said.json["error"]
    assert (said.status, error["code"]) == (5, "AB-REGISTRY-UNAUTHORIZED"), said.err
    assert all(f"team-{letter}/app" in error["message"] for letter in "abc")
    assert "project mirror not found" in error["message"]
    assert "docker login" in error["hint"]


def test_names_with_too_many_parts_are_named_and_a_map_shortens_them(trip: Trip, debian: str) -> None:
    contents = three_images(trip)
    bundle = trip.build()
    rules = """
        location ~ ^/v2/[^/]+/[^/]+/[^/]+/.+/blobs/uploads/ {
          return 400 '{"errors":[{"code":"NAME_INVALID","message":"at most three parts"}]}';
        }
    """
    with nginx_before(debian, trip.path / "front", rules=rules) as front:
        said = trip.push(bundle, f"{front.address}/mirror", "--format", "json")
        assert (said.status, said.json["error"]["code"]) == (5, "AB-REGISTRY-REPOSITORIES"), said.err
        assert "at most three parts" in said.json["error"]["message"]
        assert "3 of 4" in said.json["error"]["message"]
        host = trip.source.address.replace(":", "_")
        trip.pushed(bundle, f"{front.address}/mirror", "--map", f"{host}/**=**")
    with client(debian) as registry:
        for (repository, tag), content in contents.items():
            assert_there(registry, f"mirror/{repository}", content, tag)


def test_asking_beforehand_leaves_no_unfinished_uploads_behind(trip: Trip, debian: str) -> None:
    three_images(trip)
    bundle = trip.build()
    with gate_before(debian) as gate:
        trip.pushed(bundle, f"{gate.address}/mirror")
        assert unfinished_uploads(trip.path) == []
        gate.asked.clear()
        trip.pushed(bundle, f"{gate.address}/mirror")
        assert gate.uploads() == 0


def test_images_of_a_registry_that_takes_the_fallback_tag_for_the_digest_itself_arrive_whole(
    trip: Trip, debian: str
) -> None:
    """GitLab's registry does."""
    index, one = multi_arch_image("app"), single_image("one")
    tag, signature = cosign_signature(index.root)
    rules = "rewrite ^(/v2/.*/manifests/sha256)-([0-9a-f]+)$ $1:$2;"
    with client(debian) as registry:
        index.push_to(registry, "acme/app", "1.0")
        one.push_to(registry, "acme/one", "1.0")
        signature.push_to(registry, "acme/app", tag)
    with nginx_before(debian, trip.path / "front", rules=rules) as front:
        trip.manifest_of_images(f"{front.address}/acme/app:1.0", f"{front.address}/acme/one:1.0")
        assert trip.lock().status == 0
        trip.pushed(trip.build())
        below_host = f"mirror/{front.address.replace(':', '_')}"
    assert_there(trip.inner.registry, f"{below_host}/acme/app", index)
    assert_there(trip.inner.registry, f"{below_host}/acme/one", one)
    found = trip.inner.registry.get_manifest(f"{below_host}/acme/app", tag)
    assert found == signature.root


# Logins


@pytest.mark.parametrize("how", ["auth", "helper"])
def test_a_login_from_an_auth_file_or_a_credential_helper(
    trip: Trip, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    contents = three_images(trip)
    bundle = trip.build()
    (trip.path / "passwords").write_text(PASSWORDS)
    more = f"auth: {{htpasswd: {{realm: test, path: {trip.path / 'passwords'}}}}}\n"
    with debian_registry(trip.path / "debian", more) as address:
        said = trip.push(bundle, f"{address}/mirror", "--format", "json")
        assert (said.status, said.json["error"]["code"]) == (5, "AB-REGISTRY-UNAUTHORIZED"), said.err
        file = write_login(trip.path, address, {"auth": AUTH})
        if how == "helper":
            script = trip.path / "docker-credential-vault"
            script.write_text('#!/bin/sh\nread host\necho \'{"Username": "alice", "Secret": "correct horse"}\'\n')
            script.chmod(0o755)
            monkeypatch.setenv("PATH", f"{trip.path}:/usr/bin:/bin")
            file.write_text(json.dumps({"credHelpers": {address: "vault"}}))
        options = ("--authfile", file)
        trip.pushed(bundle, f"{address}/mirror", *options)
        assert "correct horse" not in trip.push(bundle, f"{address}/mirror", *options, "--verbose").text
        trip.manifest_of_images(f"{address}/mirror/{below(trip, 'team-a/app')}:1.0", version="2.0.0")
        assert trip.lock(*options).status == 0
        again = trip.build("again.tar", *options)
    trip.pushed(again)
    host = address.replace(":", "_")
    assert_there(
        trip.inner.registry,
        f"mirror/{host}/mirror/{below(trip, 'team-a/app')}",
        contents["team-a/app", "1.0"],
    )


def test_an_identity_token_goes_to_the_token_host_that_was_named_and_to_no_other(trip: Trip) -> None:
    image = single_image("app")

    @contextlib.contextmanager
    def elsewhere(address: str) -> Iterator[str]:
        with nginx_before(address, trip.path / "tokens", host="127.0.0.2") as front:
            yield front.address

    with with_tokens(trip.path / "registry", 300, elsewhere) as (address, token_host, tokens):
        trip.manifest_of_images(f"{address}/acme/app:1.0")
        file = write_login(trip.path, address, {"auth": "", "identitytoken": IDENTITY_TOKEN})
        # Inside: the policy names the token host, or nobody is asked.
        (source,) = trip.put({("acme/app", "1.0"): image})
        trip.manifest_of_images(source)
        bundle = trip.build()
        refused = trip.push(bundle, f"{address}/mirror", "--authfile", file, "--format", "json")
        assert (refused.status, refused.json["error"]["code"]) == (5, "AB-REGISTRY-REALM"), refused.err
        assert tokens.scopes == []
        policy = trip.policy.read_text()
        trip.policy.write_text(f'{policy}destinations: {{"{address}": {{tokenHosts: ["{token_host}"]}}}}\n')
        trip.pushed(bundle, f"{address}/mirror", "--authfile", file)
        # Outside: the token host is a stranger until it is named.
        inside = f"mirror/{below(trip, 'acme/app')}"
        trip.manifest_of_images(f"{address}/{inside}:1.0", version="2.0.0")
        count = len(tokens.scopes)
        refused = trip.lock("--authfile", file, "--format", "json")
        assert refused.status == 5
        assert f"--token-host {token_host}" in refused.json["error"]["hint"]
        assert len(tokens.scopes) == count
        assert trip.lock("--authfile", file, "--token-host", token_host).status == 0
        trip.build("again.tar", "--authfile", file, "--token-host", token_host)


# What is said, and under which name


def test_what_a_registry_warns_of_is_said_once(trip: Trip, debian: str) -> None:
    three_images(trip)
    rules = """add_header Warning '299 - "this registry moves on Monday"' always;"""
    with nginx_before(debian, trip.path / "front", rules=rules) as front:
        said = trip.push(trip.build(), f"{front.address}/mirror")
    assert said.status == 0, said.err
    assert said.text.count("this registry moves on Monday") == 1


def test_a_mirror_is_asked_and_names_stay_as_they_are(trip: Trip) -> None:
    image = single_image("app")
    trip.put({("hub/library/app", "1.0"): image})
    trip.manifest_of_images("docker.io/library/app:1.0")
    mirror = ("--mirror", f"docker.io={trip.source.address}/hub")
    assert trip.lock(*mirror).status == 0
    assert trip.source.address not in (trip.path / "acme.lock.yaml").read_text()
    bundle = trip.build("acme.tar", *mirror)
    inspected = run("airgap-export", "inspect", bundle, "--format", "json")
    assert trip.source.address not in inspected.out
    trip.pushed(bundle)
    assert_there(trip.inner.registry, "mirror/docker.io/library/app", image)
