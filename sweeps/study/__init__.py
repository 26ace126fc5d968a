"""A study that lives in a storage folder, to be created, loaded, run, extended, stopped, deleted and read.

    create_study(StudySpec.from_yaml("pid-gains.yaml")).run()
    load_study("pid-gains").trials_dataframe()

The storage folder holds the ledger, MLflow's store and one folder a study under `studies/`. It is the argument
`storage`, or LAGSWEEP_STORAGE, or `lagsweep-runs` where the process runs.
"""

from sweeps.status import Status
from sweeps.study.catalog import create_study, list_studies, load_study
from sweeps.study.study import Study

__all__ = ["Status", "Study", "create_study", "list_studies", "load_study"]
