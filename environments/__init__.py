"""Environments that report a cost, stepped in batches: tasks → `EnvBatch`."""
