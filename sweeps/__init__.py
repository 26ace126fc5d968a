"""Studies of Lagrangian safe RL: study file → trials → results."""
