"""Reading a policy: strict YAML into the values of `policy_model`, with every complaint and its place.

Every cross reference is followed here, so that a `Policy` that exists makes sense: roles name signers, products name
roles, fingerprints are those of the embedded keys, no two people share a key. Opens nothing. Design section 7.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

from airgap_bundle.core.content import Digest
from airgap_bundle.core.errors import InvalidValueError
from airgap_bundle.core.oci import check_host
from airgap_bundle.manifest import words, yamltext
from airgap_bundle.manifest.fields import (
    Complaints,
    Fields,
    Value,
    check_api_version,
    converted,
    integer,
    listed,
    text,
)
from airgap_bundle.trust import policy_keys, policy_words
from airgap_bundle.trust.patterns import RepositoryPattern
from airgap_bundle.trust.policy_model import (
    Hold,
    Method,
    Policy,
    Product,
    RevokedKey,
    Role,
    Signer,
    UpstreamDemand,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from airgap_bundle.core.report import Place

API_VERSION = "airgap-bundle/policy.v1"
# Keys are the bulk of a policy, and 4 MiB hold a thousand.
MAX_POLICY_BYTES = yamltext.MAX_BYTES

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Reference:
    """A name that has to exist elsewhere in the file, and where it was used."""

    name: str
    place: Place
    path: str


def parse_policy(raw: bytes, file: str) -> Policy:
    """The policy that `raw` spells; `file` is its name in complaints. `DocumentError` with all of them otherwise."""
    complaints = Complaints(file)
    references = _References(complaints)
    node = yamltext.parse(raw, file, max_bytes=MAX_POLICY_BYTES)
    policy = None
    try:
        policy = _read(Value.of(node, complaints), references, raw, file)
    except InvalidValueError as error:
        complaints.add_error(error, node.place, "")
    complaints.check("AB-POLICY-INVALID", "a policy")
    if policy is None:  # a rejection is always complained of
        raise AssertionError("a policy was rejected without a complaint")
    return policy


def _read(value: Value, references: _References, raw: bytes, file: str) -> Policy:
    """The top of the file."""
    top = value.fields()
    check_api_version(top, API_VERSION)
    version = top.required("version", policy_words.policy_version)
    audience = top.get("audience", converted(words.audience_name), "")
    signers = top.get("signers", _named(policy_words.role_name, _signer), {})
    roles = top.get("roles", _named(policy_words.role_name, references.role), {})
    products = top.get("products", _named(policy_words.product_name, references.product), {})
    destinations = top.get("destinations", _named(check_host, _destination), {})
    revoked = top.get("revoked", _revoked, ((), frozenset[Digest]()))
    references.check(signers if top.has("signers") else {}, roles)
    _check_shared_keys(signers.values(), top)
    top.finish()
    return Policy(
        version=version,
        audience=audience,
        signers=signers,
        roles=roles,
        products=products,
        token_hosts=destinations,
        revoked_keys=revoked[0],
        revoked_bundles=revoked[1],
        raw=raw,
        file=file,
    )


class _References:
    """Names used before it is known whether they exist; checked when the whole file has been read."""

    def __init__(self, complaints: Complaints) -> None:
        self._complaints = complaints
        self._signers: list[_Reference] = []
        self._roles: list[_Reference] = []

    def role(self, name: str, value: Value) -> Role:
        """One role."""
        fields = value.fields()
        signers = fields.required("signers", listed(self._to(self._signers)))
        threshold = fields.required("threshold", integer)
        fields.finish()
        return Role(name=name, signers=signers, threshold=threshold)

    def product(self, name: str, value: Value) -> Product:
        """One product."""
        fields = value.fields()
        require = fields.required("require", listed(self._to(self._roles)))
        repositories = fields.required("repositories", listed(converted(RepositoryPattern)))
        max_age = fields.get("maxAge", converted(policy_words.duration), None)
        overrides = fields.get("overrides", listed(self._to(self._roles)), ())
        hold = fields.get("hold", self._hold, None)
        upstream = fields.get("upstream", listed(_upstream), ())
        fields.finish()
        return Product(
            name=name,
            require=require,
            repositories=repositories,
            max_age=max_age,
            overrides=overrides,
            hold=hold,
            upstream=upstream,
        )

    def _hold(self, value: Value) -> Hold:
        """What has to happen before a product's tags move; an empty map asks only that somebody publishes."""
        fields = value.fields()
        wait = fields.get("wait", converted(policy_words.duration), None)
        approvals = fields.get("approvals", listed(self._to(self._roles)), ())
        fields.finish()
        return Hold(wait=wait, approvals=approvals)

    def check(self, signers: Mapping[str, object], roles: Mapping[str, object]) -> None:
        """Complain of every name that does not exist."""
        for kind, references, known in (("signer", self._signers, signers), ("role", self._roles, roles)):
            for reference in references:
                if reference.name not in known:
                    message = f"there is no {kind} {reference.name!r}"
                    hint = _known(reference.name, known)
                    self._complaints.add(
                        "AB-POLICY-REFERENCE", message, reference.place, path=reference.path, hint=hint
                    )

    @staticmethod
    def _to(kept: list[_Reference]) -> Callable[[Value], str]:
        def read(value: Value) -> str:
            name = text(value)
            kept.append(_Reference(name, value.place, value.path))
            return name

        return read


def _known(name: str, known: Iterable[str]) -> str:
    import difflib  # noqa: PLC0415 - only for somebody's typing error

    names = list(known)
    close = difflib.get_close_matches(name[:80], names, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known here: {', '.join(names) or 'none'}"


def _signer(name: str, value: Value) -> Signer:
    fields = value.fields()
    openpgp = fields.get("openpgp", policy_keys.one_or_more(policy_keys.openpgp), ())
    keyless = fields.get("keyless", policy_keys.one_or_more(policy_keys.keyless), ())
    keys = fields.get("publicKey", policy_keys.one_or_more(converted(policy_words.plain_key)), ())
    until = fields.get("until", converted(policy_words.day), None)
    fields.finish()
    return Signer(name=name, openpgp=openpgp, keyless=keyless, keys=keys, until=until)


def _upstream(value: Value) -> UpstreamDemand:
    """Whose signature has to be over what a product brings from upstream."""
    fields = value.fields()
    match = fields.required("match", converted(words.name_pattern))
    keyless = fields.get("keyless", policy_keys.one_or_more(policy_keys.keyless), ())
    keys = fields.get("publicKey", policy_keys.one_or_more(converted(policy_words.plain_key)), ())
    openpgp = fields.get("openpgp", policy_keys.one_or_more(policy_keys.openpgp), ())
    fields.finish()
    return UpstreamDemand(match=match, keyless=keyless, keys=keys, openpgp=openpgp)


def _revoked(value: Value) -> tuple[tuple[RevokedKey, ...], frozenset[Digest]]:
    fields = value.fields()
    keys = fields.get("keys", listed(_revoked_key), ())
    bundles = fields.get("bundles", listed(converted(policy_words.bundle_id)), ())
    fields.finish()
    return keys, frozenset(bundles)


def _revoked_key(value: Value) -> RevokedKey:
    fields = value.fields()
    kind = fields.choose("openpgp", "keyless", "publicKey")
    since = fields.get("since", converted(policy_words.day), None)
    if kind == "openpgp":
        method, name = Method.OPENPGP, fields.required("openpgp", converted(policy_words.fingerprint))
    elif kind == "publicKey":
        method, name = Method.KEY, fields.required("publicKey", converted(policy_words.key_digest))
    else:
        method, name = Method.KEYLESS, fields.required("keyless", _revoked_identity)
    if since is not None and method is not Method.KEYLESS:
        fields.complain(
            "since", "only a log or a timestamp proves when a signature was made; here it is the signer's word"
        )
    fields.finish()
    moment = None if since is None else datetime(since.year, since.month, since.day, tzinfo=UTC)
    return RevokedKey(method=method, name=name, since=moment)


def _revoked_identity(value: Value) -> str:
    fields = value.fields()
    identity = fields.required("identity", converted(policy_words.short_text))
    issuer = fields.required("issuer", converted(policy_words.short_text))
    fields.finish()
    return f"{issuer}\n{identity}"


def _check_shared_keys(signers: Iterable[Signer], top: Fields) -> None:
    """One key in two people's hands would let one person count as two."""
    owners: dict[str, str] = {}
    for signer in signers:
        names = {key.fingerprint for pinned in signer.openpgp for key in pinned.public_key.keys}
        names |= {f"{who.issuer}\n{who.identity or who.identity_pattern}" for who in signer.keyless}
        names |= {key.fingerprint for key in signer.keys}
        for name in sorted(names):
            owner = owners.setdefault(name, signer.name)
            if owner != signer.name:
                shown = name.replace("\n", " ")
                top.complain(
                    "signers",
                    f"{owner} and {signer.name} share the key {shown}; one key is one person",
                    code="AB-POLICY-KEY",
                )


def _named(check: Callable[[str], object], reader: Callable[[str, Value], T]) -> Callable[[Value], dict[str, T]]:
    """A reader for a map whose keys are names: each is checked, and handed to `reader` with its value."""

    def read(value: Value) -> dict[str, T]:
        names = iter(value.node.entries if isinstance(value.node, yamltext.MappingNode) else ())

        def entry(inner: Value) -> T:
            name = next(names)
            check(name)
            return reader(name, inner)

        return value.entries(entry)

    return read


def _destination(_: str, value: Value) -> tuple[str, ...]:
    fields = value.fields()
    hosts = fields.required("tokenHosts", listed(converted(check_host)))
    fields.finish()
    return hosts


__all__ = ["API_VERSION", "MAX_POLICY_BYTES", "Method", "Policy", "parse_policy"]
