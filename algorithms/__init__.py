"""Lagrangian algorithms on RLlib: pure mathematics, networks, rollouts, learners."""
