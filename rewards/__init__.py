"""What is computed: rewards and advantages, as pure functions."""
