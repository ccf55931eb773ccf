"""What Helm is given, in whichever form it is here: files, templates, an environment without secrets, and a time."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airgap_bundle.discovery.chart import Chart
    from airgap_bundle.discovery.values import Keys

_UNREAD = re.compile(r"(?:^|^charts/[^/]+/|/charts/[^/]+/)(?:crds|ci|tests|changelog)/|^[^/]*\.md$|/[^/]*\.md$")


def needed_files(chart: Chart) -> dict[str, bytes]:
    """The files that rendering reads: schemas of custom resources and prose only take time, at each of 300 loadings."""
    return {name: raw for name, raw in chart.whole.items() if _UNREAD.search(name) is None}


def template_sources(chart: Chart, keys: Keys = ()) -> list[tuple[Keys, str]]:
    """Every template with the path of the values that it sees."""
    sources = [(keys, text) for text in chart.templates.values()]
    for subchart in chart.subcharts:
        names = [one.alias or one.name for one in chart.dependencies if one.name == subchart.name] or [subchart.name]
        for name in names:
            sources += template_sources(subchart, (*keys, name))
    return sources


def absent_values(chart: Chart, keys: Keys = ()) -> list[Keys]:
    """The paths of values for dependencies that are declared and not there."""
    paths = [(*keys, one.alias or one.name) for one in chart.missing]
    for subchart in chart.subcharts:
        paths += absent_values(subchart, (*keys, subchart.name))
    return paths


def bare_environment(home: str) -> dict[str, str]:
    """An environment without anybody's secrets, in which every proxy leads nowhere."""
    nowhere = "http://127.0.0.1:9"
    return {
        "HOME": home,
        "TMPDIR": home,
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LC_ALL": "C.UTF-8",
        "HTTP_PROXY": nowhere,
        "HTTPS_PROXY": nowhere,
        "http_proxy": nowhere,
        "https_proxy": nowhere,
        "NO_PROXY": "",
        # Go collects its garbage seldom while there is room, and in time instead of running into the limit.
        "GOGC": "400",
        "GOMEMLIMIT": "1GiB",
    }


def wait(process: subprocess.Popen[bytes], seconds: float) -> int | None:
    """The exit status; None where it had to be killed, with everything that it started."""
    try:
        return process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        return None
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
