"""Models that Ray Serve runs elsewhere, behind the ports."""
