"""The one table of reward kinds."""
