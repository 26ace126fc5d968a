"""One pass over a seed's batch as compiled code: gather, forward, backward, clip and Adam, minibatch by minibatch.

With 64 rows and [64, 64] networks, calling torch costs more than the arithmetic. Here a seed's whole pass is one call
without Python's lock, its matrix products are those of the BLAS that SciPy brings, and its parameters, moments and
activations (some 600 kB) stay in the core's own cache, which those of ten seeds side by side do not. A seed's numbers
depend on nothing of another seed, to the last bit. The loss is that of `gradients`; tests hold the two equal.

Everything compiled lies in this file: numba recompiles what it keeps on disk only when the defining file changes.
Axes: K = 2 + m networks, q parameters a network, N rows of a batch, n rows of a minibatch, O observation entries, A
actions. Floats are float32, or float64 in tests.
"""

import math
from typing import Any, NamedTuple

import llvmlite.binding
import numpy as np
from numba import njit, types
from numba.extending import get_cython_function_address, overload

_BETA1, _BETA2, _EPSILON = 0.9, 0.999, 1e-8  # as `StackedAdam`
_HALF_LOG_TWO_PI = 0.5 * math.log(2.0 * math.pi)

# BLAS is found by a name that LLVM knows: a C pointer held in a constant could not be kept on disk. Being Fortran's, it
# takes every argument by its address.
for _name in ("sgemm", "dgemm"):
    llvmlite.binding.add_symbol(f"lagsweep_{_name}", get_cython_function_address("scipy.linalg.cython_blas", _name))
_GEMM = types.void(*[types.uintp] * 13)
_SGEMM: Any = types.ExternalFunction("lagsweep_sgemm", _GEMM)
_DGEMM: Any = types.ExternalFunction("lagsweep_dgemm", _GEMM)
_FLAGS = np.frombuffer(b"NT", dtype=np.uint8)

# tanh x ≈ x P(x²)/Q(x²) for |x| ≤ 9, relative error 4e-11 before rounding; our own least-squares fit.
_P = np.array(
    [
        0.9999999999646529,
        0.14099944867920472,
        0.004426929686662862,
        4.2299078239972683e-05,
        1.1132229915813721e-07,
        3.68363019624728e-11,
    ],
    dtype=np.float32,
)
_Q = np.array(
    [
        1.0,
        0.47433278162331294,
        0.029204524271429888,
        0.0005010230163369331,
        2.6062142044984514e-06,
        2.9566158763087474e-09,
    ],
    dtype=np.float32,
)
_SATURATED = np.float32(9.0)


class Rows(NamedTuple):
    """A seed's batch: the fields of `Minibatch`, without their seed axis."""

    observations: Any
    actions: Any
    log_probs: Any
    advantages: Any
    targets: Any


class State(NamedTuple):
    """A seed's `parameters` `[K, q]`, and Adam's `first` and `second` moments, `[K, q]` each."""

    parameters: Any
    first: Any
    second: Any


class Constants(NamedTuple):
    """Numbers of the loss and of the step.

    Attributes:
        clip: ε of PPO's clip.
        entropy: Weight of the entropy bonus.
        critic_norm: Weight of Σ p² in a critic's loss.
        largest: Largest norm of a network's gradient.
    """

    clip: float
    entropy: float
    critic_norm: float
    largest: float


class Space(NamedTuple):
    """Room to work in, for one seed at a time.

    Attributes:
        activations: What enters each layer, and the outputs: `[n, size]` each.
        deltas: The loss's derivative by them.
        gradient: `[q]`.
        std: `[3, A]`; log σ, 1/σ, and the loss's derivative by log σ.
        scale: `[2]`; 1 and 0, as BLAS reads them.
        sizes: `[6]` int32; the sizes that BLAS reads.
    """

    activations: Any
    deltas: Any
    gradient: Any
    std: Any
    scale: Any
    sizes: Any


def make_space(layer_sizes: tuple[int, ...], row_size: int, num_rows: int, dtype: Any) -> Space:
    """Room for minibatches of `num_rows` rows through layers of these sizes."""

    def layers() -> tuple[Any, ...]:
        return tuple(np.zeros((num_rows, size), dtype) for size in layer_sizes)

    std = np.zeros((3, layer_sizes[-1]), dtype)
    return Space(
        layers(), layers(), np.zeros(row_size, dtype), std, np.array([1, 0], dtype), np.zeros(6, dtype=np.int32)
    )


def _gemm(like: Any, *addresses: Any) -> None:
    raise NotImplementedError("exists in compiled code only")


@overload(_gemm)
def _typed_gemm(like: Any, *addresses: Any) -> Any:
    routine = _SGEMM if like.dtype == types.float32 else _DGEMM

    def call(like: Any, *addresses: Any) -> None:
        routine(*addresses)

    return call


def _tanh(x: Any) -> Any:
    raise NotImplementedError("exists in compiled code only")


@overload(_tanh, inline="always", jit_options={"fastmath": {"contract"}})
def _typed_tanh(x: Any) -> Any:
    def exact(x: Any) -> Any:  # the C library's, one at a time: for tests
        return math.tanh(x)

    def rational(x: Any) -> Any:  # divisions and sums only, which LLVM does for 8 or 16 entries at once
        x = -_SATURATED if x < -_SATURATED else x
        x = _SATURATED if x > _SATURATED else x  # NaN stays NaN
        z = x * x
        p = ((((_P[5] * z + _P[4]) * z + _P[3]) * z + _P[2]) * z + _P[1]) * z + _P[0]
        q = ((((_Q[5] * z + _Q[4]) * z + _Q[3]) * z + _Q[2]) * z + _Q[1]) * z + _Q[0]
        return x * (p / q)

    return rational if x == types.float32 else exact


def _compiled(function: Any) -> Any:
    return njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract", "reassoc", "nsz"})(function)


def _inlined(function: Any) -> Any:
    return njit(inline="always", nogil=True, error_model="numpy", fastmath={"contract", "reassoc", "nsz"})(function)


@_inlined
def multiply(a: Any, transpose_a: bool, b: Any, transpose_b: bool, out: Any, space: Space) -> None:
    """Out = op(a) · op(b), all C-contiguous. Read column by column it is outᵀ = op(b)ᵀ · op(a)ᵀ: they swap places."""
    sizes, scale = space.sizes, space.scale
    sizes[0], sizes[1], sizes[2] = out.shape[1], out.shape[0], a.shape[0] if transpose_a else a.shape[1]
    sizes[3], sizes[4], sizes[5] = b.shape[1], a.shape[1], out.shape[1]
    flags, size, one = _FLAGS.ctypes.data, sizes.ctypes.data, scale.ctypes.data
    flag_b, flag_a = flags + (1 if transpose_b else 0), flags + (1 if transpose_a else 0)
    left, right, result = b.ctypes.data, a.ctypes.data, out.ctypes.data
    zero = one + scale.itemsize
    _gemm(
        out, flag_b, flag_a, size, size + 4, size + 8, one, left, size + 12, right, size + 16, zero, result, size + 20
    )


@_inlined
def layer(row: Any, start: int, inputs: int, outputs: int) -> Any:
    """The weight `[inputs, outputs]` and the bias `[outputs]` that begin at an entry of a row, as views."""
    middle = start + inputs * outputs
    return row[start:middle].reshape(inputs, outputs), row[middle : middle + outputs]


@_inlined
def _activate(values: Any, bias: Any) -> None:
    """Values = tanh(values + bias)."""
    for i in range(values.shape[0]):
        for j in range(values.shape[1]):
            values[i, j] = _tanh(values[i, j] + bias[j])


@_inlined
def _add_bias(values: Any, bias: Any) -> None:
    for i in range(values.shape[0]):
        for j in range(values.shape[1]):
            values[i, j] += bias[j]


@_inlined
def _sum_rows(values: Any, out: Any) -> None:
    out[:] = values[0]
    for i in range(1, values.shape[0]):
        for j in range(values.shape[1]):
            out[j] += values[i, j]


@_inlined
def _through_tanh(deltas: Any, activated: Any) -> None:
    """Deltas · tanh', where `activated` is what tanh gave."""
    one = deltas.dtype.type(1.0)
    for i in range(deltas.shape[0]):
        for j in range(deltas.shape[1]):
            deltas[i, j] *= one - activated[i, j] * activated[i, j]


@_inlined
def _forward(row: Any, space: Space) -> None:
    """From `activations[0]` to the outputs."""
    activations = space.activations
    start, last = 0, len(activations) - 2
    for index in range(last + 1):
        entering, leaving = activations[index], activations[index + 1]
        weight, bias = layer(row, start, entering.shape[1], leaving.shape[1])
        multiply(entering, False, weight, False, leaving, space)
        if index < last:
            _activate(leaving, bias)
        else:
            _add_bias(leaving, bias)
        start += (entering.shape[1] + 1) * leaving.shape[1]


@_inlined
def _backward(row: Any, space: Space) -> None:
    """From the deltas of the outputs to `gradient`."""
    activations, deltas, gradient = space.activations, space.deltas, space.gradient
    end = len(gradient) - space.std.shape[1]
    for index in range(len(activations) - 2, -1, -1):
        entering, delta = activations[index], deltas[index + 1]
        inputs, outputs = entering.shape[1], delta.shape[1]
        start = end - (inputs + 1) * outputs
        weight, bias = layer(gradient, start, inputs, outputs)
        multiply(entering, True, delta, False, weight, space)
        _sum_rows(delta, bias)
        if index > 0:
            multiply(delta, False, layer(row, start, inputs, outputs)[0], True, deltas[index], space)
            _through_tanh(deltas[index], entering)
        end = start


@_inlined
def _policy_deltas(log_std: Any, rows: Rows, chosen: Any, space: Space, constants: Constants) -> None:
    """The derivative of −mean min(ρ A, clip(ρ) A) − c_e · entropy by the means and by log σ, `std[2]`."""
    outputs, deltas, std = space.activations[-1], space.deltas[-1], space.std
    real = std.dtype.type
    number, one, constant = real(len(chosen)), real(1.0), real(0.0)
    for j in range(len(log_std)):
        std[1, j], std[2, j] = math.exp(-log_std[j]), -constants.entropy
        constant += log_std[j] + real(_HALF_LOG_TWO_PI)
    for i in range(len(chosen)):
        squares = real(0.0)
        for j in range(len(log_std)):
            deltas[i, j] = (rows.actions[chosen[i], j] - outputs[i, j]) * std[1, j]
            squares += deltas[i, j] * deltas[i, j]
        advantage = rows.advantages[chosen[i]]
        ratio = math.exp(real(-0.5) * squares - constant - rows.log_probs[chosen[i]])
        clipped = min(max(ratio, one - real(constants.clip)), one + real(constants.clip))
        # Where the clipped branch is the smaller one, the surrogate is flat: no gradient.
        by_log_prob = real(0.0) if ratio * advantage > clipped * advantage else -ratio * advantage / number
        for j in range(len(log_std)):
            std[2, j] += (deltas[i, j] * deltas[i, j] - one) * by_log_prob
            deltas[i, j] *= std[1, j] * by_log_prob


@_inlined
def _critic_deltas(targets: Any, chosen: Any, space: Space) -> None:
    """The derivative of mean (v − target)² by v; a critic uses the first output only, the others' stay 0."""
    outputs, deltas = space.activations[-1], space.deltas[-1]
    real = deltas.dtype.type
    deltas[:] = real(0.0)
    space.std[2] = real(0.0)
    for i in range(len(chosen)):
        deltas[i, 0] = (outputs[i, 0] - targets[chosen[i]]) * real(2.0 / len(chosen))


@_inlined
def _clip(row: Any, decay: float, largest: float, space: Space) -> None:
    """Completes `gradient` by log σ's and by the derivative of decay · Σ p², and shortens it to `largest`."""
    gradient, num_actions = space.gradient, space.std.shape[1]
    real = gradient.dtype.type
    gradient[len(gradient) - num_actions :] = space.std[2]
    squares, twice = real(0.0), real(2.0 * decay)
    for j in range(len(gradient)):
        gradient[j] += twice * row[j]
        squares += gradient[j] * gradient[j]
    factor = real(largest) / (math.sqrt(squares) + real(1e-6))
    if not factor >= real(1.0):  # what is not finite stays so, and is reported
        for j in range(len(gradient)):
            gradient[j] *= factor


@_inlined
def _adam(state: State, network: int, step: int, lr: float, gradient: Any) -> None:
    """Adam's step number `step`, 1, 2, …, in the order of operations of torch's."""
    row, first, second = state.parameters[network], state.first[network], state.second[network]
    real = row.dtype.type
    root, size = real(math.sqrt(1.0 - _BETA2**step)), real(lr / (1.0 - _BETA1**step))
    new, keep, square, epsilon = real(1.0 - _BETA1), real(_BETA2), real(1.0 - _BETA2), real(_EPSILON)
    for j in range(len(row)):
        first[j] += new * (gradient[j] - first[j])
        second[j] = keep * second[j] + square * gradient[j] * gradient[j]
        row[j] -= size * first[j] / (math.sqrt(second[j]) / root + epsilon)


@_inlined
def _gather(observations: Any, chosen: Any, space: Space) -> None:
    inputs = space.activations[0]
    for i in range(len(chosen)):
        inputs[i] = observations[chosen[i]]


@_inlined
def _gradient(rows: Rows, chosen: Any, network: int, state: State, constants: Constants, space: Space) -> None:
    """Fills `gradient` with that of one network's loss for the rows in `activations[0]`."""
    row = state.parameters[network]
    _forward(row, space)
    if network == 0:
        _policy_deltas(row[len(row) - space.std.shape[1] :], rows, chosen, space, constants)
    else:
        _critic_deltas(rows.targets[network - 1], chosen, space)
    _backward(row, space)
    _clip(row, constants.critic_norm if network else 0.0, constants.largest, space)


@_compiled
def run_pass(rows: Rows, order: Any, state: State, step: int, lrs: Any, constants: Constants, space: Space) -> None:
    """Takes the steps of one pass: a step for every n rows of the order, in which a smaller rest is left out.

    Args:
        rows: The seed's batch.
        order: `[N]` int64; the rows' order.
        state: Changed in place.
        step: Adam's steps before this pass.
        lrs: `[K]` float64; Adam's step sizes.
        constants: Of the loss.
        space: Room for n rows.
    """
    size = space.activations[0].shape[0]
    for start in range(0, len(order) - size + 1, size):
        chosen = order[start : start + size]
        step += 1
        _gather(rows.observations, chosen, space)
        for network in range(len(lrs)):
            _gradient(rows, chosen, network, state, constants, space)
            _adam(state, network, step, lrs[network], space.gradient)


@_compiled
def policy_divergence(observations: Any, old_means: Any, old_log_std: Any, row: Any, space: Space) -> float:
    """Mean KL(old ‖ new) of a seed's policies over all rows, as `gaussian_kl` has it.

    Args:
        observations: `[N, O]`.
        old_means: `[N, A]`; means of the policy that acted.
        old_log_std: `[A]`; its log σ.
        row: `[q]`; parameters of the new policy.
        space: Room.

    Returns:
        The divergence, nats.
    """
    inputs, outputs = space.activations[0], space.activations[-1]
    num_rows, total = len(observations), 0.0
    for start in range(0, num_rows, len(inputs)):
        count = min(len(inputs), num_rows - start)
        inputs[:count] = observations[start : start + count]
        _forward(row, space)
        for j in range(len(old_log_std)):
            log_std = row[len(row) - len(old_log_std) + j]
            variance = 2.0 * math.exp(2.0 * log_std)
            constant = log_std - old_log_std[j] - 0.5 + math.exp(2.0 * old_log_std[j]) / variance
            for i in range(count):
                distance = old_means[start + i, j] - outputs[i, j]
                total += constant + distance * distance / variance
    return total / num_rows
