"""Updates of the Lagrange multiplier λ, one a file.

Axes: S seeds, m costs. Each update is a NamedTuple state with the field `multiplier` `[S, m]` and two pure functions:
`x_start` gives the state before the first update and `x_step` the state after one more cost. Every tensor of a state
has the seeds first, so that a seed can be left out of an update (`select_seeds`). Hyperparameters are numbers or
tensors that broadcast with `[S, m]`. The dtype is the state's.

Notation: J is the measured cost, the mean undiscounted cost of an episode; d its limit; e = J − d the error.
"""
