"""What the options of `serve` about tokens make of the server."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from airgap_bundle.boundary.tokens.identities import check_service
from airgap_bundle.boundary.tokens.office import Counter, Office, at_the_counter
from airgap_bundle.boundary.tokens.realm import Realm
from airgap_bundle.cli import clock
from airgap_bundle.core.errors import InvalidValueError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airgap_bundle.cli.token_serving import Tokens


@contextlib.contextmanager
def token_counter(given: Tokens, *, is_tls: bool, address: Callable[[], str]) -> Iterator[Counter | None]:
    """What the server needs for tokens, for as long as it runs; `None` where nobody asked for them.

    `address` is where it listens, once that is known: the realm for clients that do not say whom they asked.
    """
    if not given.tokens:
        yield None
        return

    try:
        service = check_service(given.service)
        realm = Realm(fixed=given.realm, is_tls=is_tls, address=address)
    except InvalidValueError as error:
        raise UsageError("AB-TOKEN-OPTION", str(error), hint="--help has examples of every option") from error
    office = Office.open(given.state, given.keys)
    with at_the_counter(office, service=service, realm=realm, now=clock.now) as counter:
        yield counter
