"""POLAR on this machine's own device, with transformers and without remote code."""
