"""Runs in one SQLite file, durable before a write returns."""
