"""Where the three console scripts begin: interruption is seen to first, and only then is everything else loaded.

Loading takes a tenth of a second. Ctrl-C in it would otherwise end in a traceback, and in no status of ours.
"""

import importlib

from airgap_bundle.cli import signals


def airgap_manifest() -> None:
    """Run `airgap-manifest`."""
    _run("manifest")


def airgap_export() -> None:
    """Run `airgap-export`."""
    _run("export")


def airgap_import() -> None:
    """Run `airgap-import`."""
    _run("boundary")


def _run(module: str) -> None:
    signals.leave_at_once()
    importlib.import_module(f"airgap_bundle.cli.{module}").main()
