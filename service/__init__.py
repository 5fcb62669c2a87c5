"""The HTTP service: engine, state and wire."""
