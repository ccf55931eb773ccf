"""Where the three console scripts begin: interruption is seen to first, and only then is everything else loaded.

Loading takes a tenth of a second. Ctrl-C in it would otherwise end in a traceback, and in no status of ours.
"""

import gc
import importlib

from airgap_bundle.cli import signals

# How many new containers there are between two looks for cycles, and how many of those looks go deeper. What we hold
# are values without any: with Python's own numbers the looks are a tenth of each start, and of a large bundle they are
# a third of the planning, growing with every image.
_COLLECTION = (50_000, 20, 100)


def airgap_manifest() -> None:
    """Run `airgap-manifest`."""
    _run("manifest")


def airgap_export() -> None:
    """Run `airgap-export`."""
    _run("export")


def airgap_import() -> None:
    """Run `airgap-import`."""
    _run("boundary")


def collect_seldom() -> None:
    """Look for cycles seldom."""
    gc.set_threshold(*_COLLECTION)


def _run(module: str) -> None:
    signals.leave_at_once()
    collect_seldom()
    try:
        importlib.import_module(f"airgap_bundle.cli.{module}").main()
    finally:
        # On its way out Python looks for cycles in all that there is, which of a short command takes a tenth of the
        # time: what is set aside is passed over. Files are closed and finalizers run all the same.
        gc.freeze()
