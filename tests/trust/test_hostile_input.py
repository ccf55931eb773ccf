"""Any bytes at all: every parser of this package answers with a value or with its own refusal, never otherwise."""

from __future__ import annotations

import contextlib

from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.handmade import HandmadeKey

from airgap_bundle.core.errors import DocumentError, InvalidValueError, TrustError
from airgap_bundle.trust import gpgv_status, key_bundle, packets
from airgap_bundle.trust.policy import parse_policy

SIGNER = HandmadeKey()
KEY = SIGNER.public_key
SIGNATURE = SIGNER.signature(b"data")


@st.composite
def changed(draw: st.DrawFn, original: bytes) -> bytes:
    """The original with some bytes replaced, cut or doubled."""
    data = bytearray(original)
    for _ in range(draw(st.integers(1, 4))):
        position = draw(st.integers(0, max(len(data) - 1, 0)))
        data[position : position + draw(st.integers(0, 4))] = draw(st.binary(max_size=6))
    return bytes(data)


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.binary(max_size=300), changed(KEY)))
@example(b"\x99")
@example(b"\xc6\xff\xff\xff\xff\xff")
def test_public_keys(data: bytes) -> None:
    with contextlib.suppress(InvalidValueError):
        key = packets.parse_public_key(data)
        assert packets.parse_public_key(key.armored.encode()) == key


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.binary(max_size=300), changed(SIGNATURE)))
def test_signatures(data: bytes) -> None:
    with contextlib.suppress(InvalidValueError):
        packets.check_single_signature(data)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(st.text(max_size=60), st.sampled_from(["NEWSIG", "GOODSIG a b", "VALIDSIG a", "ERRSIG 1"]))))
def test_status_lines(lines: list[str]) -> None:
    status = "".join(f"[GNUPG:] {line}\n" for line in lines)
    for exit_status in (0, 2):
        with contextlib.suppress(TrustError):
            gpgv_status.judge(status, exit_status, "x")


@settings(max_examples=200, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=200),
        changed(key_bundle.dump(spki_digest=bytes(32), hash_name="sha256", digest=bytes(32), signature=bytes(64))),
    )
)
def test_key_bundles(data: bytes) -> None:
    with contextlib.suppress(InvalidValueError):
        key_bundle.parse(data)


POLICY = b"""apiVersion: airgap-bundle/policy.v1
version: 1
roles: {release: {signers: [], threshold: 1}}
products: {"*": {require: [release], repositories: ["**"], maxAge: 4w}}
destinations: {"a:1": {tokenHosts: [b]}}
revoked: {keys: [{openpgp: 12}], bundles: []}
"""


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.binary(max_size=200), changed(POLICY)))
def test_policies(data: bytes) -> None:
    with contextlib.suppress(DocumentError):
        parse_policy(data, "policy.yaml")
