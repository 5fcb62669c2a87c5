"""A real Redis of our own: on a free port, in a folder that goes away, and one can kill it."""
