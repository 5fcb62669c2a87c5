"""Advantage estimators: state in, new state out."""
