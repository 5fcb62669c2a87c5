"""Images and videos by content hash."""
