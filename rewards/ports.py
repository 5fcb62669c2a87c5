"""What a model must offer to score answers."""
