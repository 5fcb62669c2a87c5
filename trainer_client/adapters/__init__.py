"""One file for each training framework."""
