"""What a classifier learns from synthetic rows, tested on real ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.integer]


def area_under_curve(made: Rows, held_out: Rows, target: int) -> float:
    """Return the area under the curve on held-out rows of boosted trees trained on synthetic ones.

    Args:
        made: synthetic codes, shape (rows, columns).
        held_out: real codes that no system saw, shape (other rows, columns).
        target: the column to predict; code 1 against all others.

    Returns:
        Between 0 and 1; 0.5 if the synthetic rows hold one class only.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.metrics import roc_auc_score

    labels = made[:, target] == 1
    if labels.all() or not labels.any():
        return 0.5
    trees = HistGradientBoostingClassifier(random_state=0).fit(np.delete(made, target, axis=1), labels)
    scores = trees.predict_proba(np.delete(held_out, target, axis=1))[:, 1]
    return float(roc_auc_score(held_out[:, target] == 1, scores))
