"""The rows of a trial as two Parquet files, from which every metric of it can be computed again."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sweeps.records import ResultRow

ROWS_NAME = "rows.parquet"
EPISODES_NAME = "episodes.parquet"

_IDENTITY = ("seed", "iteration", "env_steps", "attempt", "time")
_METRIC = "metric/"
_COST = "cost/"


def write_parquet(rows: Sequence[ResultRow], folder: Path) -> list[Path]:
    """Writes the rows of one trial.

    Args:
        rows: Rows of one trial, at least one.
        folder: Where to.

    Returns:
        `rows.parquet`: one row a seed and iteration with `trial`, `seed`, `iteration`, `env_steps`, `attempt`, `time`
        (seconds since the epoch) and `metric/<key>` for each metric, null where it is absent. `episodes.parquet`: one
        row an episode with `trial`, `seed`, `iteration`, `env_steps`, its undiscounted `return` and `cost/<name>` for
        each cost.
    """
    keys = list(dict.fromkeys(key for row in rows for key in row.metrics))
    columns: dict[str, Any] = {name: [getattr(row, name) for row in rows] for name in ("trial", *_IDENTITY)}
    columns |= {f"{_METRIC}{key}": pa.array([row.metrics.get(key) for row in rows], pa.float64()) for key in keys}
    names = list(dict.fromkeys(name for row in rows for name in row.episode_costs))
    ended = [(row, index) for row in rows for index in range(len(row.episode_returns))]
    episodes: dict[str, Any] = {
        name: pa.array([getattr(row, name) for row, _ in ended], pa.int64())
        for name in ("trial", "seed", "iteration", "env_steps")
    }
    episodes["return"] = pa.array([row.episode_returns[index] for row, index in ended], pa.float64())
    for name in names:
        costs = [row.episode_costs[name][index] if name in row.episode_costs else None for row, index in ended]
        episodes[f"{_COST}{name}"] = pa.array(costs, pa.float64())
    for name, table in ((ROWS_NAME, columns), (EPISODES_NAME, episodes)):
        pq.write_table(pa.table(table), folder / name, compression="zstd")
    return [folder / ROWS_NAME, folder / EPISODES_NAME]


def read_parquet(folder: Path) -> list[ResultRow]:
    """Reads the rows of a trial back.

    Args:
        folder: A folder with both files, such as the downloaded artifact folder `results` of a trial's run.

    Returns:
        The rows, as they were given to `write_parquet`.
    """
    episodes: dict[tuple[int, int], list[dict[str, Any]]] = {}
    columns = pq.read_schema(folder / EPISODES_NAME).names
    costs = [name for name in columns if name.startswith(_COST)]
    for episode in pq.read_table(folder / EPISODES_NAME).to_pylist():
        episodes.setdefault((episode["seed"], episode["iteration"]), []).append(episode)
    return [_row(row, episodes.get((row["seed"], row["iteration"]), []), costs) for row in _rows(folder)]


def _rows(folder: Path) -> list[dict[str, Any]]:
    return pq.read_table(folder / ROWS_NAME).to_pylist()


def _row(row: dict[str, Any], episodes: list[dict[str, Any]], costs: list[str]) -> ResultRow:
    metrics = {name.removeprefix(_METRIC): value for name, value in row.items() if name.startswith(_METRIC)}
    return ResultRow(
        trial=row["trial"],
        metrics={key: value for key, value in metrics.items() if value is not None},
        episode_returns=tuple(episode["return"] for episode in episodes),
        episode_costs={name.removeprefix(_COST): tuple(episode[name] for episode in episodes) for name in costs},
        **{name: row[name] for name in _IDENTITY},
    )
