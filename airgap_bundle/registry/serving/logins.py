"""Admission by password or client certificate: who is asking, and whether that one may push there.

RFC 7617 (Basic). Whoever has logged in may pull everything; `pushers` says who pushes where. Where nodes may pull
without a login, a request that carries none is nobody's, and reads.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from http import HTTPStatus
from typing import TYPE_CHECKING

from airgap_bundle.core.errors import InvalidValueError
from airgap_bundle.registry.admission import Action, Caller, denied, read_basic, unauthorized
from airgap_bundle.registry.serving.listening import is_loopback
from airgap_bundle.registry.wsgi import RefusedError

if TYPE_CHECKING:
    from airgap_bundle.registry.admission import Presented, Wanted
    from airgap_bundle.registry.serving.htpasswd import Htpasswd
    from airgap_bundle.registry.serving.pushers import Pushers

CHALLENGE = 'Basic realm="airgap-bundle", charset="UTF-8"'
_MAX_LOGIN_CHARACTERS = 2048
# A person who mistypes, and a fleet of nodes with an old password behind one address, stay below; guessing does not.
_FAILURES = 30
_WINDOW_SECONDS = 60.0
_MAX_GUESSERS = 4096


class Logins:
    """Lets in who knows a password, or has a certificate. `passwords` is `None` where only certificates count."""

    def __init__(self, passwords: Htpasswd | None, pushers: Pushers, *, anonymous_pull: bool = False) -> None:
        self._passwords = passwords
        self._pushers = pushers
        self._anonymous_pull = anonymous_pull
        self._failures = _Failures()

    def admit(self, presented: Presented, wanted: Wanted) -> Caller:
        """Who is asking. Raises `RefusedError`: 401, 403, and 429 for an address that guesses."""
        name = self.login(presented)
        if name is None:
            if self._anonymous_pull and wanted.action is Action.PULL:
                return Caller(challenges=self._challenges())
            raise unauthorized("log in first", *self._challenges())
        if wanted.action in {Action.PUSH, Action.DELETE} and not self._pushers.may_push(name, wanted.repository or ""):
            raise denied(f"{name} may not push to or delete in {wanted.repository}", caller=name)
        return Caller(name=name)

    def login(self, presented: Presented) -> str | None:
        """Whose login that is; `None` where there is none. Raises `RefusedError` for one that is wrong."""
        given = _basic(presented.authorization)
        if given is None:
            if presented.authorization and self._passwords is not None:
                raise unauthorized("that login cannot be read", *self._challenges())
            return presented.certificate
        if given == ("", ""):
            # What some clients send where they have no login.
            return presented.certificate
        name, password = given
        if self._passwords is None:
            raise unauthorized("there are no passwords here; a certificate is what counts")
        if self._passwords.remembers(name, password):
            return name
        # A proxy on this machine stands for many addresses: there each name is counted by itself.
        guesser = f"{presented.peer} {name}" if is_loopback(presented.peer) else presented.peer
        self._failures.check(guesser)
        if self._passwords.accepts(name, password):
            return name
        self._failures.note(guesser)
        raise unauthorized("the name or the password is wrong", *self._challenges())

    def _challenges(self) -> tuple[str, ...]:
        return () if self._passwords is None else (CHALLENGE,)


class _Failures:
    """Counts wrong passwords by who makes them, and turns away who has had too many of late."""

    def __init__(self) -> None:
        self._counts: OrderedDict[str, tuple[float, int]] = OrderedDict()
        self._lock = threading.Lock()

    def check(self, guesser: str) -> None:
        """Return unless this address has guessed too often; `RefusedError` 429."""
        with self._lock:
            since, count = self._counts.get(guesser, (0.0, 0))
        left = since + _WINDOW_SECONDS - time.monotonic()
        if count >= _FAILURES and left > 0:
            message = "too many wrong passwords from this address; wait a minute"
            headers = [("Retry-After", str(int(left) + 1))]
            raise RefusedError(HTTPStatus.TOO_MANY_REQUESTS, "TOOMANYREQUESTS", message, headers=headers)

    def note(self, guesser: str) -> None:
        """One more."""
        now = time.monotonic()
        with self._lock:
            since, count = self._counts.pop(guesser, (now, 0))
            self._counts[guesser] = (since, count + 1) if now - since < _WINDOW_SECONDS else (now, 1)
            if len(self._counts) > _MAX_GUESSERS:
                self._counts.popitem(last=False)


def _basic(header: str | None) -> tuple[str, str] | None:
    """Name and password of a header; `None` for another kind of login, or one that cannot be read."""
    scheme, _, rest = (header or "").partition(" ")
    if scheme.lower() != "basic" or len(rest) > _MAX_LOGIN_CHARACTERS:
        return None
    try:
        return read_basic(rest)
    except InvalidValueError:
        return None
