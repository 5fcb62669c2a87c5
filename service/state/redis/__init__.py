"""Runs in Redis, shared by every replica."""
