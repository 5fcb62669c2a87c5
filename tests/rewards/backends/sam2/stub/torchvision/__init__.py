"""Stands in for torchvision, of which the `sam2` package imports three names and we use none."""
