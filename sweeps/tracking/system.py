"""What the driver's machine is doing, on request: MLflow's own variables ask for it, its own names show it.

`MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING=true` turns it on and `MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL` says how often, as
for any user of MLflow. MLflow's monitor itself is not used: it sends from a thread of its own and past the spool.
"""

import csv
import io
import os
import shutil
import subprocess
import threading
from collections.abc import Callable

import psutil

THREAD_NAME = "lagsweep-system"

_DEFAULT_INTERVAL_S = 10.0
_MB = 1e6
_GPU_QUERY = "index,utilization.gpu,memory.used,memory.total"


def sampling_interval_s() -> float | None:
    """How often to sample, seconds, or None where nobody asked.

    Raises:
        ValueError: If the interval is no positive number.
    """
    if os.environ.get("MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING", "").lower() not in {"true", "1"}:
        return None
    text = os.environ.get("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", str(_DEFAULT_INTERVAL_S))
    try:
        interval = float(text)
    except ValueError:
        interval = 0.0
    if not interval > 0.0:
        raise ValueError(f"`MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL > 0` must hold, but got {text!r}.")
    return interval


class SystemSampler:
    """Samples this machine in a thread.

    Args:
        interval_s: Seconds between two samples.
        report: Takes each sample: metric key → value.
    """

    def __init__(self, interval_s: float, report: Callable[[dict[str, float]], None]) -> None:
        self._interval_s = interval_s
        self._report = report
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=THREAD_NAME, daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        psutil.cpu_percent()  # the first call of a process begins its measurement
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread; nothing is reported afterwards."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self._interval_s):
            self._report(sample())


def sample() -> dict[str, float]:
    """Measures this machine once.

    Returns:
        MLflow's keys: `system/cpu_utilization_percentage`, `system/system_memory_usage_megabytes` and `_percentage`,
        `system/disk_usage_percentage`, and for each NVIDIA GPU `system/gpu_<i>_utilization_percentage`,
        `system/gpu_<i>_memory_usage_megabytes` and `_percentage`.
    """
    memory, disk = psutil.virtual_memory(), psutil.disk_usage("/")
    return {
        "system/cpu_utilization_percentage": psutil.cpu_percent(),
        "system/system_memory_usage_megabytes": memory.used / _MB,
        "system/system_memory_usage_percentage": memory.percent,
        "system/disk_usage_percentage": disk.percent,
        **_gpus(),
    }


def _gpus() -> dict[str, float]:
    program = shutil.which("nvidia-smi")
    if program is None:
        return {}
    command = [program, f"--query-gpu={_GPU_QUERY}", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=5)
    except (OSError, subprocess.SubprocessError):
        return {}
    return parse_gpus(done.stdout)


def parse_gpus(text: str) -> dict[str, float]:
    """Reads what nvidia-smi prints; memory is in MiB.

    Args:
        text: Lines of index, utilization, memory used and memory in all.

    Returns:
        MLflow's keys → values.

    Examples:
        >>> parse_gpus("0, 50, 1000, 4000")["system/gpu_0_memory_usage_percentage"]
        25.0
    """
    values: dict[str, float] = {}
    for index, busy, used, total in csv.reader(io.StringIO(text), skipinitialspace=True):
        values[f"system/gpu_{index}_utilization_percentage"] = float(busy)
        values[f"system/gpu_{index}_memory_usage_megabytes"] = float(used) * 2**20 / _MB
        values[f"system/gpu_{index}_memory_usage_percentage"] = 100.0 * float(used) / float(total)
    return values
