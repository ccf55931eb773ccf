"""The published schema agrees with the reader."""

from __future__ import annotations

import json
from importlib import resources
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
import yaml

from airgap_bundle.core.errors import DocumentError
from airgap_bundle.trust.openpgp import read_public_key
from airgap_bundle.trust.policy import parse_policy
from airgap_bundle.trust.policy_files import initial_policy

if TYPE_CHECKING:
    from support.keys import GnuPgHome

HEAD = "apiVersion: airgap-bundle/policy.v1\nversion: 1\n"
PIN = f"trustedRoot: {{file: root.json, sha256: {'ab' * 32}}}"
KEYLESS = f"signers: {{ci: {{keyless: {{identity: a, issuer: b, {PIN}}}, until: '2030-01-01'}}}}\n"
ROLE = "roles: {release: {signers: [ci], threshold: 1}}\n"
PRODUCT = "products: {'*': {require: [release], repositories: ['**'], maxAge: 4w, overrides: [release]}}\n"


@pytest.fixture(scope="module")
def validator() -> Any:
    schema = json.loads(resources.files("airgap_bundle.trust").joinpath("policy.v1.schema.json").read_bytes())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize(
    "text",
    [
        HEAD,
        HEAD + KEYLESS + ROLE + PRODUCT + "audience: site-a\n",
        HEAD + KEYLESS.replace("identity: a", "identityPattern: ^a$"),
        HEAD + "destinations: {'registry.internal:5000': {tokenHosts: [auth.internal]}}\n",
        HEAD + f"revoked: {{keys: [{{openpgp: {'a' * 40}}}], bundles: ['sha256:{'ab' * 32}']}}\n",
        HEAD + "revoked: {keys: [{keyless: {identity: a, issuer: b}, since: '2026-01-01'}]}\n",
    ],
)
def test_what_the_reader_takes_the_schema_takes(validator: Any, text: str) -> None:
    assert parse_policy(text.encode(), "policy.yaml")
    validator.validate(yaml.safe_load(text))


def test_the_schema_takes_the_first_policy(validator: Any, home: GnuPgHome, alice: str) -> None:
    validator.validate(yaml.safe_load(initial_policy(read_public_key(home.public_key(alice)))))


@pytest.mark.parametrize(
    "text",
    [
        "version: 1\n",
        HEAD.replace("version: 1", "version: 0"),
        HEAD + "extra: 1\n",
        HEAD + "signers: {ci: {until: '2030-01-01'}}\n",
        HEAD + "roles: {release: {signers: [ci]}}\n",
        HEAD + "roles: {release: {signers: [], threshold: 1}}\n",
        HEAD + "products: {'*': {require: [], repositories: ['**']}}\n",
        HEAD + "products: {'*': {require: [release], repositories: []}}\n",
        HEAD + "revoked: {keys: [{openpgp: abcd}]}\n",
        HEAD + "revoked: {bundles: [abcd]}\n",
    ],
)
def test_what_the_schema_refuses_the_reader_refuses(validator: Any, text: str) -> None:
    assert not validator.is_valid(yaml.safe_load(text))
    with pytest.raises(DocumentError, match="not a policy"):
        parse_policy(text.encode(), "policy.yaml")
