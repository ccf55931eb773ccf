"""An object store that speaks S3 on loopback (moto's server), and the environment that a person has for it."""

from __future__ import annotations

import atexit
import contextlib
import functools
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping

_START_SECONDS = 60.0
_KEYS = {"aws_access_key_id": "AKIDOFTHETESTS", "aws_secret_access_key": "a secret of the tests"}


@dataclass(frozen=True, kw_only=True)
class ObjectStore:
    """A running store. Every test takes a bucket of its own."""

    endpoint: str

    def client(self) -> Any:
        """botocore's own client, to put things there."""
        from botocore.session import Session  # noqa: PLC0415 - an extra

        return Session().create_client("s3", region_name="us-east-1", endpoint_url=self.endpoint, **_KEYS)

    def put(self, key: str, file: Path) -> str:
        """Put a file into a new bucket; its s3:// address."""
        bucket, client = f"drop-{uuid.uuid4()}", self.client()
        client.create_bucket(Bucket=bucket)
        with file.open("rb") as data:
            client.put_object(Bucket=bucket, Key=key, Body=data)
        return f"s3://{bucket}/{key}"

    @property
    def environment(self) -> Mapping[str, str]:
        """What a person sets."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": _KEYS["aws_access_key_id"],
            "AWS_SECRET_ACCESS_KEY": _KEYS["aws_secret_access_key"],
        }


@functools.cache
def object_store() -> ObjectStore:
    """Started once for all tests of a process. Skips where moto is not installed."""
    pytest.importorskip("moto", reason="moto is not installed; tests/run installs it")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    stack = contextlib.ExitStack()
    atexit.register(stack.close)
    log = stack.enter_context((Path(stack.enter_context(tempfile.TemporaryDirectory())) / "log").open("w+b"))
    command = [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=log, stderr=log)
    stack.callback(process.wait, 10)
    stack.callback(process.terminate)
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
        except OSError:
            time.sleep(0.05)
        else:
            return ObjectStore(endpoint=f"http://127.0.0.1:{port}")
    log.seek(0)
    pytest.fail(f"moto did not start: {log.read().decode()[-2000:]}")
