"""What image documents may point to, if they are to travel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.core.errors import InvalidValueError
from airgap_bundle.core.oci import FOREIGN_LAYER_TYPES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airgap_bundle.core.oci import Document


def check_content(documents: Iterable[Document], *, foreign_layers: bool) -> None:
    """`InvalidValueError` where a document points to content that a bundle cannot hold.

    With `foreign_layers` those are carried that a publisher does not want to be passed on, where the registry has them.
    """
    for document in documents:
        for blob in document.blobs:
            if blob.digest.algorithm != "sha256":
                raise InvalidValueError(f"{blob.digest}: content named by anything but sha256 is not carried")
            if blob.media_type in FOREIGN_LAYER_TYPES and not foreign_layers:
                raise InvalidValueError(
                    f"the layer {blob.digest} is a foreign one, which its publisher does not let registries pass on; "
                    "`foreignLayers: carry` in the manifest takes it along where the registry has it"
                )
