"""One token looked at for a person: would the embedded registry take it, for these things, now?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.boundary.tokens.scopes import CATALOGUE, REPOSITORY, parse_request
from airgap_bundle.boundary.tokens.verifying import TokenRefusedError, Verified, allows
from airgap_bundle.core.errors import TrustError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from airgap_bundle.boundary.tokens.office import Office


def check_token(
    office: Office, unverified_text: str, *, service: str, scopes: Sequence[str], now: datetime
) -> Verified:
    """What a token says, if it counts for `service` and allows each of `scopes`.

    Raises `TrustError` AB-TOKEN-REFUSED with the reason, and `InvalidValueError` for what is no scope.
    """
    wanted = parse_request(scopes)
    if not office.keys.exists():
        # Looking at a token makes none.
        raise _refused("there are no keys here; compare --state and --keys with those of the server")
    try:
        verified = office.verifier.verify(unverified_text, service=service, now=now)
    except TokenRefusedError as error:
        raise _refused(error.message) from error
    for one in wanted:
        if one.type != REPOSITORY and one.name != CATALOGUE:
            raise _refused(f"nothing is ever granted for {one}")
        repository = one.name if one.type == REPOSITORY else None
        missing = [action for action in one.actions if not allows(verified, repository, action)]
        if missing:
            raise _refused(f"it does not allow {', '.join(missing)} for {one.name}")
    return verified


def _refused(why: str) -> TrustError:
    return TrustError(
        "AB-TOKEN-REFUSED",
        f"the token does not count here: {why}",
        hint="get another one with the credential of the identity, or ask whoever issued it",
    )
