"""The receipt of one import: as a value, as bytes, in files, at the destination, signed."""
