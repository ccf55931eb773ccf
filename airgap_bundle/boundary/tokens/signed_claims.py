"""The only door to PyJWT: claims signed and read back as a compact JSON Web Token (RFC 7515, RFC 7519).

One algorithm, ES256, whatever a token says of itself (RFC 8725 section 3.1). The header is read strictly in front of
the library: exactly `alg`, `kid` and `typ`. A key, a certificate or an address that a token brings along (`jwk`, `x5c`,
`jku`, `x5u`) is so refused unread, as are extensions (`crit`, `b64`) and keys that stand twice.
"""

from __future__ import annotations

import base64
import functools
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airgap_bundle.core import strictjson
from airgap_bundle.core.errors import InvalidValueError

if TYPE_CHECKING:
    from collections.abc import Mapping

ALGORITHM = "ES256"
# A token with 32 repositories of 255 characters has 12 KB; header lines of the registries end at 16 KiB and more.
MAX_TOKEN_CHARACTERS = 14 * 1024
# Three words of some 60 characters.
_MAX_HEADER_BYTES = 512
_COMPACT = re.compile(r"([A-Za-z0-9_-]{1,700})\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]{86})")


class ForgedTokenError(Exception):
    """The signature is not that of the key."""


@dataclass(frozen=True, kw_only=True, slots=True)
class UnverifiedToken:
    """A token in the right form; nothing in it is believed yet. `kid` names the key that it claims to be signed by."""

    unverified_text: str = field(repr=False)
    unverified_kid: str


def prepare_key(pem: str) -> Any:
    """A key in PEM in the form in which the library uses it, to be kept: reading it costs as much as using it."""
    return _es256().prepare_key(pem)


def sign(claims: bytes, *, key: Any, kid: str) -> str:
    """A token with these claims; `key` is the private half, prepared."""
    return str(_signatures().encode(claims, key, algorithm=ALGORITHM, headers={"kid": kid}))


def read_unverified(text: str) -> UnverifiedToken:
    """The form of a token, and the name of its key. `InvalidValueError` for what cannot be a token of ours."""
    if len(text) > MAX_TOKEN_CHARACTERS:
        raise InvalidValueError(f"a token of {len(text)} characters, more than the {MAX_TOKEN_CHARACTERS} allowed")
    match = _COMPACT.fullmatch(text)
    if match is None:
        raise InvalidValueError("not a signed token in compact form")
    try:
        raw = base64.urlsafe_b64decode(match[1] + "=" * (-len(match[1]) % 4))
    except ValueError as error:
        raise InvalidValueError("the header of the token is not base64url") from error
    header = strictjson.parse_object(raw, max_bytes=_MAX_HEADER_BYTES)
    if header.get("alg") != ALGORITHM:
        raise InvalidValueError(f"the token is signed with {str(header.get('alg'))[:40]!r}, not with {ALGORITHM}")
    kid = header.get("kid")
    if set(header) != {"alg", "kid", "typ"} or header["typ"] != "JWT" or not isinstance(kid, str):
        raise InvalidValueError("the header of the token has other fields than alg, kid and typ")
    return UnverifiedToken(unverified_text=text, unverified_kid=kid)


def verify(token: UnverifiedToken, *, key: Any) -> bytes:
    """The bytes of the claims, whose signature by `key` (the public half, prepared) has been checked.

    Raises `ForgedTokenError` where it does not hold.
    """
    import jwt  # noqa: PLC0415 - 110 ms

    try:
        claims = _signatures().decode(token.unverified_text, key, algorithms=[ALGORITHM])
    except jwt.PyJWTError as error:
        raise ForgedTokenError("the signature of the token does not hold") from error
    return bytes(claims)


def public_jwk(pem: str, *, kid: str) -> Mapping[str, str]:
    """The public half of a key as a JSON Web Key (RFC 7517)."""
    jwk: dict[str, str] = _es256().to_jwk(prepare_key(pem), as_dict=True)
    return {**jwk, "kid": kid, "alg": ALGORITHM, "use": "sig"}


def _es256() -> Any:
    return _signatures().get_algorithm_by_name(ALGORITHM)


@functools.cache
def _signatures() -> Any:
    """The library with all of its algorithms but one taken away. It keeps nothing between two calls."""
    import jwt  # noqa: PLC0415 - 110 ms

    return jwt.PyJWS([ALGORITHM])
