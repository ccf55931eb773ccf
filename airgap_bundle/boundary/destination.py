"""DEST: which registry a bundle goes to, and below which path.

`HOST[:PORT][/PATH]` is a registry on the network; `dir:PATH` is the storage of the embedded one, without any network.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from airgap_bundle.core.errors import InvalidValueError, UsageError
from airgap_bundle.core.oci import check_host, check_repository

if TYPE_CHECKING:
    from airgap_bundle.registry.abilities import Registry
    from airgap_bundle.registry.options import ClientOptions

_DIRECTORY = "dir:"


@dataclass(frozen=True, kw_only=True, slots=True)
class Destination:
    """DEST, read. Exactly one of `host` and `directory` is set; `prefix` is "" for the root of the registry."""

    host: str = ""
    directory: Path | None = None
    prefix: str = ""

    def __str__(self) -> str:
        """The one spelling that receipts and the ledger use."""
        if self.directory is not None:
            return f"{_DIRECTORY}{self.directory}"
        return f"{self.host}/{self.prefix}" if self.prefix else self.host

    @classmethod
    def parse(cls, text: str) -> Destination:
        """Read DEST; `UsageError` where it is none."""
        if text.startswith(_DIRECTORY):
            path = text.removeprefix(_DIRECTORY)
            if not path:
                raise _no_destination(text, "dir: lacks its path")
            try:
                # The same directory has the same receipts, from wherever it is named.
                return cls(directory=Path(path).resolve())
            except (OSError, RuntimeError) as error:
                raise _no_destination(text, "its links lead nowhere") from error
        if "://" in text:
            raise _no_destination(text, "it has a scheme")
        if text.startswith(("/", "./", "../", "~")):
            raise UsageError(
                "AB-USAGE-DESTINATION",
                f"not a destination: {text!r} (it is a path)",
                hint=f"for a directory write dir:{text}, for a registry HOST[:PORT][/PATH]",
            )
        host, slash, prefix = text.partition("/")
        try:
            check_host(host)
            if slash:
                check_repository(prefix.removesuffix("/"))
        except InvalidValueError as error:
            raise _no_destination(text, str(error)) from error
        return cls(host=host, prefix=prefix.removesuffix("/"))

    def open(self, options: ClientOptions) -> Registry:
        """The registry itself. Nothing is asked of it yet."""
        if self.directory is not None:
            from airgap_bundle.registry.store import DirectoryRegistry  # noqa: PLC0415 - needed for dir: only

            # A plan, and a push that is refused, leave no directory behind.
            return DirectoryRegistry(self.directory, make=False)
        from airgap_bundle.registry.client import RegistryClient  # noqa: PLC0415 - needed for the network only

        return RegistryClient(self.host, options)


def _no_destination(text: str, why: str) -> UsageError:
    return UsageError(
        "AB-USAGE-DESTINATION",
        f"not a destination: {text!r} ({why})",
        hint="write HOST[:PORT][/PATH], such as registry.internal:5000/mirror, or dir:PATH",
    )
