"""A run store."""
