"""What the options of `airgap-import token` ask for, as values."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING

from airgap_bundle.boundary.tokens import exporting
from airgap_bundle.boundary.tokens.identities import check_service
from airgap_bundle.boundary.tokens.issuing import Issued, Issuer, Wish
from airgap_bundle.boundary.tokens.lifetimes import MAX_ONCE_LIFE, parse_end, parse_life
from airgap_bundle.boundary.tokens.realm import check_realm
from airgap_bundle.boundary.tokens.scopes import parse_grant
from airgap_bundle.boundary.tokens.signed_claims import MAX_TOKEN_CHARACTERS
from airgap_bundle.core.errors import HostError, InvalidValueError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from airgap_bundle.boundary.tokens.keys import KeyRing
    from airgap_bundle.boundary.tokens.office import Office


@contextlib.contextmanager
def options_of_person() -> Iterator[None]:
    """Turn what cannot be a value into the error of whoever typed it."""
    try:
        yield
    except InvalidValueError as error:
        raise UsageError("AB-TOKEN-OPTION", str(error), hint="--help has examples of every option") from error


def read_wish(
    name: str,
    now: datetime,
    *,
    scopes: Sequence[str] | None,
    services: Sequence[str] | None,
    until: str,
    life: str,
    note: str,
) -> Wish:
    """What an identity is to be."""
    with options_of_person():
        return Wish(
            name=name,
            grants=tuple(dict.fromkeys(parse_grant(text) for text in scopes or ())),
            services=tuple(dict.fromkeys(services or ())),
            until=parse_end(until, now) if until else None,
            life=parse_life(life) if life else None,
            note=note,
        )


def check_kind(*, renew: bool, once: bool, until: str) -> None:
    """Refuse options that exclude each other."""
    if once and renew:
        raise UsageError("AB-TOKEN-OPTION", "--once and --renew exclude each other", hint="give one of them")
    if once and until:
        raise UsageError(
            "AB-TOKEN-OPTION",
            "--until is for identities; one token ends after --life",
            hint="say --life 15m instead of --until",
        )


def issue(issuer: Issuer, wish: Wish, now: datetime, *, renew: bool, once: bool) -> Issued:
    """Issue what was wished for."""
    with options_of_person():
        if once:
            return issuer.issue_once(wish, now)
        return issuer.renew(wish, now) if renew else issuer.issue(wish, now)


@contextlib.contextmanager
def secret_file(path: Path | None) -> Iterator[Callable[[str], None] | None]:
    """A new file for its owner alone, made before anything is issued; removed again where that fails.

    A credential is told once, so there has to be a place for it first.
    """
    if path is None:
        yield None
        return
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except FileExistsError as error:
        raise HostError(
            "AB-HOST-EXISTS",
            f"{path} exists already; a credential is written to a new file only",
            hint="name another file with -o",
        ) from error
    with os.fdopen(descriptor, "w", encoding="ascii") as file:

        def write(secret: str) -> None:
            file.write(secret + "\n")
            file.flush()
            os.fsync(file.fileno())

        try:
            yield write
        except BaseException:
            path.unlink(missing_ok=True)
            raise


def read_token(path: Path) -> str:
    """A token in a file, or from standard input for `-`."""
    # A line feed at the end, and one character to notice that there is more.
    room = MAX_TOKEN_CHARACTERS + 2
    if str(path) == "-":
        raw = sys.stdin.buffer.read(room)
    else:
        with path.open("rb") as file:
            raw = file.read(room)
    return raw.decode("ascii", "replace").strip()


def check_keys_options(
    *, rotate: bool, overlap: str, compromised: bool, consumer: object, output: Path | None, realm: str, service: str
) -> None:
    """Refuse options that exclude or need each other."""
    complaints = (
        (rotate and compromised, "--rotate and --compromised exclude each other", "give one of them"),
        (bool(overlap) and not rotate, "--overlap is for --rotate", "add --rotate"),
        ((consumer is None) != (output is None), "--for and -o need each other", "give both"),
        (
            str(consumer) == "docker-registry" and not realm,
            "nothing says where clients get their tokens",
            "add --realm with the address of the token endpoint, such as https://registry.internal:5443/token",
        ),
    )
    for is_wrong, message, hint in complaints:
        if is_wrong:
            raise UsageError("AB-TOKEN-OPTION", message, hint=hint)
    with options_of_person():
        # Before anything is rotated.
        check_service(service)
        parse_life(overlap or "0")
        if realm:
            check_realm(realm)


def changed_ring(office: Office, now: datetime, *, rotate: bool, overlap: str, compromised: bool) -> KeyRing:
    """The keys, after what was asked for has been done to them."""
    if compromised:
        return office.keys.replace(now)
    if rotate:
        return office.keys.rotate(now, parse_life(overlap) if overlap else MAX_ONCE_LIFE)
    return office.keys.ready(now).ring


def export(
    ring: KeyRing, now: datetime, consumer: object, output: Path | None, *, realm: str, service: str
) -> tuple[Path, ...]:
    """Write what a registry needs; where it is. Nothing where nothing was asked for."""
    if consumer is None or output is None:
        return ()
    if str(consumer) == "docker-registry":
        return exporting.for_docker_registry(ring, now, realm=realm, service=service).write(output)
    return exporting.as_key_set(ring, now).write(output)
