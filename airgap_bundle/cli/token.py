"""`airgap-import token`: who has a login at the registry, for what, until when; and the keys that sign tokens."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from airgap_bundle.cli import frame, options
from airgap_bundle.cli.program import Program
from airgap_bundle.output.terminal import Terminal

Name = Annotated[str, typer.Argument(metavar="NAME", help="The identity: lower case letters, digits, dots, dashes.")]
Service = Annotated[
    str,
    typer.Option(
        "--service", envvar="AIRGAP_SERVICE", metavar="NAME", help="The registry that tokens are for, as it is called."
    ),
]
KeysDirectory = Annotated[
    Path | None,
    typer.Option(
        "--keys",
        envvar="AIRGAP_TOKEN_KEYS",
        metavar="DIR",
        help="Where the signing keys are kept, instead of the state directory.",
    ),
]


class Consumer(StrEnum):
    """Who checks tokens by itself."""

    DOCKER_REGISTRY = "docker-registry"
    JWKS = "jwks"


def add_token(app: Program) -> None:
    """Add the group to `airgap-import`."""
    group = frame.add_group(app, "token", "Logins for the registry, offline.")
    for name, examples, body in _COMMANDS:
        frame.command(group, name, examples=examples)(body)


def _issue(
    name: Name,
    scope: Annotated[
        list[str] | None,
        typer.Option(
            "--scope", metavar="PATTERN:ACTION[,ACTION]", help="What it may do: pull, push, delete; repeatable."
        ),
    ] = None,
    service: Annotated[
        list[str] | None,
        typer.Option(
            "--service",
            envvar="AIRGAP_SERVICE",
            metavar="NAME",
            help="[airgap-registry] The registry it is for; repeatable.",
        ),
    ] = None,
    until: Annotated[
        str, typer.Option("--until", metavar="DATE|90d", help="[365d] When it ends.", show_default=False)
    ] = "",
    life: Annotated[
        str,
        typer.Option("--life", metavar="5m", help="[5m] How long its tokens last: 1m to 1h, with --once to 24h."),
    ] = "",
    note: Annotated[
        str, typer.Option("--note", metavar="TEXT", help="Whose it is, for people.", show_default=False)
    ] = "",
    renew: Annotated[
        bool, typer.Option("--renew", help="Give an identity a new credential; the old one stops at once.")
    ] = False,
    once: Annotated[
        bool, typer.Option("--once", help="Hand out one token instead, which cannot be refreshed.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Write the credential to a new file for its owner alone."),
    ] = None,
    state: options.StateDirectory = None,
    keys: KeysDirectory = None,
    *,
    terminal: Terminal,
) -> None:
    """Register an identity and print its credential, this once: the password for docker, podman and helm login.

    Patterns are those of the policy: acme/** is everything below acme, ** everything. push brings pull with it.
    """
    from airgap_bundle.boundary.tokens.office import Office
    from airgap_bundle.cli import clock, token_requests, token_text

    now = clock.now()
    wish = token_requests.read_wish(name, now, scopes=scope, services=service, until=until, life=life, note=note)
    token_requests.check_kind(renew=renew, once=once, until=until)
    with token_requests.secret_file(output) as write:
        issued = token_requests.issue(Office.open(state, keys).issuer, wish, now, renew=renew, once=once)
        if write is not None:
            write(issued.credential)
    token_text.show_issued(issued, output, terminal)


def _revoke(
    name: Name,
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="Why; kept in the audit trail.", show_default=False)
    ] = "",
    state: options.StateDirectory = None,
    *,
    terminal: Terminal,
) -> None:
    """Take back an identity: its credential and every token of it are refused at the very next request."""
    from airgap_bundle.boundary.tokens.office import Office
    from airgap_bundle.cli import clock, token_requests, token_text

    now = clock.now()
    with token_requests.options_of_person():
        identity = Office.open(state).issuer.revoke(name, reason, now)
    token_text.show_revoked(identity, now, terminal)


def _list(
    every: Annotated[bool, typer.Option("--all", help="Those that were revoked or have ended too.")] = False,
    state: options.StateDirectory = None,
    *,
    terminal: Terminal,
) -> None:
    """Show the identities: what they may do, until when, and when they were last used."""
    from airgap_bundle.boundary.tokens.office import Office
    from airgap_bundle.cli import clock, token_text

    identities = Office.open(state).identities
    now = clock.now()
    shown = [one for one in identities.every() if every or one.state(now) == "active"]
    token_text.show_identities([(one, identities.last_used(one.name)) for one in shown], now, terminal)


def _keys(
    rotate: Annotated[bool, typer.Option("--rotate", help="Let the next key sign, and make another next one.")] = False,
    overlap: Annotated[
        str,
        typer.Option("--overlap", metavar="24h", help="[24h] How long the key that signed is accepted after --rotate."),
    ] = "",
    compromised: Annotated[
        bool, typer.Option("--compromised", help="New keys at once; refuse every token that was ever issued.")
    ] = False,
    consumer: Annotated[
        Consumer | None,
        typer.Option("--for", help="Write what a registry needs that checks tokens by itself; with -o."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="DIR", help="The directory for --for.")
    ] = None,
    realm: Annotated[
        str,
        typer.Option("--realm", envvar="AIRGAP_REALM", metavar="URL", help="The token endpoint, as clients see it."),
    ] = "",
    service: Service = "airgap-registry",
    state: options.StateDirectory = None,
    keys: KeysDirectory = None,
    *,
    terminal: Terminal,
) -> None:
    """Show the signing keys, rotate them, and write what other registries need to check tokens.

    There is always a next key, which is handed out before it signs: give registries new files after each rotation, and
    the one after that interrupts nobody.
    """
    from airgap_bundle.boundary.tokens.office import Office
    from airgap_bundle.cli import clock, token_requests, token_text

    token_requests.check_keys_options(
        rotate=rotate,
        overlap=overlap,
        compromised=compromised,
        consumer=consumer,
        output=output,
        realm=realm,
        service=service,
    )
    now = clock.now()
    office = Office.open(state, keys)
    ring = token_requests.changed_ring(office, now, rotate=rotate, overlap=overlap, compromised=compromised)
    written = token_requests.export(ring, now, consumer, output, realm=realm, service=service)
    token_text.show_keys(ring, office.keys.path, written, now, terminal)


def _verify(
    token: Annotated[
        Path, typer.Argument(metavar="FILE", help="A file with a token, or - for standard input.", show_default=False)
    ],
    scope: Annotated[
        list[str] | None,
        typer.Option("--scope", metavar="repository:NAME:ACTION", help="What it has to allow; repeatable."),
    ] = None,
    service: Service = "airgap-registry",
    state: options.StateDirectory = None,
    keys: KeysDirectory = None,
    *,
    terminal: Terminal,
) -> None:
    """Say whether a token counts here and now, for whom and for what; and if not, why. Asks nobody."""
    from airgap_bundle.boundary.tokens.checking import check_token
    from airgap_bundle.boundary.tokens.office import Office
    from airgap_bundle.cli import clock, token_requests, token_text

    text = token_requests.read_token(token)
    with token_requests.options_of_person():
        verified = check_token(Office.open(state, keys), text, service=service, scopes=scope or (), now=clock.now())
    token_text.show_verified(verified, terminal)


_COMMANDS = (
    (
        "issue",
        """
        airgap-import token issue ci-plane --scope 'plane/**:pull,push' --until 90d
        airgap-import token issue site-a --scope '**:pull' -o site-a.credential
        airgap-import token issue site-a --renew
        airgap-import token issue job-4711 --once --scope acme/app:pull --life 15m
        podman login -u ci-plane --password-stdin registry.internal < credential
        """,
        _issue,
    ),
    ("revoke", "airgap-import token revoke ci-plane --reason 'the runner was replaced'", _revoke),
    ("list", "airgap-import token list\nairgap-import token list --all --format json", _list),
    (
        "keys",
        """
        airgap-import token keys
        airgap-import token keys --for docker-registry -o registry-files \\
          --realm https://tokens.internal:5443/token --service registry.internal
        airgap-import token keys --rotate --for docker-registry -o registry-files \\
          --realm https://tokens.internal:5443/token --service registry.internal
        """,
        _keys,
    ),
    ("verify", "airgap-import token verify token.txt --scope repository:acme/app:pull", _verify),
)
