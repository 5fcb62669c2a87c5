"""The ready parts of a running service."""
