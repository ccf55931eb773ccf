"""Volumes: the bytes of a bundle, cut into files that fit a medium. The bundle itself knows nothing of the cut."""
