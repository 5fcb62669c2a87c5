"""Durable run state, never applied twice."""
