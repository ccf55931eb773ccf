"""`airgap-import serve`: the embedded registry, and what it takes to be heard beyond this machine."""

from pathlib import Path
from typing import Annotated

import typer

from airgap_bundle.cli import frame, options
from airgap_bundle.cli.program import Program
from airgap_bundle.cli.serve_options import Tls, Users, admission, spell_out
from airgap_bundle.cli.token_serving import Tokens, check_combination
from airgap_bundle.output.terminal import Terminal
from airgap_bundle.registry.serving.access_log import LogFormat
from airgap_bundle.registry.serving.limits import PEER_CONNECTIONS


def add_serve(app: Program) -> None:
    """Add `serve` to the program."""
    frame.command(
        app,
        "serve",
        rewrite=spell_out,
        examples="""
        airgap-import serve /srv/registry
        airgap-import serve /srv/registry --listen 127.0.0.1:5001 --allow-push

        airgap-import serve /srv/registry --listen 0.0.0.0:5000 \\
          --tls-cert tls.crt --tls-key tls.key --htpasswd users \\
          --anonymous-pull --allow-push 'alice:acme/**'

        airgap-import token issue ci-acme --scope 'acme/**:pull,push'
        airgap-import serve /srv/registry --listen 0.0.0.0:5000 \\
          --tls-cert tls.crt --tls-key tls.key --tokens --allow-push
        """,
    )(serve)


def serve(
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="Where its content is kept; made if missing.", show_default=False)
    ],
    listen: Annotated[
        str,
        typer.Option(
            "--listen",
            envvar="AIRGAP_LISTEN",
            metavar="HOST:PORT",
            help="Beyond loopback it needs TLS and logins; port 0 is a free one.",
        ),
    ] = "127.0.0.1:5000",
    *,
    tls: Tls,
    users: Users,
    tokens: Tokens,
    peer_connections: Annotated[
        int,
        typer.Option("--peer-connections", min=1, max=400, metavar="N", help="Connections from one address at a time."),
    ] = PEER_CONNECTIONS,
    log_format: Annotated[
        LogFormat,
        typer.Option("--log-format", envvar="AIRGAP_LOG_FORMAT", help="The line for each request, on standard error."),
    ] = LogFormat.TEXT,
    policy: options.PolicyFile = None,
    terminal: Terminal,
) -> None:
    """Serve an OCI registry on a directory, until Ctrl-C. Read-only unless it is told otherwise.

    With ?ns=HOST it is a mirror of every host that was imported. /healthz and /metrics are for those who watch it, and
    / is the page that report writes, for those who may list everything.
    """
    from airgap_bundle.cli import report_page, serve_text, token_counter
    from airgap_bundle.registry import server
    from airgap_bundle.registry.serving.limits import Limits

    files = tls.files()
    check_combination(tokens, others=bool(users.htpasswd or users.anonymous_pull or users.pushers().rules))
    with token_counter.token_counter(tokens, is_tls=files is not None, address=lambda: running.address) as counter:
        doorkeeper = admission(users, files) if counter is None else counter.admission
        pages = report_page.report_pages(lambda: running.registry.storage, tokens.state, policy)
        running = server.RegistryServer(
            directory,
            listen,
            allow_push=users.pushers().any_rule,
            admission=doorkeeper,
            pages=pages if counter is None else {**pages, **counter.pages},
            tls=files,
            without_tls=tls.without_tls,
            without_login=users.without_login,
            limits=Limits(peer_connections=peer_connections),
            log=terminal.say,
            log_format=log_format,
        )
        serve_text.warn_of_exposure(running, terminal, logins=doorkeeper is not None)
        server.serve(
            running,
            ready=lambda started: serve_text.show_serving(
                started, directory, terminal, users=users, logins=doorkeeper is not None, tokens=tokens
            ),
        )
