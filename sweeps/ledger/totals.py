"""What a study's trials amount to together."""

from sqlalchemy import and_, case, func, or_, select

from sweeps.ledger.database import reading
from sweeps.ledger.ledger import Ledger
from sweeps.ledger.outage import survives_outages
from sweeps.ledger.tables import seed_runs, trials
from sweeps.records import State

_FINISHED = [state.value for state in State if state.is_finished]


@survives_outages
def planned_env_steps(ledger: Ledger, study: int, budget: int) -> int:
    """Env steps that the trials of a study will have done; the sum of `Trial.planned_env_steps`.

    Args:
        ledger: The ledger.
        study: Key of the study.
        budget: Env steps of a seed that trains to its end.
    """
    ended = or_(trials.c.state.in_(_FINISHED), seed_runs.c.state.in_(_FINISHED))
    of_trial = and_(trials.c.study == seed_runs.c.study, trials.c.number == seed_runs.c.trial)
    total = select(func.sum(case((ended, seed_runs.c.env_steps), else_=budget))).select_from(
        seed_runs.join(trials, of_trial)
    )
    with reading(ledger.engine).begin() as connection:
        return int(connection.scalar(total.where(seed_runs.c.study == study)) or 0)
