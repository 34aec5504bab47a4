"""Forgetting and backward transfer: what earlier tasks have lost or gained since they were learned."""

import numpy as np

from dgm_tf.measures import formulas
from dgm_tf.measures.measure import Better, Measure, Shown


class _OfMatrix(Measure):
    """A number that follows from the accuracy matrix; None where one of its entries is missing."""

    shown, compared = Shown.FACT, False

    def _matrix(self, view):
        matrix = view.accuracy_matrix
        complete = not np.isnan(matrix[np.tril_indices(len(matrix))]).any()
        return matrix if complete else None


class Forgetting(_OfMatrix):
    """Mean loss of each earlier task from its best accuracy (Chaudhry et al., 2018)."""

    name, better = "forgetting", Better.LOWER

    def scalars(self, value, view):
        """Beside the accuracies."""
        return {"accuracy/forgetting": value}

    def after_task(self, view):
        """In [-1, 1]; 0 after the first task."""
        matrix = self._matrix(view)
        return None if matrix is None else float(formulas.forgetting(matrix))


class BackwardTransfer(_OfMatrix):
    """Mean change of each earlier task's accuracy since it was learned (Lopez-Paz and Ranzato, 2017)."""

    name = "backward_transfer"

    def after_task(self, view):
        """In [-1, 1]; None after the first task."""
        matrix = self._matrix(view)
        return None if matrix is None or len(matrix) == 1 else float(formulas.backward_transfer(matrix))
