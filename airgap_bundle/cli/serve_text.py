"""What `serve` says: where it answers, to whom, and what was given up."""

from pathlib import Path
from typing import TYPE_CHECKING

from airgap_bundle.output.terminal import Terminal
from airgap_bundle.registry.serving.listening import is_loopback

if TYPE_CHECKING:
    from airgap_bundle.cli.serve_options import Users
    from airgap_bundle.cli.token_serving import Tokens
    from airgap_bundle.registry.server import RegistryServer


def warn_of_exposure(running: "RegistryServer", terminal: Terminal, *, logins: bool) -> None:
    """Say what anybody on the network can do, where that was asked for by name."""
    if is_loopback(running.host):
        return
    if running.scheme == "http":
        words = "; passwords pass in the clear" if logins else ""
        terminal.warn(f"there is no TLS: whoever is on the way can read and change what passes{words}")
    if not logins:
        terminal.warn("there are no logins: whoever reaches this address is let in")


def show_serving(
    running: "RegistryServer", directory: Path, terminal: Terminal, *, users: "Users", logins: bool, tokens: "Tokens"
) -> None:
    """Where the registry answers."""
    pushers = users.pushers()
    if terminal.json:
        terminal.emit(
            {
                "version": 1,
                "address": running.address,
                "directory": str(directory),
                "tls": running.scheme == "https",
                "logins": logins,
                "anonymousPull": users.anonymous_pull or not logins,
                "allowPush": pushers.any_rule,
                "tokens": tokens.service if tokens.tokens else None,
            }
        )
        terminal.output.flush()
        return
    if pushers.anybody and tokens.tokens:
        mode = "whose token says so may push"
    elif pushers.anybody:
        mode = "whoever has logged in may push" if logins else "anybody who reaches it may push"
    elif pushers.rules:
        names = ", ".join(sorted({rule.user for rule in pushers.rules}))
        mode = f"these may push: {names}"
    else:
        mode = "read-only"
    terminal.say(f"Serving {directory} on {running.scheme}://{running.address} ({mode}); Ctrl-C ends it")
