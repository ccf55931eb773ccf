"""The embedded registry judged by other people's tools: what skopeo, podman and docker push, they get back."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from typing import TYPE_CHECKING

import pytest
from support.images import OCI_LAYER, multi_arch_image, single_image
from support.registries import embedded_registry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from airgap_bundle.registry.server import RegistryServer

pytestmark = pytest.mark.tools


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RegistryServer]:
    with embedded_registry(tmp_path / "registry") as server:
        yield server


def run(program: str, *arguments: str | Path, fails: bool = False) -> str:
    """What the program prints, both channels in one; skips where it is not installed."""
    path = shutil.which(program)
    if path is None:
        pytest.skip(f"{program} is not installed")
    command = [path, *map(str, arguments)]
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert (result.returncode != 0) == fails, result.stdout
    return result.stdout


def test_skopeo_copies_an_index_in_and_out_unchanged(server: RegistryServer, tmp_path: Path) -> None:
    image = multi_arch_image("seed")
    image.write_layout(tmp_path / "layout", "1.0")
    remote = f"docker://{server.address}/acme/app:1.0"
    run("skopeo", "copy", "--all", "--dest-tls-verify=false", f"oci:{tmp_path}/layout:1.0", remote)
    assert server.registry.get_manifest("acme/app", "1.0") == image.root
    run("skopeo", "copy", "--all", "--src-tls-verify=false", remote, f"oci:{tmp_path}/back:1.0")
    index = json.loads((tmp_path / "back" / "index.json").read_bytes())
    assert index["manifests"][0]["digest"] == image.digest


def test_skopeo_converts_to_docker_types_and_lists_tags(server: RegistryServer, tmp_path: Path) -> None:
    single_image("seed").write_layout(tmp_path / "layout", "1.0")
    source = f"oci:{tmp_path}/layout:1.0"
    for tag, form in (("docker", "v2s2"), ("oci", "oci")):
        target = f"docker://{server.address}/acme/app:{tag}"
        run("skopeo", "copy", "--format", form, "--dest-tls-verify=false", source, target)
    listed = run("skopeo", "list-tags", "--tls-verify=false", f"docker://{server.address}/acme/app")
    assert json.loads(listed)["Tags"] == ["docker", "oci"]


def test_skopeo_deletes(server: RegistryServer) -> None:
    single_image("seed").push_to(server.registry, "acme/app", "1.0")
    run("skopeo", "delete", "--tls-verify=false", f"docker://{server.address}/acme/app:1.0")
    assert server.registry.list_tags("acme/app") == ()


def test_skopeo_is_told_that_a_registry_is_read_only(tmp_path: Path) -> None:
    single_image("seed").write_layout(tmp_path / "layout", "1.0")
    with embedded_registry(tmp_path / "registry", allow_push=False) as server:
        target = f"docker://{server.address}/acme/app:1.0"
        source = f"oci:{tmp_path}/layout:1.0"
        said = run("skopeo", "copy", "--dest-tls-verify=false", source, target, fails=True)
        assert "unsupported" in said or "read-only" in said


def test_podman_pulls_and_pushes(server: RegistryServer, tmp_path: Path) -> None:
    image = single_image("seed")
    image.push_to(server.registry, "acme/app", "1.0")
    target = f"{server.address}/acme/copy:1.0"
    # podman refuses a directory with a name as long as those that pytest makes.
    with tempfile.TemporaryDirectory() as short:
        store = ("--storage-driver=vfs", f"--root={tmp_path}/podman", f"--runroot={short}")
        run("podman", *store, "pull", "-q", "--tls-verify=false", f"{server.address}/acme/app:1.0")
        run("podman", *store, "push", "--tls-verify=false", f"{server.address}/acme/app:1.0", target)
    found = server.registry.get_manifest("acme/copy", "1.0")
    assert found is not None
    assert [layer.media_type for layer in found.layers] == [OCI_LAYER] * len(image.root.layers)
