"""PPO with Lagrange multipliers as an RLlib algorithm."""

from algorithms.ppo_lagrangian.algorithm import PPOLagrangian
from algorithms.ppo_lagrangian.config import PPOLagrangianConfig

__all__ = ["PPOLagrangian", "PPOLagrangianConfig"]
