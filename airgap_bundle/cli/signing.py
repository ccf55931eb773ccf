"""Signing on the command line of `airgap-export`: the options of `build` and `sign`, and the commands about it."""

from pathlib import Path
from typing import Annotated

import typer

from airgap_bundle.cli import frame
from airgap_bundle.cli.program import Program
from airgap_bundle.core.errors import UsageError
from airgap_bundle.output.terminal import Terminal

Sign = Annotated[
    list[str] | None,
    typer.Option(
        "--sign", metavar="HOW", help="gpg:KEY (fingerprint or e-mail address), keyless, or key:FILE; repeatable."
    ),
]
TrustConfig = Annotated[
    Path | None,
    typer.Option(
        "--trust-config",
        envvar="AIRGAP_TRUST_CONFIG",
        metavar="FILE",
        help="A private Sigstore instance (ClientTrustConfig, JSON), instead of the public one.",
    ),
]
IdentityToken = Annotated[
    Path | None,
    typer.Option("--identity-token", metavar="FILE", help="Sign keyless with the identity token in this file."),
]
PassphraseFd = Annotated[
    int | None,
    typer.Option("--passphrase-fd", metavar="N", min=0, help="Read the passphrase of key:FILE from this descriptor."),
]
BundleFile = Annotated[
    Path, typer.Argument(metavar="BUNDLE", help="The bundle, or one of its volumes.", show_default=False)
]


def add_signing(app: Program) -> None:
    """Add the commands to `airgap-export`."""
    frame.command(
        app,
        "sign",
        examples="""
        airgap-export sign acme-1.0.0.tar --sign gpg:second@example.com
        airgap-export sign acme-1.0.0.tar --inventory-only inventory.json
        airgap-export sign acme-1.0.0.tar --attach inventory.json.sig
        """,
    )(_sign)
    frame.command(
        app,
        "trusted-root",
        examples="""
        airgap-export trusted-root -o trusted_root.json
        airgap-export trusted-root -o trusted_root.json \\
          --trust-config sigstore.corp.json
        """,
    )(_trusted_root)


def _sign(
    bundle: BundleFile,
    sign: Sign = None,
    inventory_only: Annotated[
        Path | None,
        typer.Option("--inventory-only", metavar="FILE", help="Write the bytes that are signed into FILE, and stop."),
    ] = None,
    attach: Annotated[
        list[Path] | None,
        typer.Option("--attach", metavar="FILE", help="Attach a signature that was made elsewhere; repeatable."),
    ] = None,
    key: Annotated[
        list[Path] | None,
        typer.Option("--key", metavar="FILE", help="A public key to check --attach with (OpenPGP or PEM); repeatable."),
    ] = None,
    trust_config: TrustConfig = None,
    identity_token: IdentityToken = None,
    passphrase_fd: PassphraseFd = None,
    *,
    terminal: Terminal,
) -> None:
    """Add a signature to a bundle, in place; its bundle id does not change.

    Whoever keeps the key elsewhere (a KMS, an HSM) gets the bytes with --inventory-only, and brings the signature back
    with --attach. A bundle that cannot be written to is signed beside it, in NAME.signatures/.
    """
    from airgap_bundle.cli import clock, export_text
    from airgap_bundle.connected import adding, attaching, signing

    if not sign and not attach and inventory_only is None:
        raise UsageError(
            "AB-USAGE-SIGN",
            "nobody to sign with was named",
            hint="add --sign gpg:KEY, such as gpg:release@example.com; or --inventory-only and --attach",
        )
    if inventory_only is not None:
        export_text.show_inventory(inventory_only, attaching.write_inventory(bundle, inventory_only), terminal)
        return
    options = signing.SigningOptions(
        trust_config=trust_config, identity_token=identity_token, passphrase_fd=passphrase_fd
    )
    signers = signing.find_signers(sign or (), options)
    attached = attaching.attach(bundle, attach, key or (), clock.now()) if attach else ()
    export_text.show_signed(bundle, (*attached, *adding.sign_existing(bundle, signers)), terminal)


def _trusted_root(
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="The file to write.", show_default=False)
    ],
    trust_config: TrustConfig = None,
    *,
    terminal: Terminal,
) -> None:
    """Write what the inside needs to verify keyless signatures: the trusted root that its policy pins."""
    from airgap_bundle.cli import export_text
    from airgap_bundle.connected import attaching
    from airgap_bundle.connected.keyless_signing import find_service

    service = find_service(trust_config)
    digest = attaching.write_new_file(output, service.trusted_root)
    export_text.show_trusted_root(service.name, output, digest, terminal)
