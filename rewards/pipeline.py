"""From a response to its reward."""
