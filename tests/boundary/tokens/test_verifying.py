"""Which tokens count: none of those that books on attacking tokens describe, and of ours only those in their time."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.token_office import NOON, SERVICE, Desk, claims_for, encode, forge, hs256, sign_with, strangers_key

from airgap_bundle.boundary.tokens import key_store
from airgap_bundle.boundary.tokens.scopes import parse_request
from airgap_bundle.boundary.tokens.verifying import Reason, TokenRefusedError, Verified, allows

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from airgap_bundle.boundary.tokens.identities import Identity
    from airgap_bundle.boundary.tokens.issuing import SignedToken


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "state")


@pytest.fixture
def identity(desk: Desk) -> Identity:
    return desk.issue().identity


def verify(desk: Desk, text: str, service: str = SERVICE) -> Verified:
    return desk.office.verifier.verify(text, service=service, now=desk.clock())


def reason(desk: Desk, text: str, service: str = SERVICE) -> Reason:
    with pytest.raises(TokenRefusedError) as caught:
        verify(desk, text, service)
    return caught.value.reason


def sign(desk: Desk, identity: Identity, scope: str = "repository:acme/app:pull") -> SignedToken:
    return desk.office.issuer.sign(identity, SERVICE, parse_request([scope]), desk.clock())


def test_a_token_counts_for_what_it_says_and_for_nothing_else(desk: Desk, identity: Identity) -> None:
    verified = verify(desk, sign(desk, identity).text)
    assert verified.identity == identity
    found = {
        (repository, action): allows(verified, repository, action)
        for repository in ("acme/app", "acme/other", None)
        for action in ("pull", "push", "delete", "*")
    }
    assert [place for place, allowed in found.items() if allowed] == [("acme/app", "pull")]


def test_a_forged_token_of_the_right_make_would_count(desk: Desk, identity: Identity) -> None:
    """The positive control of everything below: what is made here is refused for what is wrong with it."""
    assert verify(desk, forge(desk, claims_for(identity, NOON))).claims.access[0].name == "acme/app"


# Headers: what a token says about how it wants to be believed


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE", "", None, "HS256", "RS256", "ES384", "EdDSA", 7])
def test_no_other_algorithm_is_taken(desk: Desk, identity: Identity, algorithm: object) -> None:
    assert reason(desk, forge(desk, claims_for(identity, NOON), alg=algorithm)) is Reason.FORM


def test_a_token_without_a_signature_is_none(desk: Desk, identity: Identity) -> None:
    header, claims, _ = forge(desk, claims_for(identity, NOON)).split(".")
    plain = encode({"alg": "none", "kid": "x", "typ": "JWT"})
    for text in (f"{plain}.{claims}.", f"{plain}.{claims}", f"{header}.{claims}.", f"{header}.{claims}"):
        assert reason(desk, text) is Reason.FORM


def test_the_public_key_is_no_shared_secret(desk: Desk, identity: Identity) -> None:
    """The confusion of RS256 or ES256 with HS256, with every text that the public key has."""
    key = desk.office.keys.ready(NOON).ring.current
    for secret in (key.public_pem, key.public_pem.strip(), key.certificate_pem, key.kid):
        for algorithm, expected in (("HS256", Reason.FORM), ("ES256", Reason.FORM)):
            header = {"alg": algorithm, "kid": key.kid, "typ": "JWT"}
            assert reason(desk, hs256(secret.encode(), header, claims_for(identity, NOON))) is expected


def test_a_key_that_a_token_brings_along_is_not_used(desk: Desk, identity: Identity) -> None:
    pem, jwk = strangers_key()
    claims = claims_for(identity, NOON)
    brought: tuple[dict[str, Any], ...] = (
        {"jwk": jwk},
        {"jwk": jwk, "kid": None},
        {"jku": "https://evil.example/keys.json"},
        {"x5u": "https://evil.example/key.pem"},
        {"x5c": ["MIIB"]},
        {"x5t": "x"},
        {"x5t#S256": "x"},
    )
    for header in brought:
        assert reason(desk, forge(desk, claims, key=pem, **header)) is Reason.FORM
        # Not even where the signature is good.
        assert reason(desk, forge(desk, claims, **header)) is Reason.FORM


@pytest.mark.parametrize(
    "header",
    [
        {"crit": ["exp"]},
        {"crit": []},
        {"b64": False, "crit": ["b64"]},
        {"zip": "DEF"},
        {"cty": "JWT"},
        {"typ": "at+jwt"},
        {"typ": None},
        {"typ": "jwt"},
        {"kid": None},
        {"kid": 7},
        {"kid": ["x"]},
        {"enc": "A128GCM"},
    ],
    ids=str,
)
def test_a_header_with_anything_else_in_it_is_refused(desk: Desk, identity: Identity, header: dict[str, Any]) -> None:
    assert reason(desk, forge(desk, claims_for(identity, NOON), **header)) is Reason.FORM


@pytest.mark.parametrize("kid", ["", "../../../../dev/null", "' OR 1=1 --", "/dev/null\0", "x" * 300, "ABCD", "\u202e"])
def test_a_key_of_another_name_is_not_looked_for_anywhere(desk: Desk, identity: Identity, kid: str) -> None:
    assert reason(desk, forge(desk, claims_for(identity, NOON), kid=kid)) is Reason.KEY


def test_the_name_of_one_key_does_not_vouch_for_another(desk: Desk, identity: Identity) -> None:
    ring = desk.office.keys.ready(NOON).ring
    claims = claims_for(identity, NOON)
    assert reason(desk, forge(desk, claims, key=ring.current.private_pem, kid=ring.next.kid)) is Reason.SIGNATURE
    assert reason(desk, forge(desk, claims, key=strangers_key()[0])) is Reason.SIGNATURE


@pytest.mark.parametrize(
    "header",
    [
        b'{"alg":"ES256","alg":"none","kid":"KID","typ":"JWT"}',
        b'{"alg":"none","alg":"ES256","kid":"KID","typ":"JWT"}',
        b'{"alg":"ES256","kid":"KID","kid":"x","typ":"JWT"}',
        b'\xef\xbb\xbf{"alg":"ES256","kid":"KID","typ":"JWT"}',
        b'{"alg":"ES256","kid":"KID","typ":"JWT"} {}',
        b'["ES256"]',
        b"null",
        b"",
        b"[" * 300,
        b"\xff\xfe",
    ],
)
def test_a_header_that_can_be_read_in_two_ways_is_refused(desk: Desk, identity: Identity, header: bytes) -> None:
    key = desk.office.keys.ready(NOON).ring.current
    signed = f"{encode(header.replace(b'KID', key.kid.encode()))}.{encode(claims_for(identity, NOON))}"
    assert reason(desk, f"{signed}.{encode(sign_with(key.private_pem, signed))}") is Reason.FORM


def test_text_that_is_no_token_is_refused(desk: Desk, identity: Identity) -> None:
    good = forge(desk, claims_for(identity, NOON))
    changes: tuple[str, ...] = (
        *("", ".", "..", "...", "a.b.c", f"{good}.", f".{good}", f"{good}=", f"{good}\n", f" {good}", f"{good} {good}"),
        *(good.replace(".", ".."), good + "A", good[:-1], good.replace("A", "+", 1), good + ".x.y", "\0", "é" * 10),
    )
    for text in changes:
        assert reason(desk, text) is Reason.FORM


def test_a_huge_token_is_refused_before_it_is_read(desk: Desk, identity: Identity) -> None:
    good = forge(desk, claims_for(identity, NOON))
    header, claims, signature = good.split(".")
    for text in (f"{header}.{claims}{'A' * 10_000_000}.{signature}", f"{'A' * 100_000}.{claims}.{signature}"):
        assert reason(desk, text) is Reason.FORM


def test_every_flipped_bit_of_a_token_is_noticed(desk: Desk, identity: Identity) -> None:
    good = forge(desk, claims_for(identity, NOON))
    expected = {Reason.FORM, Reason.KEY, Reason.SIGNATURE}
    for place in range(0, len(good), 7):
        changed = chr(ord(good[place]) ^ 1)
        assert reason(desk, good[:place] + changed + good[place + 1 :]) in expected


def test_the_spare_bits_at_the_end_of_a_signature_make_no_second_spelling(desk: Desk, identity: Identity) -> None:
    good = forge(desk, claims_for(identity, NOON))
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    last = alphabet.index(good[-1])
    for spare in range(1, 16):
        twin = good[:-1] + alphabet[(last & 0x30) | spare]
        if twin != good:
            assert reason(desk, twin) is Reason.SIGNATURE


# Claims: signed by us, and still not good


@pytest.mark.parametrize(
    "changes",
    [
        *({name: None} for name in ("iss", "sub", "aud", "exp", "nbf", "iat", "jti", "access")),
        {"admin": True},
        {"exp": "9999999999"},
        {"exp": 1e12},
        {"exp": -1},
        {"exp": True},
        {"nbf": None, "exp": None},
        {"aud": [SERVICE]},
        {"aud": [SERVICE, "other"]},
        {"sub": 7},
        {"jti": ""},
        {"access": {}},
        {"access": [[]]},
        {"access": [{"type": "repository", "name": "acme/app", "actions": "pull"}]},
        {"access": [{"type": "repository", "name": "acme/app", "actions": ["pull"], "class": "x"}]},
        {"access": [{"type": "repository", "name": "acme/app", "actions": ["pull"] * 9}]},
        {"access": [{"type": "repository", "name": f"a{n}", "actions": ["pull"]} for n in range(33)]},
    ],
    ids=str,
)
def test_claims_of_another_shape_are_refused(desk: Desk, identity: Identity, changes: dict[str, Any]) -> None:
    assert reason(desk, forge(desk, claims_for(identity, NOON, **changes))) is Reason.CLAIMS


def test_a_claim_that_stands_twice_is_refused(desk: Desk, identity: Identity) -> None:
    raw = json.dumps(claims_for(identity, NOON))
    for twice in ('"exp": 9999999999, ', '"sub": "root", ', '"access": [], '):
        assert reason(desk, forge(desk, f"{{{twice}{raw[1:]}".encode())) is Reason.CLAIMS


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"iss": "somebody"}, Reason.ISSUER),
        ({"iss": ""}, Reason.ISSUER),
        ({"aud": "other-registry"}, Reason.AUDIENCE),
        ({"aud": ""}, Reason.AUDIENCE),
        ({"aud": SERVICE.upper()}, Reason.AUDIENCE),
        ({"sub": "nobody"}, Reason.IDENTITY),
        ({"sub": "../identities/ci"}, Reason.IDENTITY),
        ({"sub": ""}, Reason.IDENTITY),
        ({"dev.airgap-bundle.identity": "0" * 32}, Reason.REPLACED),
    ],
    ids=str,
)
def test_a_token_of_another_place_or_person_is_refused(
    desk: Desk, identity: Identity, changes: dict[str, Any], expected: Reason
) -> None:
    assert reason(desk, forge(desk, claims_for(identity, NOON, **changes))) is expected


def test_a_token_for_this_service_is_none_for_another(desk: Desk, identity: Identity) -> None:
    assert reason(desk, sign(desk, identity).text, "other-registry") is Reason.AUDIENCE


# Time


def test_a_token_counts_until_the_second_before_its_end_and_not_at_it(desk: Desk, identity: Identity) -> None:
    token = sign(desk, identity)
    desk.clock.moment = token.claims.ends - dt.timedelta(microseconds=1)
    assert verify(desk, token.text).claims == token.claims
    desk.clock.moment = token.claims.ends
    assert reason(desk, token.text) is Reason.EXPIRED
    desk.clock.passes("1s")
    assert reason(desk, token.text) is Reason.EXPIRED


def test_a_token_from_the_future_does_not_count_yet(desk: Desk, identity: Identity) -> None:
    seconds = int(NOON.timestamp())
    assert reason(desk, forge(desk, claims_for(identity, NOON, nbf=seconds + 1))) is Reason.FUTURE
    assert verify(desk, forge(desk, claims_for(identity, NOON, nbf=seconds)))


def test_a_clock_that_is_set_back_a_little_does_no_harm(desk: Desk, identity: Identity) -> None:
    token = sign(desk, identity)
    desk.clock.moment = NOON - dt.timedelta(seconds=10)
    assert verify(desk, token.text)
    desk.clock.moment = NOON - dt.timedelta(seconds=11)
    assert reason(desk, token.text) is Reason.FUTURE


# Keys


def test_after_a_rotation_old_tokens_are_good_until_the_overlap_ends(desk: Desk, identity: Identity) -> None:
    old = forge(desk, claims_for(identity, NOON, exp=int(NOON.timestamp()) + 10_000))
    desk.office.keys.rotate(NOON, dt.timedelta(hours=1))
    new = sign(desk, identity)
    assert verify(desk, old)
    assert verify(desk, new.text)
    desk.clock.passes("3599s")
    assert verify(desk, old)
    desk.clock.passes("1s")
    assert reason(desk, old) is Reason.RETIRED
    assert verify(desk, sign(desk, identity).text)


def test_a_rotation_without_overlap_retires_the_key_at_once(desk: Desk, identity: Identity) -> None:
    token = sign(desk, identity).text
    desk.office.keys.rotate(NOON, dt.timedelta(0))
    assert reason(desk, token) is Reason.RETIRED


def test_keys_that_were_compromised_sign_for_nobody_not_even_the_next(desk: Desk, identity: Identity) -> None:
    ring = desk.office.keys.ready(NOON).ring
    desk.office.keys.rotate(NOON, dt.timedelta(hours=1))
    tokens = [
        forge(desk, claims_for(identity, NOON), key=key.private_pem, kid=key.kid) for key in (ring.current, ring.next)
    ]
    assert [bool(verify(desk, token)) for token in tokens] == [True, True]
    desk.office.keys.replace(NOON)
    assert [reason(desk, token) for token in tokens] == [Reason.RETIRED, Reason.RETIRED]
    assert verify(desk, sign(desk, identity).text)


# Identities


def test_a_revocation_stops_a_token_that_has_not_expired(desk: Desk, identity: Identity) -> None:
    token = sign(desk, identity).text
    desk.office.issuer.revoke(identity.name, "left the company", NOON)
    assert reason(desk, token) is Reason.REVOKED


def test_an_identity_that_ends_takes_its_tokens_with_it(desk: Desk) -> None:
    identity = desk.issue("short", until=NOON + dt.timedelta(minutes=2)).identity
    token = sign(desk, identity)
    assert token.claims.life_seconds == 120
    longer = forge(desk, claims_for(identity, NOON))
    desk.clock.passes("2m")
    assert reason(desk, token.text) is Reason.EXPIRED
    assert reason(desk, longer) is Reason.ENDED


@pytest.mark.parametrize("how", ["renewed", "revoked and issued again"])
def test_whoever_is_issued_under_an_old_name_does_not_inherit_its_tokens(
    desk: Desk, identity: Identity, how: str
) -> None:
    token = sign(desk, identity).text
    issuer = desk.office.issuer
    if how == "renewed":
        issuer.renew(desk.wish(), NOON)
    else:
        issuer.revoke("ci", "", NOON)
        desk.issue()
    assert reason(desk, token) is Reason.REPLACED


def test_scopes_that_were_taken_away_do_not_count_although_the_token_says_so(
    desk: Desk, identity: Identity, tamper: Callable[[str, str, str], None]
) -> None:
    token = sign(desk, identity).text
    assert allows(verify(desk, token), "acme/app", "pull")
    tamper(identity.name, "acme/**", "other/**")
    assert not allows(verify(desk, token), "acme/app", "pull")


@pytest.fixture
def tamper(desk: Desk) -> Callable[[str, str, str], None]:
    def change(name: str, old: str, new: str) -> None:
        path = desk.path / "tokens" / "identities" / f"{name}.json"
        path.write_text(path.read_text().replace(old, new))

    return change


# Whatever comes


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> tuple[Desk, str]:
    desk = Desk(tmp_path_factory.mktemp("known") / "state")
    return desk, sign(desk, desk.issue().identity).text


@given(st.data())
def test_no_text_does_anything_but_count_or_be_refused(known: tuple[Desk, str], data: st.DataObject) -> None:
    desk, good = known
    parts = [data.draw(st.sampled_from([part, "", "e30", "bnVsbA", part[::-1]])) for part in good.split(".")]
    text = data.draw(st.sampled_from([".".join(parts), good])) if data.draw(st.booleans()) else data.draw(st.text())
    if text != good:
        assert isinstance(reason(desk, text), Reason)


# What is remembered


def test_a_token_that_was_taken_before_is_judged_anew_each_time(desk: Desk, identity: Identity) -> None:
    """Only that its signature held is remembered: keys retire, tokens expire, identities are revoked."""
    token = sign(desk, identity)
    for _ in range(2):
        assert verify(desk, token.text)
    assert reason(desk, token.text, "other-registry") is Reason.AUDIENCE
    desk.clock.moment = token.claims.ends
    assert reason(desk, token.text) is Reason.EXPIRED
    desk.clock.moment = NOON
    desk.office.keys.rotate(NOON, dt.timedelta(minutes=1))
    assert verify(desk, token.text)
    desk.clock.passes("1m")
    assert reason(desk, token.text) is Reason.RETIRED
    desk.clock.moment = NOON
    desk.office.issuer.revoke("ci", "", NOON)
    assert reason(desk, token.text) is Reason.REVOKED


def test_tokens_that_are_remembered_take_bounded_room(
    desk: Desk, identity: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_store, "_MAX_PROVEN", 3)
    tokens = [sign(desk, identity).text for _ in range(8)]
    assert [bool(verify(desk, text)) for text in tokens] == [True] * 8
    assert len(desk.office.keys.ready(NOON).proven) <= 3
    forged = tokens[0][:-10] + "A" * 10
    reason(desk, forged)
    assert forged not in desk.office.keys.ready(NOON).proven
