"""Users and their passwords, from a file in the format of Apache's `htpasswd -B`: `NAME:bcrypt hash`, a line each.

The format that docker-registry has, and the same kind of hash only: the others are guessed in no time. The file is
looked at before every answer, so that a line taken out of it is a user who is out. A password that was found right is
remembered, under a key that lives as long as the process, since bcrypt is made to be slow.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
import secrets
import threading
from typing import TYPE_CHECKING, Protocol

from airgap_bundle.core.errors import DocumentError, HostError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_LOGGER = logging.getLogger(__name__)
# Ten thousand users.
_MAX_FILE_BYTES = 1024 * 1024
_LINE = re.compile(r"([^\x00-\x20:/\x7f]{1,255}):(\$2[aby]\$[0-9]{2}\$[./A-Za-z0-9]{53})")
# Half a second on today's machines; each step is twice as long, and a login must not hold a thread for minutes.
_MAX_COST = 14
# bcrypt looks at no more, and `htpasswd` cuts there too.
_BCRYPT_BYTES = 72
# Each costs a processor a good part of a second: guessing must leave most of the machine to the others.
_AT_A_TIME = 2
_REMEMBERED = 4096


class _Bcrypt(Protocol):
    def checkpw(self, password: bytes, hashed_password: bytes) -> bool: ...
    def hashpw(self, password: bytes, salt: bytes) -> bytes: ...
    def gensalt(self, rounds: int) -> bytes: ...


class Htpasswd:
    """The users of one file. Safe for many threads.

    Raises `DocumentError` (AB-SERVE-HTPASSWD) where the file has no users or lines of another kind when it is opened.
    Later, lines that cannot be read are no users, and a file that cannot be read has none: nobody comes in by mistake.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._bcrypt = _library()
        self._stamp: object = None
        self._users: Mapping[str, bytes] = {}
        # Name and hash, to a keyed digest of the password that was right.
        self._right: dict[tuple[str, bytes], bytes] = {}
        self._key = secrets.token_bytes(32)
        self._lock = threading.Lock()
        self._slots = threading.Semaphore(_AT_A_TIME)
        self._users, problem = self._read()
        if problem or not self._users:
            raise DocumentError(
                "AB-SERVE-HTPASSWD",
                f"cannot take users from {path}: {problem or 'there are none in it'}",
                hint=f"add one: htpasswd -B {path} NAME",
            )
        self._stamp = self._stamp_now()
        # For names that are unknown: refusing them must take as long as refusing a password.
        costs = [int(known[4:6]) for known in self._users.values()]
        self._nobody = self._bcrypt.hashpw(secrets.token_hex(16).encode(), self._bcrypt.gensalt(max(costs)))

    def remembers(self, name: str, password: str) -> bool:
        """Whether this password is known to be right, without the work of finding out."""
        known = self._current().get(name)
        return known is not None and self._is_remembered((name, known), self._digest(name, password))

    def accepts(self, name: str, password: str) -> bool:
        """Whether that is the user's password. Takes as long for a name that is unknown."""
        known = self._current().get(name)
        digest = self._digest(name, password)
        if known is not None and self._is_remembered((name, known), digest):
            return True
        with self._slots:
            secret = password.encode()[:_BCRYPT_BYTES]
            right = b"\0" not in secret and self._bcrypt.checkpw(secret, known or self._nobody)
        if not right or known is None or self._current().get(name) != known:
            return False
        with self._lock:
            if len(self._right) >= _REMEMBERED:
                self._right.clear()
            self._right[name, known] = digest
        return True

    def _digest(self, name: str, password: str) -> bytes:
        return hmac.digest(self._key, f"{name}:{password}".encode(), hashlib.sha256)

    def _is_remembered(self, login: tuple[str, bytes], digest: bytes) -> bool:
        with self._lock:
            right = self._right.get(login)
        return right is not None and hmac.compare_digest(right, digest)

    def _current(self) -> Mapping[str, bytes]:
        """The users as the file has them now."""
        stamp = self._stamp_now()
        with self._lock:
            if stamp != self._stamp:
                self._users, problem = self._read()
                self._stamp = stamp
                if problem:
                    _LOGGER.warning("%s: %s", self._path, problem)
                self._right = {login: digest for login, digest in self._right.items() if self._is_user(login)}
            return self._users

    def _is_user(self, login: tuple[str, bytes]) -> bool:
        name, known = login
        return self._users.get(name) == known

    def _stamp_now(self) -> object:
        try:
            found = self._path.stat()
        except OSError as error:
            return error.errno
        return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino

    def _read(self) -> tuple[dict[str, bytes], str]:
        """The users, and what is wrong with the file; the passwords of a wrong line are not repeated."""
        try:
            with self._path.open("rb") as file:
                text = file.read(_MAX_FILE_BYTES + 1).decode()
        except OSError as error:
            return {}, (error.strerror or str(error)).lower()
        except UnicodeDecodeError:
            return {}, "it is not text"
        if len(text) > _MAX_FILE_BYTES:
            return {}, f"it is larger than {_MAX_FILE_BYTES} bytes"
        return _parse(text)


def _parse(text: str) -> tuple[dict[str, bytes], str]:
    users: dict[str, bytes] = {}
    problem = ""
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            problem = problem or f"line {number} is not NAME:HASH with a hash made by bcrypt ($2y$…)"
        elif int(match[2][4:6]) not in range(4, _MAX_COST + 1):
            problem = problem or f"the hash in line {number} has a cost that is not between 4 and {_MAX_COST}"
        elif match[1] in users:
            # Which of the two holds would be a matter of opinion.
            problem = problem or f"line {number} names a user for the second time"
            users[match[1]] = b""
        else:
            users[match[1]] = match[2].encode()
    return {name: known for name, known in users.items() if known}, problem


def _library() -> _Bcrypt:
    try:
        import bcrypt  # noqa: PLC0415 - an extra that may be missing
    except ImportError as error:
        raise HostError(
            "AB-SERVE-NO-BCRYPT",
            "passwords cannot be checked: the library bcrypt is not installed",
            hint="pip install 'airgap-bundle[logins]'",
        ) from error
    return bcrypt
