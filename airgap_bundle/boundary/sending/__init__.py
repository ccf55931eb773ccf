"""What goes to a registry and in which order: questions first, then blobs, images, attachments, tags."""
