"""Average incremental accuracy: one number for a whole curve."""

import numpy as np

from dgm_tf.measures.measure import Measure


class AverageIncrementalAccuracy(Measure):
    """Mean of A_k over the tasks learned so far (Rebuffi et al., 2017): what the field compares methods by."""

    name, title = "average_incremental_accuracy", "mean A_k"

    def after_task(self, view):
        """A fraction; None where one of the A_k is missing."""
        averages = [*view.record.column("average_accuracy"), view.average_accuracy(view.logits)]
        return None if None in averages else float(np.mean(averages))
