"""Programs that run another library in its own environment, as contestants of a benchmark."""
