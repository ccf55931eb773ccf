"""`airgap-import policy`: the first policy, what one says, its successor, and what is revoked."""

from pathlib import Path
from typing import Annotated

import typer

from airgap_bundle.cli import frame, options
from airgap_bundle.cli.program import Program
from airgap_bundle.output.terminal import Terminal

Output = Annotated[
    Path, typer.Option("--output", "-o", metavar="FILE", help="The policy to write.", show_default=False)
]


def add_policy(app: Program) -> None:
    """Add the group to `airgap-import`."""
    group = frame.add_group(app, "policy", "The policy: what the inside trusts.")
    frame.command(
        group,
        "init",
        examples="""
        airgap-import policy init --openpgp release.asc -o policy.yaml
        """,
    )(_init)
    frame.command(
        group,
        "show",
        examples="""
        airgap-import policy show --policy policy.yaml
        """,
    )(_show)
    frame.command(
        group,
        "update",
        examples="""
        gpg --detach-sign policy-4.yaml
        airgap-import policy update policy-4.yaml --signature policy-4.yaml.sig
        """,
    )(_update)
    frame.command(
        group,
        "revoke",
        examples="""
        airgap-import policy revoke -o policy-4.yaml \\
          --key 9B6F3C0E5E5A6D3C7F0B1F4E8A2D4C6E8F0A1B2C
        airgap-import policy revoke -o policy-4.yaml --bundle sha256:BUNDLE_ID
        """,
    )(_revoke)


def _init(
    openpgp: Annotated[
        Path,
        typer.Option(
            "--openpgp",
            metavar="KEY.asc",
            help="The signer's OpenPGP key, as 'gpg --armor --export' writes it.",
            show_default=False,
        ),
    ],
    output: Output,
    signer: Annotated[str, typer.Option("--signer", metavar="NAME", help="What the signer is called.")] = "release",
    *,
    terminal: Terminal,
) -> None:
    """Write the simplest policy: one signer who holds every role, every product, every repository."""
    from airgap_bundle.boundary import policies
    from airgap_bundle.cli import import_text

    import_text.show_new_policy(policies.write_initial_policy(openpgp, output, signer), output, terminal)


def _show(policy: options.PolicyFile = None, *, terminal: Terminal) -> None:
    """Say whom the policy trusts with what, and what of it ends within 60 days."""
    from airgap_bundle.boundary import verifying
    from airgap_bundle.cli import clock, policy_text

    policy_text.show_policy(verifying.find_policy(policy, terminal.report), clock.now(), terminal)


def _update(
    new: Annotated[Path, typer.Argument(metavar="NEW", help="The policy that takes over.", show_default=False)],
    signature: Annotated[
        list[Path] | None,
        typer.Option(
            "--signature", metavar="FILE", help="A signature over NEW; repeatable. NEW.signatures/ counts too."
        ),
    ] = None,
    destination: Annotated[
        list[str] | None,
        typer.Option("--destination", metavar="DEST", help="Only here; repeatable. [wherever the old policy counts]"),
    ] = None,
    old: Annotated[
        Path | None,
        typer.Option("--old", metavar="FILE", help="The policy that counted so far. [the one of --policy]"),
    ] = None,
    policy: options.PolicyFile = None,
    state: options.StateDirectory = None,
    *,
    terminal: Terminal,
) -> None:
    """Let a policy of a higher version, signed by the root role of the old one, take over at destinations.

    Signatures are made with gpg --detach-sign, or with cosign sign-blob --bundle. NEW stays where it is: put it in the
    place of the old one afterwards.
    """
    from airgap_bundle.boundary import policies, verifying
    from airgap_bundle.boundary.destination import Destination
    from airgap_bundle.boundary.policy_update import UpdateRequest, update_policy
    from airgap_bundle.cli import clock, policy_text

    before = verifying.find_policy(policy, terminal.report) if old is None else policies.read_old_policy(old)
    request = UpdateRequest(
        new=new,
        signatures=tuple(signature or ()),
        destinations=tuple(str(Destination.parse(text)) for text in destination or ()),
        state=state,
    )
    now = clock.now()
    policy_text.show_update(update_policy(request, before, now), now, terminal)


def _revoke(
    output: Output,
    key: Annotated[
        list[str] | None,
        typer.Option("--key", metavar="KEY", help="Fingerprint, SHA-256, identity, or signer; repeatable."),
    ] = None,
    bundle: Annotated[
        list[str] | None, typer.Option("--bundle", metavar="BUNDLE_ID", help="A bundle's id; repeatable.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            "--since", metavar="DATE", help="An identity's signatures that are proven to be older still count."
        ),
    ] = None,
    policy: options.PolicyFile = None,
    *,
    terminal: Terminal,
) -> None:
    """Write the successor of the policy that revokes keys or bundles, to be signed by its root role."""
    from airgap_bundle.boundary import policies, verifying
    from airgap_bundle.cli import clock, policy_text, requests

    current = verifying.find_policy(policy, terminal.report)
    bundles = [requests.read_bundle_id("--bundle", text) for text in bundle or ()]
    written = policies.write_revocation(current, key or (), bundles, since, output)
    policy_text.show_revocation(current, written, output, clock.now(), terminal)
