"""From receipts to files that let clusters find the images inside: one module for each format.

`moves` says where everything went; each format is a pure function from that to files (`output.Made`) and to what has no
place in it (`output.Unplaced`); `relocate` puts them together and `files` writes them.
"""
