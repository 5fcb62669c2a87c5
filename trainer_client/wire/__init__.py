"""What goes over the wire and what comes back, as frozen records."""
