"""A real browser without a window: Debian's chromium-headless-shell, for one page at a time.

Not `chromium` itself, which asks its maker for things at every start and has no window of less than 500 pixels.
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
import subprocess
import tempfile
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PHONE = (390, 844)
DESKTOP = (1280, 900)
PROGRAM = "chromium-headless-shell"
_QUIET = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--hide-scrollbars")
# What the page itself may not do, a copy of it does: it says how it was laid out, in an attribute of its root.
_MEASURE = """<script>addEventListener('load', () => {
  const root = document.documentElement, late = performance.now(), height = root.scrollHeight;
  root.setAttribute('data-measured', JSON.stringify({
    innerWidth, scrollWidth: root.scrollWidth, height, loaded: late, laidOut: performance.now(),
    requests: performance.getEntriesByType('resource').length, elements: document.querySelectorAll('*').length,
    title: document.title, alerts: window.alerts || 0, links: [...document.links].map(a => a.getAttribute('href')),
    outside: [...document.querySelectorAll('body *')].slice(0, 10000).filter(e => e.getClientRects().length
      && e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML.slice(0, 200)).slice(0, 5),
    names: [...new Set([...document.querySelectorAll('*')].map(e => e.localName))].sort(),
    background: getComputedStyle(document.body).backgroundColor,
  }));
});</script>"""
_POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')
_MEASURED = re.compile(r'data-measured="([^"]*)"')


@dataclass(frozen=True, kw_only=True)
class Proxy:
    """Where the browser would have to go to reach anything; `asked` is how often it did."""

    address: str
    asked: list[bytes]


@contextlib.contextmanager
def counting_proxy() -> Iterator[Proxy]:
    """A listener that takes connections, notes what they ask for, and closes them."""
    listener = socket.create_server(("127.0.0.1", 0))
    asked: list[bytes] = []

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection:
                    connection.settimeout(5)
                    asked.append(connection.recv(200))

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield Proxy(address=f"127.0.0.1:{listener.getsockname()[1]}", asked=asked)
    finally:
        # Closing alone does not wake up who waits in `accept`.
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def browse(*arguments: str, size: tuple[int, int], dark: bool = False) -> str:
    """Run it once with a profile of its own; what it printed."""
    with tempfile.TemporaryDirectory(prefix="airgap-browser-") as profile:
        options = [*_QUIET, f"--user-data-dir={profile}", f"--window-size={size[0]},{size[1]}"]
        if dark:
            options.append("--blink-settings=preferredColorScheme=0")
        done = subprocess.run(
            [PROGRAM, *options, *arguments], capture_output=True, text=True, timeout=60, check=True, cwd=profile
        )
    return done.stdout


def measure(page: str, path: Path, *, size: tuple[int, int], proxy: str = "", dark: bool = False) -> dict[str, Any]:
    """Lay out a copy of a page that says how wide it came out, what it loaded and how long it took."""
    copy = path / "measured.html"
    assert len(_POLICY.findall(page)) == 1
    copy.write_text(_POLICY.sub("", page).replace("<head>", f"<head>{_MEASURE}", 1), "utf-8")
    through = [f"--proxy-server=http://{proxy}", "--proxy-bypass-list=<-loopback>"] if proxy else []
    dumped = browse(*through, "--dump-dom", copy.as_uri(), size=size, dark=dark)
    found = _MEASURED.search(dumped)
    assert found is not None, dumped[:500]
    return dict(
        json.loads(found[1].replace("&quot;", '"').replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
    )


def screenshot(page: Path, picture: Path, *, size: tuple[int, int], dark: bool = False) -> None:
    """What a person would see of the page as it is."""
    browse(f"--screenshot={picture}", page.as_uri(), size=size, dark=dark)
