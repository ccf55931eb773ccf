#!/usr/bin/env python3
"""What a delta weighs: one changed image out of many, against the receipt of the release before.

    tests/benchmarks/delta_size.py [--images 20] [--image-mb 100]

Prints the length of the delta, of its head and of the blobs that changed; what it is longer than the last two together,
in per cent of the changed blobs; and the seconds that building and pushing took. Needs about five times the images'
size below TMPDIR.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.delta import Releases, inventory_of, weight_of
from support.images import image_of
from support.layers import Layer
from support.trip import make_trip

from airgap_bundle.core.content import Digest
from airgap_bundle.core.oci import Platform

if TYPE_CHECKING:
    from support.content import ImageContent

PLATFORM = Platform.parse("linux/amd64")


def image(seed: str, size: int) -> ImageContent:
    """An image whose one layer is noise; nobody unpacks it."""
    data = random.Random(seed).randbytes(size)
    return image_of(seed, [Layer(data=data, diff_id=Digest.of(data))], platform=PLATFORM)


def measure(path: Path, images: int, size: int) -> dict[str, object]:
    """Release 1, pushed in full; release 2 with one image changed, as a delta."""
    with pytest.MonkeyPatch.context() as patch, make_trip(path, patch) as trip:
        releases = Releases(trip=trip)
        releases.put("1", {f"acme/image{n}": image(f"{n} 1", size) for n in range(images)})
        receipt = releases.push(releases.build("one.tar"))
        full = (path / "one.tar").stat().st_size
        (path / "one.tar").unlink()
        releases.put("2", {f"acme/image{n}": image(f"{n} {2 if n == 0 else 1}", size) for n in range(images)})
        start = time.perf_counter()
        delta = releases.build("two.tar", receipt)
        built = time.perf_counter()
        releases.push(delta)
        pushed = time.perf_counter()
        return {
            "images": images,
            "imageBytes": size,
            "fullBytes": full,
            "leftOutBytes": sum(blob.size for blob in inventory_of(delta).assumed),
            **weight_of(delta),
            "buildSeconds": round(built - start, 2),
            "pushSeconds": round(pushed - built, 2),
        }


def main() -> None:
    """Measure once and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=20)
    parser.add_argument("--image-mb", type=int, default=100)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="airgap-delta-") as directory:
        print(json.dumps(measure(Path(directory), given.images, given.image_mb * 10**6), indent=2))


if __name__ == "__main__":
    main()
