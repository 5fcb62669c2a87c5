"""The wire: schemas, routes, problems."""
