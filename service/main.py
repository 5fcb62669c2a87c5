"""The ASGI entry point."""
