"""A small language model learns four kinds of task from the service, in minutes on two cores."""
