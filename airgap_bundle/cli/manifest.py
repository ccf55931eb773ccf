"""`airgap-manifest`: what should travel; checked, locked, and explained to editors and CI."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from airgap_bundle.cli import check_formats, frame, options
from airgap_bundle.output.terminal import Terminal

app = frame.make_app(
    "airgap-manifest",
    "Check and lock manifests: the files that say what should travel.",
    examples="""
    airgap-manifest check acme.yaml
    airgap-manifest lock acme.yaml
    """,
)

_FINDINGS_STATUS = 1


@frame.command(
    app,
    "check",
    formats=check_formats.CheckFormat,
    examples="""
    airgap-manifest check acme.yaml
    airgap-manifest check --strict --discover --readiness acme.yaml
    airgap-manifest check manifests/*.yaml --format sarif > check.sarif
    airgap-manifest check --online --base base.yaml acme.yaml
    """,
)
def check(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Manifests or overlays.", show_default=False)],
    strict: Annotated[bool, typer.Option("--strict", help="Let warnings fail the check too.")] = False,
    select: Annotated[
        list[str] | None, typer.Option("--select", metavar="CODE", help="Only these rules; repeatable, or with commas.")
    ] = None,
    ignore: Annotated[
        list[str] | None, typer.Option("--ignore", metavar="CODE", help="Not these rules; repeatable, or with commas.")
    ] = None,
    fix: Annotated[bool, typer.Option("--fix", help="Mend what means the same afterwards, then check.")] = False,
    discover: Annotated[
        bool, typer.Option("--discover", help="Look into the charts and workloads beside it for images.")
    ] = False,
    readiness: Annotated[
        bool, typer.Option("--readiness", help="Look in them for what would fail without a network.")
    ] = False,
    base: Annotated[
        Path | None,
        typer.Option("--base", metavar="FILE", help="The manifest before a change: say what loosened."),
    ] = None,
    overlay: options.Overlay = None,
    allow_registry: Annotated[
        list[str] | None,
        typer.Option("--allow-registry", metavar="PATTERN", help="Only these, such as 'ghcr.io/acme/**'; repeatable."),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option("--allow-host", metavar="PATTERN", help="A host that is inside, such as '*.corp'; repeatable."),
    ] = None,
    volume_size: Annotated[
        str, typer.Option("--volume-size", metavar="SIZE", help="The medium: fat32, dvd, or 32GB. Needs --online.")
    ] = "",
    online: Annotated[bool, typer.Option("--online", help="Ask the registries whether everything is there.")] = False,
    *,
    connection: options.SourceConnection,
    terminal: Terminal,
) -> int:
    """Lint manifests, without a network unless --online is given.

    Exit status 1 means findings, 2 that a file is no manifest at all, whatever the format.
    """
    from airgap_bundle.cli import check_run, clients, clock

    asked = check_run.Asked(
        files=files,
        strict=strict,
        fix=fix,
        wanted=check_run.wanted(
            now=int(clock.now().timestamp()),
            select=select,
            ignore=ignore,
            base=base,
            overlay=overlay,
            allowed_registries=tuple(allow_registry or ()),
            allowed_hosts=tuple(allow_host or ()),
            discover=discover,
            readiness=readiness,
            volume_size=volume_size,
            online=online,
        ),
    )
    client = clients.connected_options(
        connection,
        report=terminal.report,
    )
    return check_run.run(asked, client if online else None, terminal)


@frame.command(
    app,
    "lock",
    examples="""
    airgap-manifest lock acme.yaml
    airgap-manifest lock acme.yaml --update docker.io/library/redis
    airgap-manifest lock acme.yaml --check
    airgap-manifest lock acme.yaml --overlay customers/north.yaml
    """,
)
def lock(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The manifest.", show_default=False)],
    check: Annotated[bool, typer.Option("--check", help="Only say whether the lock fits; status 1 if not.")] = False,
    update: Annotated[
        list[str] | None,
        typer.Option("--update", metavar="NAME", help="Look up this one again, by reference or name; repeatable."),
    ] = None,
    update_all: Annotated[bool, typer.Option("--update-all", help="Look up everything again.")] = False,
    overlay: options.Overlay = None,
    *,
    connection: options.SourceConnection,
    terminal: Terminal,
) -> int:
    """Resolve every name to the digests it has today, and write them beside the manifest.

    What is locked stays as it is until its entry changes or --update asks for it.
    """
    from airgap_bundle.cli import clients, clock, manifest_text
    from airgap_bundle.connected import building
    from airgap_bundle.connected.locking import Refresh
    from airgap_bundle.connected.project import open_project
    from airgap_bundle.connected.workshop import workshop

    project = open_project(file, overlay)
    if check:
        return manifest_text.show_staleness(project, terminal)
    client = clients.connected_options(
        connection,
        report=terminal.report,
    )
    with workshop(client, None, terminal.report) as shop:
        refresh = Refresh(names=tuple(update or ()), everything=update_all)
        made, changed = building.make_lock(project, shop, clock.now(), refresh)
    manifest_text.show_lock(project, made, terminal, changed=changed)
    return 0


@frame.command(
    app,
    "discover",
    examples="""
    airgap-manifest discover charts/app deploy/compose.yaml
    airgap-manifest discover app-1.0.0.tgz --values prod.yaml --format json
    airgap-manifest discover app-1.0.0.tgz --online
    """,
)
def discover(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH...",
            help="Charts, Compose files, Kubernetes manifests, kustomizations, Dockerfiles, lists; or a directory.",
            show_default=False,
        ),
    ],
    values: Annotated[
        list[Path] | None,
        typer.Option("--values", "-f", metavar="FILE", help="Values for the charts; repeatable, the last one wins."),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option("--allow-host", metavar="PATTERN", help="A host that is inside, such as '*.corp'; repeatable."),
    ] = None,
    online: Annotated[bool, typer.Option("--online", help="Ask the registries which guesses exist.")] = False,
    *,
    connection: options.SourceConnection,
    terminal: Terminal,
) -> None:
    """Find the images in charts and deployments, and say where each was found.

    What is deployed, what only a switch turns on and what is a guess are listed apart, and so is what could not be
    resolved and what would fail inside although every image arrived. Of a directory with a kustomization what that
    deploys is read; the files below that it leaves out are named.
    """
    from airgap_bundle.cli import clients, discover_text
    from airgap_bundle.connected.discovering import confirmed, discover_paths
    from airgap_bundle.connected.workshop import workshop

    found = discover_paths(paths, values or (), allow_host or ())
    if online:
        client = clients.connected_options(
            connection,
            report=terminal.report,
        )
        with workshop(client, None, terminal.report) as shop:
            found = confirmed(found, shop.sources, shop.executor, terminal.report)
    discover_text.show_discovery(found, terminal)


@frame.command(
    app,
    "diff",
    formats=check_formats.DiffFormat,
    examples="""
    airgap-manifest diff old.lock.yaml acme.lock.yaml
    airgap-manifest diff acme-1.0.0.tar acme-1.1.0.tar --format markdown
    """,
)
def diff(
    old: Annotated[Path, typer.Argument(metavar="OLD", help="A manifest, lock or bundle.", show_default=False)],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="A manifest, lock or bundle.", show_default=False)],
    online: Annotated[bool, typer.Option("--online", help="Ask the registries for the sizes behind locks.")] = False,
    *,
    connection: options.SourceConnection,
    terminal: Terminal,
) -> None:
    """Say what was added, removed and changed between two deliveries.

    A difference is no failure: the exit status is 0. Nothing that a bundle says of itself is verified here.
    """
    from contextlib import ExitStack

    from airgap_bundle.cli import clients, diff_text
    from airgap_bundle.connected.comparing import load_side
    from airgap_bundle.connected.workshop import workshop
    from airgap_bundle.manifest.diff import compare

    with ExitStack() as stack:
        shop = None
        if online:
            client = clients.connected_options(
                connection,
                report=terminal.report,
            )
            shop = stack.enter_context(workshop(client, None, terminal.report))
        found = compare(load_side(old, shop), load_side(new, shop))
    diff_text.show_diff(found, terminal)


@frame.command(
    app,
    "convert",
    examples="""
    airgap-manifest convert zarf.yaml > acme.yaml
    airgap-manifest convert images.txt --name acme --release 1.0.0
    """,
)
def convert(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The manifest of another tool.", show_default=False)],
    source: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="KIND",
            help="What it is: hauler, zarf, oc-mirror, skopeo, regsync, imgpkg, images-lock, list.",
        ),
    ] = "",
    name: Annotated[
        str, typer.Option("--name", metavar="NAME", help="The product; default is what the file says.")
    ] = "",
    release: Annotated[
        str, typer.Option("--release", metavar="VERSION", help="Its version; default is what the file says.")
    ] = "",
    *,
    terminal: Terminal,
) -> None:
    """Turn the manifest of another tool into one of ours, on standard output.

    What could not be carried over is said, and stands in the new manifest as comments.
    """
    from airgap_bundle.cli import convert_text
    from airgap_bundle.manifest.convert import convert_document
    from airgap_bundle.manifest.model import read_document

    converted = convert_document(read_document(file), file.name, kind=source, name=name, release=release)
    convert_text.show_converted(converted, terminal)


@frame.command(
    app,
    "schema",
    examples="""
    airgap-manifest schema > manifest.v1.schema.json
    """,
)
def schema(
    overlay: Annotated[bool, typer.Option("--overlay", help="The schema of overlays instead.")] = False,
    *,
    terminal: Terminal,
) -> None:
    """Print the JSON Schema of manifests, for editors."""
    from importlib import resources

    name = "overlay.v1.schema.json" if overlay else "manifest.v1.schema.json"
    terminal.write(resources.files("airgap_bundle.manifest").joinpath(name).read_text("utf-8"))


app.offer_from("explain:add_explain", "explain")


def main() -> None:
    """Run `airgap-manifest`."""
    sys.exit(frame.run_app(app))
