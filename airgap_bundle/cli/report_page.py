"""The page at `/` of `serve`: what makes it, put together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.boundary.reporting.page import ReportPage
from airgap_bundle.cli import clock
from airgap_bundle.output.html_report.page import render_page

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from airgap_bundle.registry.admission import Page
    from airgap_bundle.registry.directory import RegistryDirectory


def report_pages(storage: Callable[[], RegistryDirectory], state: Path | None, policy: Path | None) -> dict[str, Page]:
    """The route and its page; `storage` is the directory that is served, once the server is there."""
    return ReportPage(storage, state=state, policy=policy, render=render_page, now=clock.now).pages
