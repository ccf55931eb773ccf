"""airgap-bundle carries container images, Helm charts and files across an air gap.

The trip of one image, and the module at each stop:

    acme.yaml                      what should travel               manifest.model
      → acme.lock.yaml             which bytes those are            connected.resolve
      → layout of the tar          where each byte will lie         bundle.layout
      → acme-1.0.0.tar             fetched, hashed, written, signed connected.export
      ✈ a stick, a diode, a disc
      → inventory                  what is said to be inside        bundle.reader
      → verdict                    who says so, and may they        trust.policy
      → plan                       what the registry still lacks    transfer.plan
      → registry.internal:5000     blobs, image manifests, tags     boundary.push
      → receipt                    what was done, for undo and audit boundary.ledger

Values that everyone shares are in `core`; imports point down only (`cli → output → connected | boundary → transfer |
discovery → registry | bundle | trust → manifest → core`), and each third-party library has one door.
"""

__version__ = "0.1.0"
