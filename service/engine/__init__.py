"""Admission, batching, isolation, scoring."""
