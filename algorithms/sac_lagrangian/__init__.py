"""SAC with Lagrange multipliers as an RLlib algorithm."""

from algorithms.sac_lagrangian.algorithm import SACLagrangian
from algorithms.sac_lagrangian.config import SACLagrangianConfig

__all__ = ["SACLagrangian", "SACLagrangianConfig"]
