"""What a study may say: from a YAML file to frozen, checked data, and from an arm to its configurations."""

from sweeps.spec.study import Arm, RunSpec, StudySpec

__all__ = ["Arm", "RunSpec", "StudySpec"]
