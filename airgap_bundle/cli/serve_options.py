"""The options of `serve` that belong together: what protects the line, and who is let in."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from airgap_bundle.cli.groups import option_group
from airgap_bundle.core.errors import InvalidValueError, UsageError

if TYPE_CHECKING:
    from airgap_bundle.registry.admission import Admission
    from airgap_bundle.registry.serving.pushers import Pushers
    from airgap_bundle.registry.serving.tls import TlsFiles

# What follows `--allow-push` where it says who and where; a directory has no colon before its first slash.
_PUSH_RULE = re.compile(r"[^-/:\s][^/:\s]*:\S+")


@option_group
@dataclass(frozen=True, kw_only=True, slots=True)
class Tls:
    """What the line is protected with."""

    tls_cert: Annotated[
        Path | None,
        typer.Option(
            "--tls-cert",
            envvar="AIRGAP_TLS_CERT",
            metavar="FILE",
            help="Certificate with its chain (PEM); renew freely.",
        ),
    ] = None
    tls_key: Annotated[
        Path | None,
        typer.Option("--tls-key", envvar="AIRGAP_TLS_KEY", metavar="FILE", help="Key of the certificate (PEM)."),
    ] = None
    client_ca: Annotated[
        Path | None,
        typer.Option(
            "--client-ca",
            envvar="AIRGAP_CLIENT_CA",
            metavar="FILE",
            help="Let in only clients with a certificate by this authority (PEM); its common name is the user.",
        ),
    ] = None
    without_tls: Annotated[
        bool,
        typer.Option(
            "--without-tls", help="Listen in plain HTTP: whoever is on the way can read and change all of it."
        ),
    ] = False

    def files(self) -> "TlsFiles | None":
        """Where they are; `None` for plain HTTP. Raises `UsageError` for half of it."""
        from airgap_bundle.registry.serving.tls import TlsFiles

        if self.tls_cert is None or self.tls_key is None:
            if self.tls_cert or self.tls_key or self.client_ca:
                raise UsageError(
                    "AB-SERVE-OPTIONS",
                    "--tls-cert and --tls-key belong together, and --client-ca needs both",
                    hint="give all of them, or none to listen on this machine only",
                )
            return None
        return TlsFiles(certificate=self.tls_cert, key=self.tls_key, client_ca=self.client_ca)


@option_group
@dataclass(frozen=True, kw_only=True, slots=True)
class Users:
    """Who is let in, and who may push where."""

    htpasswd: Annotated[
        Path | None,
        typer.Option(
            "--htpasswd",
            envvar="AIRGAP_HTPASSWD",
            metavar="FILE",
            help="Users and passwords, as htpasswd -B writes them.",
        ),
    ] = None
    anonymous_pull: Annotated[
        bool, typer.Option("--anonymous-pull", help="Let nodes pull without a login; pushing and listing need one.")
    ] = False
    allow_push: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-push",
            metavar="[USER:REPOSITORIES]",
            help="Let this user push to and delete in repositories such as 'acme/**'; repeatable, * is every user. "
            "Alone: whoever is let in.",
        ),
    ] = None
    without_login: Annotated[
        bool, typer.Option("--without-login", help="Let in whoever reaches it, from any machine.")
    ] = False

    def pushers(self) -> "Pushers":
        """The rules. Raises `UsageError` for what is none."""
        from airgap_bundle.registry.serving.pushers import Pushers, PushRule

        given = self.allow_push or []
        try:
            rules = tuple(PushRule.parse(text) for text in given if text)
        except InvalidValueError as error:
            hint = "an example is --allow-push 'alice:acme/**'"
            raise UsageError("AB-SERVE-OPTIONS", f"--allow-push: {error}", hint=hint) from error
        return Pushers(rules=rules, anybody="" in given)


def admission(users: Users, tls: "TlsFiles | None") -> "Admission | None":
    """Who decides; `None` where everybody is let in. Raises `UsageError` for rules about users where there are none."""
    from airgap_bundle.registry.serving.htpasswd import Htpasswd
    from airgap_bundle.registry.serving.logins import Logins

    pushers = users.pushers()
    has_certificates = tls is not None and tls.client_ca is not None
    if users.htpasswd is None and not has_certificates:
        if users.anonymous_pull or pushers.rules:
            raise UsageError(
                "AB-SERVE-OPTIONS",
                "--anonymous-pull and --allow-push USER:REPOSITORIES are about logins, and there are none",
                hint="give --htpasswd FILE, --client-ca FILE or --tokens",
            )
        return None
    passwords = None if users.htpasswd is None else Htpasswd(users.htpasswd)
    return Logins(passwords, pushers, anonymous_pull=users.anonymous_pull)


def spell_out(arguments: list[str]) -> list[str]:
    """The command line with an empty value for each `--allow-push` that stands alone."""
    spelled: list[str] = []
    for place, word in enumerate(arguments):
        if word == "--":
            return spelled + arguments[place:]
        following = arguments[place + 1] if place + 1 < len(arguments) else ""
        is_alone = word == "--allow-push" and _PUSH_RULE.fullmatch(following) is None
        spelled.append("--allow-push=" if is_alone else word)
    return spelled
