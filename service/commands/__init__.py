"""The commands of `reward-service`, one module each."""
