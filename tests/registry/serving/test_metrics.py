"""What the server counts, judged by Prometheus's own parser."""

from __future__ import annotations

import http.client
import time
from contextlib import closing
from typing import TYPE_CHECKING

from prometheus_client.parser import text_string_to_metric_families
from support.registries import embedded_registry

from airgap_bundle.core.content import Digest

if TYPE_CHECKING:
    from pathlib import Path

    from airgap_bundle.registry.server import RegistryServer


def get(server: RegistryServer, path: str, method: str = "GET") -> tuple[int, str, str]:
    with closing(http.client.HTTPConnection(server.host, server.port, timeout=10)) as connection:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.getheader("Content-Type", ""), answer.read().decode()


def samples(page: str) -> dict[tuple[str, ...], float]:
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


def counted(server: RegistryServer, **least: float) -> dict[tuple[str, ...], float]:
    """The samples, once each named one has at least that value: an answer is counted after it was sent."""
    deadline = time.monotonic() + 5
    while True:
        status, content_type, page = get(server, "/metrics")
        assert (status, content_type) == (200, "text/plain; version=0.0.4; charset=utf-8")
        assert "secret-name" not in page
        found = samples(page)
        if all(found["airgap_registry_" + name,] >= value for name, value in least.items()):
            return found
        assert time.monotonic() < deadline


def test_requests_are_counted_by_method_and_status(tmp_path: Path) -> None:
    with embedded_registry(tmp_path) as server:
        get(server, "/v2/secret-name/manifests/1")
        get(server, "/v2/secret-name/manifests/1")
        get(server, "/v2/", "BREW")
        found = counted(server, request_duration_seconds_count=3)
    assert found["airgap_registry_requests_total", "404", "GET"] == 2
    assert found["airgap_registry_requests_total", "405", "other"] == 1
    total = found["airgap_registry_request_duration_seconds_count",]
    assert found["airgap_registry_request_duration_seconds_bucket", "+Inf"] == total
    assert found["airgap_registry_busy_threads",] >= 1
    assert found["airgap_registry_connections",] >= 1
    assert found["airgap_registry_free_bytes",] > 0


def test_uploads_and_what_is_no_request_are_counted(tmp_path: Path) -> None:
    with embedded_registry(tmp_path) as server:
        get(server, "/v2/a/blobs/uploads/", "POST")
        get(server, "/" + "x" * 40_000)
        found = counted(server, request_duration_seconds_count=2)
    assert found["airgap_registry_uploads",] == 1
    assert found["airgap_registry_requests_total", "414", "other"] == 1


def test_bytes_of_files_are_counted(tmp_path: Path) -> None:
    data = b"x" * 300_000
    with embedded_registry(tmp_path) as server:
        digest = Digest.of(data)
        with closing(http.client.HTTPConnection(server.host, server.port, timeout=10)) as connection:
            connection.request("POST", f"/v2/a/blobs/uploads/?digest={digest}", data)
            assert connection.getresponse().status == 201
        assert len(get(server, f"/v2/a/blobs/{digest}")[2]) == len(data)
        found = counted(server, received_bytes_total=len(data), sent_bytes_total=len(data))
    assert found["airgap_registry_received_bytes_total",] < len(data) + 100_000
    assert found["airgap_registry_sent_bytes_total",] < len(data) + 500_000


def test_health(tmp_path: Path) -> None:
    with embedded_registry(tmp_path / "registry") as server:
        assert get(server, "/healthz") == (200, "text/plain", "ok\n")
        (tmp_path / "registry").rename(tmp_path / "away")
        assert get(server, "/healthz")[0] == 503
