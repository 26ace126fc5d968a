"""Where a cluster's Jobs API is, in the variables that Ray's own `ray job` reads.

Unlike there, an address that is given wins over them.
"""

import os
from collections.abc import Mapping

API_VARIABLE = "RAY_API_SERVER_ADDRESS"


def is_dashboard(address: str) -> bool:
    """Whether an address is one of a dashboard, rather than of a cluster to join, such as `head:6379` or `auto`."""
    return address.startswith(("http://", "https://"))


def find_dashboard(variables: Mapping[str, str] | None = None) -> str | None:
    """The dashboard that RAY_API_SERVER_ADDRESS names, or RAY_ADDRESS where that is a URL.

    A RAY_ADDRESS such as `head:6379` is that of a cluster to join: nodes have it, and their commands stay there.

    Args:
        variables: Environment variables; None: those of this process.

    Returns:
        The address, or None.

    Examples:
        >>> find_dashboard({"RAY_ADDRESS": "http://head:8265"})
        'http://head:8265'
        >>> find_dashboard({"RAY_ADDRESS": "head:6379"})
    """
    given = os.environ if variables is None else variables
    if address := given.get(API_VARIABLE):
        return address
    address = given.get("RAY_ADDRESS", "")
    return address if is_dashboard(address) else None
