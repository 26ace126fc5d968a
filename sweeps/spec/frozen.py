"""A dictionary that stays as it is: a study's hash must not go stale."""

from typing import Any, NoReturn, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class FrozenDict(dict[K, V]):
    """A `dict` that refuses to change; it equals, prints and is written like any other.

    Examples:
        >>> FrozenDict({"kp": 0.1})["kp"], FrozenDict({"kp": 0.1}) == {"kp": 0.1}
        (0.1, True)
    """

    def _refuse(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError("`a specification is frozen` must hold; build another one from `model_dump()`.")

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse  # pyright: ignore[reportAssignmentType]

    def __reduce__(self) -> tuple[Any, ...]:
        return FrozenDict, (dict(self),)  # copies and unpickles without setting items
