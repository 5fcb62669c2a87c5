"""Every setting of the service, read once."""
