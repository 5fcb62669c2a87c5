"""The structure reward."""
