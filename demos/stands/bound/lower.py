"""How far is a plan from the best there can be?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from demos.stands.bound.ascent import Bound, ascend, share_of_cost
from demos.stands.bound.mix import raise_by_mix
from demos.stands.bound.stand_days import StandDays
from demos.stands.problem import Problem, plan_cost

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from demos.stands.config import BoundConfig


def lower_bound(problem: Problem, plans: Sequence[NDArray[np.int64]], config: BoundConfig) -> Bound:
    """No plan costs less, shadows or not. plans: (n,) each, at least one, the better the quicker."""
    days = StandDays(problem)
    best = min(plans, key=lambda plan: plan_cost(problem, plan))
    start = ascend(days, share_of_cost(days, best), plan_cost(problem, best), config.ascents)
    if not config.seconds:
        return start
    found = raise_by_mix(days, plans, start, config.seconds)
    before = start.curve[-1][0]
    found.curve = [*start.curve, *((before + seconds, value) for seconds, value in found.curve)]
    return found
