"""The options of `serve` that are about tokens."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from airgap_bundle.cli import options
from airgap_bundle.cli.groups import option_group
from airgap_bundle.core.errors import UsageError


@option_group
@dataclass(frozen=True, kw_only=True, slots=True)
class Tokens:
    """Whether tokens are asked for and issued, and under which names."""

    tokens: Annotated[
        bool,
        typer.Option("--tokens", help="Ask for tokens, and issue them at /token to the identities of token issue."),
    ] = False
    service: Annotated[
        str,
        typer.Option(
            "--service", envvar="AIRGAP_SERVICE", metavar="NAME", help="What tokens call this registry, with --tokens."
        ),
    ] = "airgap-registry"
    realm: Annotated[
        str,
        typer.Option(
            "--realm",
            envvar="AIRGAP_REALM",
            metavar="URL",
            help="Where clients get tokens. [/token at the name by which they came]",
        ),
    ] = ""
    keys: Annotated[
        Path | None,
        typer.Option(
            "--keys",
            envvar="AIRGAP_TOKEN_KEYS",
            metavar="DIR",
            help="Where the signing keys are kept, instead of the state directory.",
        ),
    ] = None
    state: options.StateDirectory = None


def check_combination(given: Tokens, *, others: bool) -> None:
    """Refuse tokens beside logins of another kind: `others` is whether there are any, or rules about them."""
    if given.tokens and others:
        raise UsageError(
            "AB-SERVE-OPTIONS",
            "--tokens excludes --htpasswd, --anonymous-pull and --allow-push USER:REPOSITORIES:"
            " the scopes of the identities say who may do what",
            hint="leave those out; airgap-import token issue NAME --scope 'acme/**:pull,push' takes their place",
        )
