"""NGBoost (Duan et al. 2020): a normal distribution for each row, by natural-gradient boosting of shallow trees."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from shared.seed import generator

if TYPE_CHECKING:
    from demos.renewables.forecast.horizons_config import NgboostConfig


def normals(
    train: pd.DataFrame, target: NDArray[np.floating], test: pd.DataFrame, config: NgboostConfig, *, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(mean, standard deviation) of each row of `test`, both (n,), in the unit of the target.

    train, test: feature frames with equal columns, NaN where unknown (its trees take them); target: (n_train,).
    """
    from ngboost import NGBRegressor
    from ngboost.distns import Normal
    from sklearn.tree import DecisionTreeRegressor

    state = int(generator(seed, "ngboost").integers(2**31))
    model = NGBRegressor(
        Dist=Normal,
        Base=DecisionTreeRegressor(max_depth=config.depth, min_samples_leaf=config.min_leaf, random_state=state),
        n_estimators=config.rounds,
        learning_rate=config.learning_rate,
        minibatch_frac=config.row_share,
        col_sample=config.column_share,
        verbose=False,
        random_state=state,
    )
    model.fit(train.to_numpy(dtype=np.float32), np.asarray(target, dtype=float))
    found = model.pred_dist(test.to_numpy(dtype=np.float32)).params
    return np.asarray(found["loc"], dtype=float), np.asarray(found["scale"], dtype=float)
