"""The format reward."""
