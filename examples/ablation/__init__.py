"""Three estimators, four tasks of very different reward scale: which learns what, how evenly."""
