"""From the ledger to Ray Tune and back: executions, checkpoints, results."""
