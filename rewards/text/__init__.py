"""Hostile text in; a typed value, or why not, out."""
