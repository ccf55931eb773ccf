"""What lies in a kit to be read, by people and by machines. Every text is a function of what the kit holds."""

from __future__ import annotations

import json
from importlib import resources
from typing import TYPE_CHECKING

from airgap_bundle.connected.kit.closure import DISTRIBUTION, licence_of, own_distribution
from airgap_bundle.core.text import size_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from airgap_bundle.connected.kit.closure import Package
    from airgap_bundle.connected.kit.standalone import Executable
    from airgap_bundle.connected.kit.targets import Target
    from airgap_bundle.connected.kit.wheels import Wheel

KIT_VERSION = 1


def requirements_text(own: Wheel, extras: Sequence[str], packages: Sequence[Package], wheels: Sequence[Wheel]) -> str:
    """`requirements.txt`: exact versions, each with the hash of every wheel that may stand for it."""
    everywhere = max((len(package.targets) for package in packages), default=0)
    pinned = f"{DISTRIBUTION}[{','.join(sorted(extras))}]" if extras else DISTRIBUTION
    lines = [
        "# Install with: pip install --require-hashes --no-index --find-links wheels -r requirements.txt",
        *_pin(f"{pinned}=={own.version}", [own.sha256]),
    ]
    for package in packages:
        hashes = [wheel.sha256 for wheel in wheels if wheel.name == package.name]
        some = len(package.targets) < everywhere
        marker = " or ".join(f"({target.marker})" for target in package.targets) if some else ""
        lines += _pin(f"{package} ; {marker}" if marker else str(package), hashes)
    return "\n".join(lines) + "\n"


def _pin(requirement: str, hashes: Iterable[str]) -> list[str]:
    words = [requirement, *(f"    --hash=sha256:{one}" for one in sorted(hashes))]
    return [f"{word} \\" for word in words[:-1]] + words[-1:]


def licences_text(packages: Sequence[Package]) -> str:
    """`LICENCES.txt`: what each package says of its licence; the texts are in the wheels."""
    rows = [(DISTRIBUTION, own_distribution().version, licence_of(own_distribution()))]
    rows += [(package.name, package.version, package.licence) for package in packages]
    name, version = (max(len(row[column]) for row in rows) for column in (0, 1))
    head = "What each package says of its own licence. The texts are inside the wheels, in *.dist-info.\n\n"
    return head + "".join(f"{row[0]:{name}}  {row[1]:{version}}  {row[2]}\n" for row in rows)


def kit_record(
    targets: Sequence[Target],
    packages: Sequence[Package],
    wheels: Sequence[Wheel],
    executable: Executable | None,
) -> str:
    """`kit.json`: the same for machines."""
    licences = {package.name: package.licence for package in packages}
    licences[DISTRIBUTION] = licence_of(own_distribution())
    document = {
        "version": KIT_VERSION,
        "toolkit": own_distribution().version,
        "targets": [{"python": target.python, "platform": target.platform} for target in targets],
        "wheels": [
            {
                "name": wheel.name,
                "version": wheel.version,
                "licence": licences.get(wheel.name, ""),
                "file": f"wheels/{wheel.file}",
                "size": wheel.size,
                "sha256": wheel.sha256,
            }
            for wheel in wheels
        ],
        "standalone": None
        if executable is None
        else {
            "file": executable.file,
            "size": executable.size,
            "python": executable.python,
            "platform": executable.platform,
            "glibc": executable.glibc,
        },
    }
    return json.dumps(document, indent=1, ensure_ascii=True) + "\n"


def shipped_documents() -> dict[str, bytes]:
    """The documents of the toolkit, by their path in the kit: the format, guides, the pages of every code, schemas."""
    package = resources.files("airgap_bundle")
    found = {"docs/FORMAT.md": (package / "bundle" / "FORMAT.md").read_bytes()}
    for source, place in (("pages", "codes"), ("guides", "guides")):
        for page in (package / source).iterdir():
            if page.name.endswith(".md"):
                found[f"docs/{place}/{page.name}"] = page.read_bytes()
    for part in ("manifest", "trust", "boundary"):
        for file in (package / part).iterdir():
            if file.name.endswith(".schema.json"):
                found[f"docs/schemas/{file.name}"] = file.read_bytes()
    found["docs/README.md"] = str(own_distribution().metadata.json["description"]).encode()
    return found


def size_of(wheels: Sequence[Wheel]) -> str:
    """All wheels together, for people."""
    return size_text(sum(wheel.size for wheel in wheels))
