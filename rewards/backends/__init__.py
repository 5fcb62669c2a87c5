"""Models behind the ports; heavy imports live here only."""
