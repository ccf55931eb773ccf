"""The login for a web server that holds bundles: from a netrc file, as curl, wget, pip and git read it.

Registry logins are not shown to web servers: they were given for something else. The `default` entry is not used, as
it would answer whoever asks. Format: GNU inetutils, "The .netrc file".
"""

from __future__ import annotations

import netrc
import os
from pathlib import Path
from typing import TYPE_CHECKING

from airgap_bundle.core.errors import HostError, InvalidValueError, UsageError
from airgap_bundle.registry.credentials import Credentials

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airgap_bundle.registry.origin import Origin

# A login for every machine of a large company stays far below.
_MAX_FILE_BYTES = 1024 * 1024


class NetrcLogins:
    """Logins by host. An explicit file has to exist; else `NETRC` and `~/.netrc` are read where they are there."""

    def __init__(self, file: Path | None, environment: Mapping[str, str] | None = None) -> None:
        self._explicit = file
        self._environment = os.environ if environment is None else environment

    def find(self, origin: Origin) -> Credentials | None:
        """The login for a host, `HOST:PORT` before `HOST`; None where there is none.

        `UsageError` where the explicit file is missing, `HostError` for one that cannot be used.
        """
        path = self._path()
        if path is None:
            return None
        for host in (f"{origin.host}:{origin.port}", origin.host):
            entry = _read(path).hosts.get(host)
            if entry is not None:
                login, _, password = entry
                try:
                    return Credentials(username=login or "", password=password or "", origin=str(path))
                except InvalidValueError as error:
                    raise _broken(path, str(error)) from error
        return None

    def _path(self) -> Path | None:
        if self._explicit is not None:
            if not self._explicit.is_file():
                raise UsageError(
                    "AB-USAGE-NETRC",
                    f"the file given with --netrc is not there: {self._explicit}",
                    hint="write one: machine HOST login NAME password PASSWORD",
                )
            return self._explicit
        named = self._environment.get("NETRC")
        path = Path(named) if named else Path(self._environment.get("HOME") or "~").expanduser() / ".netrc"
        return path if path.is_file() else None


def _read(path: Path) -> netrc.netrc:
    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise _broken(path, f"it has more than {_MAX_FILE_BYTES} bytes")
        return netrc.netrc(str(path))
    except (netrc.NetrcParseError, UnicodeDecodeError) as error:
        # What stands there may be a password: only the line is named.
        line = error.lineno if isinstance(error, netrc.NetrcParseError) else None
        raise _broken(path, f"line {line} is not understood" if line else "it is not understood") from error
    except OSError as error:
        raise _broken(path, error.strerror or "it cannot be read") from error


def _broken(path: Path, reason: str) -> HostError:
    return HostError(
        "AB-HOST-NETRC",
        f"the netrc file {path} cannot be used: {reason}",
        hint="write lines such as: machine HOST login NAME password PASSWORD",
    )
