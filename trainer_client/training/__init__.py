"""A GRPO loop that takes its rewards and advantages from the service."""
