"""What can go wrong while an algorithm runs."""


class NonFiniteError(FloatingPointError):
    """A loss, a parameter or a multiplier stopped being finite; the message names the seeds."""


class LostEnvRunnerError(RuntimeError):
    """A remote environment runner died, so that the batch would have come out smaller than asked for."""
