"""What `relocate` says: which files there are, what to do with them, and what has no place in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.core.text import count_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from airgap_bundle.boundary.relocation.consumers import Consumer
    from airgap_bundle.boundary.relocation.relocate import Relocation
    from airgap_bundle.output.terminal import Terminal

# What nobody reads to its end; the files have all of it in their comments, and JSON has it too.
_MOST_SHOWN = 20
_MOST_OTHERS = 3


def show_nothing(consumers: Sequence[Consumer], remarks: Sequence[str], terminal: Terminal) -> None:
    """Nothing was imported, so there is nothing to find."""
    for remark in remarks:
        terminal.warn(remark)
    if terminal.json:
        formats = [{"for": one, "files": [], "unplaced": [], "use": ""} for one in dict.fromkeys(consumers)]
        terminal.emit(
            {"version": 1, "destination": "", "registry": "", "receipts": [], "files": [], "formats": formats}
            | {"others": [], "leftovers": []}
        )
    else:
        terminal.show("Nothing is current here, so there is nothing to relocate")


def show_relocation(
    done: Relocation, directory: Path, leftovers: Sequence[str], remarks: Sequence[str], terminal: Terminal
) -> None:
    """Everything that was made, and what was not."""
    for remark in remarks:
        terminal.warn(remark)
    for path in leftovers:
        terminal.warn(f"{directory / path} is of an earlier run, and nothing stands for it now: remove it")
    if terminal.json:
        terminal.emit(
            {
                "version": 1,
                "destination": done.destination,
                "registry": done.home,
                "receipts": list(done.moves.receipts),
                "files": [str(directory / made.path) for made in done.files],
                "formats": [
                    {
                        "for": consumer,
                        "files": [made.path for made in result.files],
                        "use": result.use,
                        "unplaced": [{"what": one.what, "why": one.why} for one in done.unplaced(consumer)],
                    }
                    for consumer, result in done.outputs.items()
                ],
                "others": list(done.others),
                "leftovers": list(leftovers),
            }
        )
        return
    for made in done.files:
        terminal.show(str(directory / made.path))
    for consumer, result in done.outputs.items():
        _show_consumer(done, consumer, terminal)
        if result.files:
            terminal.say(f"{consumer}: {result.use}")
        else:
            terminal.say(f"nothing for {consumer} in {count_text(len(done.moves.receipts), 'receipt')}")
    if done.others:
        more = f" and {len(done.others) - _MOST_OTHERS} more" if len(done.others) > _MOST_OTHERS else ""
        terminal.say(f"no images, so in none of these files: {', '.join(done.others[:_MOST_OTHERS])}{more}")
    if done.files:
        terminal.say("hint: airgap-import explain relocation tells more, and of Argo CD, Flux, Kyverno, Talos and KinD")


def _show_consumer(done: Relocation, consumer: Consumer, terminal: Terminal) -> None:
    unplaced = done.unplaced(consumer)
    for one in unplaced[:_MOST_SHOWN]:
        terminal.warn(f"no place for {consumer}: {one.what}: {one.why}")
    if len(unplaced) > _MOST_SHOWN:
        terminal.warn(f"{len(unplaced) - _MOST_SHOWN} more have no place for {consumer}: --format json lists all")
