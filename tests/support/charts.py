"""Small charts made for tests, and whether Helm is here to render them."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

import pytest

from airgap_bundle.discovery.archive import pack

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

needs_helm = pytest.mark.skipif(
    importlib.util.find_spec("helm_python") is None, reason="helm-python-sdk is not installed (the extra 'helm')"
)


def deployment(name: str, image: str, more: str = "") -> str:
    """A template of a Deployment; `image` may be an action."""
    return f"""\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
spec:
  template:
    spec:
      containers:
        - name: {name}
          image: {image}
{more}"""


def chart_files(templates: Mapping[str, str], values: str = "", name: str = "app", more: str = "") -> dict[str, bytes]:
    """The files of a chart."""
    return {
        "Chart.yaml": f"apiVersion: v2\nname: {name}\nversion: 1.0.0\nappVersion: '9.9'\n{more}".encode(),
        "values.yaml": values.encode(),
        **{f"templates/{file}": text.encode() for file, text in templates.items()},
    }


def write_chart(directory: Path, files: Mapping[str, bytes]) -> Path:
    """Put the files of a chart below a directory."""
    for name, raw in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(raw)
    return directory


def write_archive(path: Path, files: Mapping[str, bytes], name: str = "app") -> Path:
    """Pack the files of a chart."""
    path.write_bytes(pack(files, name))
    return path
