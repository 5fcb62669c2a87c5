"""One file for each way to score an answer."""
