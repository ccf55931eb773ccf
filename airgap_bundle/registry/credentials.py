"""Logins that the person already has: docker's, podman's and helm's files, and docker's credential helpers.

Read only, when a host first asks; nothing is ever written. Secrets hide themselves in `repr` and never enter errors.
`.netrc` is not a source. oras asks the helpers (its public authentication backend); it is imported only then. Formats:
docker's config.json, containers-auth.json(5), helm's registry/config.json.
"""

from __future__ import annotations

import base64
import binascii
import logging
import re
import shutil
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from airgap_bundle.core import strictjson
from airgap_bundle.core.errors import HostError, InvalidValueError, UsageError
from airgap_bundle.core.oci import DEFAULT_HOST
from airgap_bundle.core.report import Remark, Severity, silent

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from airgap_bundle.core.report import Reporter

# A file with a login for every host of a large company stays far below.
_MAX_FILE_BYTES = 1024 * 1024
# Long enough for a helper that asks a cloud for a fresh password, short enough for somebody who waits.
_HELPER_SECONDS = 60.0
_HUB_KEYS = ("https://index.docker.io/v1/", "index.docker.io", "registry-1.docker.io", DEFAULT_HOST)
_HELPER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
# What a helper calls the user when the secret is an identity token (docker-credential-helpers).
_TOKEN_USER = "<token>"  # noqa: S105 - a name, not a secret

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Credentials:
    """One login: user and password, or an identity token that fetches others, or a token that is used as it is."""

    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    registry_token: str = field(default="", repr=False)
    origin: str = ""
    """Where it was found, for messages."""

    def __post_init__(self) -> None:
        """Refuse what would break out of a header."""
        for text in (self.username, self.password, self.identity_token, self.registry_token):
            if not text.isprintable():
                raise InvalidValueError("a login with characters that cannot be printed")
        if ":" in self.username:
            raise InvalidValueError("a user name with a colon in it")

    @property
    def basic(self) -> str:
        """The value of an `Authorization` header."""
        return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()


class CredentialSource(Protocol):
    """Something that knows logins."""

    def find(self, host: str, repository: str = "") -> Credentials | None:
        """The login for a repository on `HOST[:PORT]`; `None` where there is none and anonymous is what is left."""
        ...


class NoCredentials:
    """Nobody is logged in anywhere."""

    def find(self, host: str, repository: str = "") -> Credentials | None:  # noqa: ARG002 - it is a protocol
        """Nothing."""
        return None


class AuthFiles:
    """The login files of the person, in the order in which docker, podman and helm look for them.

    An explicit file is the only one that is read, and has to exist. Safe between threads.
    """

    def __init__(self, authfile: Path | None, environment: Mapping[str, str], report: Reporter = silent) -> None:
        self._explicit = authfile
        self._report = report
        self._environment = environment
        self._lock = threading.Lock()
        self._files: tuple[_AuthFile, ...] | None = None
        self._found: dict[tuple[str, str], Credentials | None] = {}

    def find(self, host: str, repository: str = "") -> Credentials | None:
        """The first login that fits.

        Raises `HostError` for a file that cannot be used, `UsageError` if `--authfile` is not there.
        """
        key = (host, repository)
        with self._lock:
            if key not in self._found:
                if self._files is None:
                    self._files = tuple(self._read())
                self._found[key] = next(
                    (found for file in self._files if (found := file.find(host, repository)) is not None), None
                )
            return self._found[key]

    def _read(self) -> Iterator[_AuthFile]:
        if self._explicit is not None:
            if not self._explicit.is_file():
                raise UsageError(
                    "AB-REGISTRY-AUTHFILE",
                    f"the file given with --authfile is not there: {self._explicit}",
                    hint="podman login --authfile FILE HOST makes one",
                )
            yield _AuthFile(self._explicit, self._report)
            return
        for path in login_files(self._environment):
            if path.is_file():
                yield _AuthFile(path, self._report)


def login_files(environment: Mapping[str, str]) -> tuple[Path, ...]:
    """Where logins are looked for, first match first. None of them has to exist."""
    home = Path(environment.get("HOME") or "~").expanduser()
    settings = Path(environment.get("XDG_CONFIG_HOME") or home / ".config")
    runtime = environment.get("XDG_RUNTIME_DIR")
    return (
        *([Path(named)] if (named := environment.get("REGISTRY_AUTH_FILE")) else []),
        *([Path(runtime) / "containers/auth.json"] if runtime else []),
        settings / "containers/auth.json",
        Path(environment.get("DOCKER_CONFIG") or home / ".docker") / "config.json",
        Path(environment.get("HELM_REGISTRY_CONFIG") or settings / "helm/registry/config.json"),
    )


class _AuthFile:
    """One file, read strictly. What it says of other things (proxies, plugins …) is not looked at.

    A helper is asked once for a host, however many repositories there are; `report` hears of one that is missing.
    """

    def __init__(self, path: Path, report: Reporter) -> None:
        self._path = path
        self._report = report
        self._asked: dict[tuple[str, str], Credentials | None] = {}
        try:
            with path.open("rb") as file:
                value = strictjson.parse_object(file.read(_MAX_FILE_BYTES + 1), max_bytes=_MAX_FILE_BYTES, floats=True)
        except OSError as error:
            raise self._broken(error.strerror or str(error)) from error
        except InvalidValueError as error:
            raise self._broken(str(error)) from error
        self._auths = self._map(value, "auths", dict)
        self._helpers: dict[str, str] = self._map(value, "credHelpers", str)
        store = value.get("credsStore") or ""
        if not isinstance(store, str):
            raise self._broken("credsStore is not a string")
        self._store = store

    def find(self, host: str, repository: str) -> Credentials | None:
        """Helper of the host first, then the store for all hosts, then what the file itself holds (docker's order)."""
        keys = tuple(_keys(host, repository))
        for key in keys:
            if key in self._helpers:
                return self._ask(self._helpers[key], key)
        for key in keys:
            for written in (key, f"https://{key}", f"http://{key}", f"https://{key}/v1/", f"https://{key}/v2/"):
                # With a store the file only lists the hosts; an entry that has its own secret counts all the same.
                entry = self._auths.get(written)
                if entry is not None and (found := self._read_entry(entry, written)) is not None:
                    return found
        if self._store:
            return self._ask(self._store, _HUB_KEYS[0] if host in _HUB_KEYS else host)
        return None

    def _ask(self, helper: str, key: str) -> Credentials | None:
        if _HELPER_NAME.fullmatch(helper) is None:
            raise self._broken("it names a credential helper that is no file name")
        if (helper, key) not in self._asked:
            self._asked[helper, key] = self._answer(helper, key)
        return self._asked[helper, key]

    def _answer(self, helper: str, key: str) -> Credentials | None:
        program = f"docker-credential-{helper}"
        if shutil.which(program) is None:
            # Left behind by some desktop, most often; what is public can be had without.
            message = f"{program}, which {self._path} names, is not in PATH; {key} is asked without a login"
            self._report(Remark(severity=Severity.WARNING, message=message))
            return None
        try:
            return ask_helper(helper, key)
        except InvalidValueError as error:
            raise self._broken(f"the credential helper {program}: {error}") from error

    def _read_entry(self, entry: Mapping[str, Any], key: str) -> Credentials | None:
        texts = {
            name: entry.get(name) or "" for name in ("auth", "username", "password", "identitytoken", "registrytoken")
        }
        if not all(isinstance(text, str) for text in texts.values()):
            raise self._broken(f"the entry {key} has a part that is not a string")
        username, password = texts["username"], texts["password"]
        try:
            if texts["auth"]:
                username, password = _decode(texts["auth"])
            if not (username or texts["identitytoken"] or texts["registrytoken"]):
                return None
            return Credentials(
                username=username,
                password=password,
                identity_token=texts["identitytoken"],
                registry_token=texts["registrytoken"],
                origin=str(self._path),
            )
        except InvalidValueError as error:
            raise self._broken(f"the entry {key}: {error}") from error

    def _map(self, value: Mapping[str, Any], name: str, kind: type) -> dict[str, Any]:
        found = {} if value.get(name) is None else value[name]
        if not isinstance(found, dict) or not all(isinstance(entry, kind) for entry in found.values()):
            raise self._broken(f"{name} is not what docker and podman write there")
        return found

    def _broken(self, reason: str) -> HostError:
        return HostError(
            "AB-REGISTRY-LOGIN-FILE",
            f"the login file {self._path} cannot be used: {reason}",
            hint="log in again, or name another file with --authfile",
        )


def _keys(host: str, repository: str) -> Iterator[str]:
    """What an entry for a repository may be called, the longest first."""
    parts = repository.split("/") if repository else []
    for length in range(len(parts), 0, -1):
        yield f"{host}/{'/'.join(parts[:length])}"
    if host in _HUB_KEYS:
        yield from _HUB_KEYS
    else:
        yield host


def _decode(auth: str) -> tuple[str, str]:
    """User and password of an `auth` entry."""
    try:
        text = base64.b64decode(auth, validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise InvalidValueError("auth is not base64 of text") from error
    username, colon, password = text.rstrip("\0").partition(":")
    if not colon:
        raise InvalidValueError("auth is not base64 of USER:PASSWORD")
    return username, password


def ask_helper(helper: str, key: str) -> Credentials | None:
    """Ask `docker-credential-HELPER` for a login, through oras; `None` where it has none for this host.

    A helper that does not answer in time is left alone. Raises `InvalidValueError` for an answer that is none.
    """
    answers: list[Credentials | None] = []
    faults: list[InvalidValueError] = []

    def ask() -> None:
        try:
            answers.append(_ask_oras(helper, key))
        except InvalidValueError as error:
            faults.append(error)

    # oras waits for its helper without end, so it waits in a thread that may be left behind.
    thread = threading.Thread(target=ask, name=f"docker-credential-{helper}", daemon=True)
    thread.start()
    thread.join(_HELPER_SECONDS)
    if faults:
        raise faults[0]
    if not answers:
        raise InvalidValueError(f"it did not answer within {_HELPER_SECONDS:.0f} s")
    return answers[0]


def _ask_oras(helper: str, key: str) -> Credentials | None:
    # Imported here: it costs a fifth of a second, and most people have no helper.
    from oras.auth.base import AuthBackend  # noqa: PLC0415 - see the line above
    from oras.logger import logger  # noqa: PLC0415 - the same

    # It would print what helpers say, as it comes; that one has no login is what they say every day.
    logger.log_handler = []

    class Backend(AuthBackend):  # type: ignore[misc]  # oras ships no types
        """oras's backend, told directly which helper to ask instead of reading the docker configuration again."""

        def ask(self) -> str | None:
            answer: str | None = self._get_auth_from_creds_store(helper, key)
            return answer

    try:
        auth = Backend().ask()
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise InvalidValueError(f"its answer is none ({type(error).__name__})") from error
    if auth is None:
        _log.debug("docker-credential-%s has no login for %s", helper, key)
        return None
    username, password = _decode(auth)
    if not username and not password:
        return None
    origin = f"docker-credential-{helper}"
    if username == _TOKEN_USER:
        return Credentials(identity_token=password, origin=origin)
    return Credentials(username=username, password=password, origin=origin)
