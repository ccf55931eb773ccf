"""`airgap-import`: the boundary side, from a medium to the registry inside, and the record of it."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from airgap_bundle.cli import bundle_options, frame, options
from airgap_bundle.core.errors import AirgapError
from airgap_bundle.output.terminal import Terminal

if TYPE_CHECKING:
    from airgap_bundle.trust.decision import Step

app = frame.make_app(
    "airgap-import",
    "Verify a bundle against the local policy, and load it into the registry.",
    examples="""
    airgap-import policy init --openpgp release.asc -o policy.yaml
    airgap-import verify acme-1.0.0.tar --policy policy.yaml
    airgap-import push acme-1.0.0.tar registry.internal:5000/mirror \\
      --policy policy.yaml
    """,
)

Bundle = Annotated[
    str,
    typer.Argument(
        metavar="BUNDLE",
        help="A bundle, its URL (https, s3), a volume or a directory of volumes, or - for standard input.",
        show_default=False,
    ),
]
Dest = Annotated[
    str,
    typer.Argument(metavar="DEST", help="HOST[:PORT][/PATH], or dir:PATH for a directory.", show_default=False),
]
AllowOlder = Annotated[
    str | None,
    typer.Option("--allow-older", metavar="BUNDLE_ID", help="Take this bundle although a newer one was here."),
]
AllowExpired = Annotated[
    str | None, typer.Option("--allow-expired", metavar="BUNDLE_ID", help="Take this bundle although it has expired.")
]
Reason = Annotated[
    str, typer.Option("--reason", metavar="TEXT", help="Why; kept in receipt and audit trail.", show_default=False)
]
Adopt = Annotated[
    bool, typer.Option("--adopt", help="The ledger was lost: go by the receipts in DEST. Needs --reason.")
]
FilesTo = Annotated[
    Path | None,
    typer.Option(
        "--files-to", metavar="DIR", help="Write the bundle's files into this directory too; nothing is overwritten."
    ),
]
Hold = Annotated[
    bool, typer.Option("--hold", help="Bring in everything but the tags; airgap-import publish moves them.")
]
Only = Annotated[
    list[str] | None,
    typer.Option("--only", metavar="NAME", help="Bring in only these items (name or pattern, repeatable): partial."),
]
Deep = Annotated[
    bool, typer.Option("--deep", help="Read and hash what the destination has already, not only ask for it.")
]


@frame.command(
    app,
    "inspect",
    examples="""
    airgap-import inspect acme-1.0.0.tar
    airgap-import inspect acme-1.0.0.tar --format json
    airgap-import inspect acme-1.0.0.tar --format cyclonedx > acme.cdx.json
    airgap-import inspect https://drop.example.com/acme-1.0.0.tar
    """,
    formats=options.InspectFormat,
)
def inspect(bundle: Bundle, *, source: bundle_options.LoneBundleOptions, terminal: Terminal) -> None:
    """Show what a bundle holds. Nothing of that is verified, and nothing is trusted."""
    from airgap_bundle.cli.clients import lone_bundle_access
    from airgap_bundle.cli.inspect_text import show_inspection
    from airgap_bundle.transfer.inspection import inspect_bundle

    access = lone_bundle_access(source, terminal.report)
    show_inspection(inspect_bundle(bundle, check=False, report=terminal.report, access=access), terminal)


@frame.command(
    app,
    "verify",
    examples="""
    airgap-import verify acme-1.0.0.tar --policy policy.yaml
    airgap-import verify - --policy policy.yaml < /dev/st0
    airgap-import verify s3://deliveries/acme-1.0.0.tar --policy policy.yaml
    """,
)
def verify(
    bundle: Bundle,
    policy: options.PolicyFile = None,
    allow_expired: AllowExpired = None,
    reason: Reason = "",
    *,
    source: bundle_options.LoneBundleOptions,
    terminal: Terminal,
) -> None:
    """Check signatures, policy, freshness and every byte, and say what was checked. Changes nothing."""
    from airgap_bundle.boundary import verifying
    from airgap_bundle.cli import clients, clock, import_text, requests
    from airgap_bundle.transfer.remote.spelling import shown

    watch = clock.Stopwatch()
    access = clients.lone_bundle_access(source, terminal.report)
    overrides = requests.read_overrides(None, allow_expired, reason)
    believed = verifying.find_policy(policy, terminal.report)
    held: list[Step] = []
    try:
        verified, steps = verifying.verify_bundle(
            bundle, believed, clock.now(), terminal.report, overrides, held, access=access
        )
    except AirgapError:
        # How far it came is part of the evidence.
        import_text.show_steps(held, terminal)
        raise
    import_text.show_verdict(shown(bundle), verified, steps, watch.seconds, terminal)


@frame.command(
    app,
    "plan",
    examples="""
    airgap-import plan acme-1.0.0.tar registry.internal:5000/mirror \\
      --policy policy.yaml
    """,
)
def plan(
    bundle: Bundle,
    dest: Dest,
    policy: options.PolicyFile = None,
    state: options.StateDirectory = None,
    path_map: options.PathMap = None,
    jobs: options.Jobs = None,
    hold: Hold = False,
    only: Only = None,
    deep: Deep = False,
    allow_older: AllowOlder = None,
    allow_expired: AllowExpired = None,
    adopt: Adopt = False,
    reason: Reason = "",
    *,
    source: bundle_options.BundleOptions,
    connection: options.Connection,
    terminal: Terminal,
) -> None:
    """Check signatures and policy, and show what a push would do to the destination. Changes nothing there."""
    from airgap_bundle.boundary import importing
    from airgap_bundle.cli import import_text, requests

    request = requests.read_request(
        bundle,
        dest,
        report=terminal.report,
        policy=policy,
        state=state,
        path_map=path_map,
        connection=connection,
        source=source,
        jobs=jobs,
        allow_older=allow_older,
        allow_expired=allow_expired,
        adopt=adopt,
        reason=reason,
        hold=hold,
        only=only,
        deep=deep,
    )
    with importing.open_push(request, terminal.report) as push:
        import_text.show_plan(push.prepare(), terminal)


@frame.command(
    app,
    "push",
    examples="""
    airgap-import push acme-1.0.0.tar registry.internal:5000/mirror \\
      --policy policy.yaml
    airgap-import push acme-1.0.0.tar dir:/srv/registry --policy policy.yaml
    airgap-import push acme-1.0.0.tar registry.internal:5000 \\
      --map 'docker.io/**=infra/**'
    airgap-import push acme-1.0.0.tar registry.internal:5000 --files-to /srv/acme
    airgap-import push acme-1.0.0.tar registry.internal:5000 --hold
    airgap-import push /media/dvd1 registry.internal:5000 --media /media/dvd2
    airgap-import push /media/stick/acme.tar.001 registry.internal:5000 \\
      --wait-media 3600
    ssh diode cat acme.tar | airgap-import push - registry.internal:5000/mirror
    airgap-import push https://drop.example.com/acme-1.0.0.tar \\
      registry.internal:5000
    """,
)
def push(
    bundle: Bundle,
    dest: Dest,
    policy: options.PolicyFile = None,
    state: options.StateDirectory = None,
    dry_run: options.DryRun = False,
    path_map: options.PathMap = None,
    jobs: options.Jobs = None,
    limit_rate: options.LimitRate = None,
    files_to: FilesTo = None,
    hold: Hold = False,
    only: Only = None,
    deep: Deep = False,
    sign_receipt: options.SignReceipt = None,
    wait_lock: options.WaitLock = 0,
    allow_older: AllowOlder = None,
    allow_expired: AllowExpired = None,
    adopt: Adopt = False,
    reason: Reason = "",
    *,
    source: bundle_options.BundleOptions,
    connection: options.Connection,
    terminal: Terminal,
) -> None:
    """Verify a bundle and load it into the registry. No tag moves before all of it is there and checked.

    Interrupted, the same command goes on where it stopped; run again, it does nothing twice.
    """
    from airgap_bundle.boundary import importing
    from airgap_bundle.cli import clock, import_text, requests
    from airgap_bundle.transfer.remote.spelling import shown

    watch = clock.Stopwatch()
    request = requests.read_request(
        bundle,
        dest,
        report=terminal.report,
        policy=policy,
        state=state,
        path_map=path_map,
        connection=connection,
        source=source,
        jobs=jobs,
        allow_older=allow_older,
        allow_expired=allow_expired,
        adopt=adopt,
        reason=reason,
        limit_rate=limit_rate,
        wait_seconds=wait_lock,
        files_to=files_to,
        hold=hold,
        only=only,
        deep=deep,
        sign_receipt=sign_receipt,
    )
    with importing.open_push(request, terminal.report) as opened:
        if dry_run:
            import_text.show_plan(opened.prepare(), terminal)
        else:
            import_text.show_pushed(shown(bundle), opened.run(), watch.seconds, terminal)


app.offer_from("policy:add_policy", "policy")
app.offer_from("serve:add_serve", "serve")
app.offer_from("collect:add_collect", "collect")
app.offer_from("inside:add_inside", "status", "publish", "rollback", "promote", "drift", "holdings", "prune", "audit")
app.offer_from("relocate:add_relocate", "relocate")
app.offer_from("report:add_report", "report")
app.offer_from("token:add_token", "token")
app.offer_from("explain:add_explain", "explain")


def main() -> None:
    """Run `airgap-import`."""
    sys.exit(frame.run_app(app))
