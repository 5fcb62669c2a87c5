"""What a training job installs: client, adapters, and a GRPO loop."""
