"""The records on the wire."""
