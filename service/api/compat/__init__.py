"""The frameworks' own dialects of HTTP, answered with the same scores."""
