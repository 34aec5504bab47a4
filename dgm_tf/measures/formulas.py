"""Class-incremental metrics: small numpy functions of predictions and of the accuracy matrix.

The accuracy matrix is float [T, T], fractions in [0, 1]: row t, column i is the accuracy on task i's
test images after learning task t, NaN where i > t (task i not learned yet). Tasks may hold different
numbers of classes; an entry is the mean over the task's classes. Labels are
learning-order indices 0..n-1.

Forward transfer (Lopez-Paz & Ranzato, 2017) is left out on purpose: in the class-incremental
single-head setting the head has no output for a class before its task, so the accuracy on a future
task is no measurement and FWT is undefined.
"""

import numpy as np


def confusion_matrix(labels, predictions, num_classes):
    """Counts of (true, predicted) pairs, both axes in learning order.

    labels, predictions: integers [N] in 0..num_classes-1. Returns int64 [num_classes, num_classes],
    rows true, columns predicted. Raises ValueError on other shapes, types or ranges.
    """
    if num_classes < 1:
        raise ValueError(f"num_classes must be at least 1, got {num_classes}")
    labels = _class_indices(labels, num_classes, "labels")
    predictions = _class_indices(predictions, num_classes, "predictions")
    if labels.shape != predictions.shape:
        raise ValueError(f"labels and predictions differ in length: {labels.size} and {predictions.size}")
    counts = np.bincount(labels * num_classes + predictions, minlength=num_classes**2)
    return counts.reshape(num_classes, num_classes).astype(np.int64)


def per_class_accuracy(confusion):
    """Recall of each class, confusion[c, c] / sum_j confusion[c, j]: float [n] in [0, 1].

    confusion: counts [n, n], rows true. A class without test images gets NaN.
    """
    confusion = _confusion(confusion)
    totals = confusion.sum(axis=1)
    return np.where(totals > 0, np.diag(confusion) / np.maximum(totals, 1), np.nan)


def macro_accuracy(confusion):
    """Mean over classes of their accuracies: the paper's A_k for the k classes of `confusion`.

    Classes without test images are left out of the mean; ValueError if that leaves none.
    """
    return _mean_over_classes(per_class_accuracy(confusion))


def micro_accuracy(confusion):
    """Share of all test images classified correctly, trace / sum: in [0, 1]; ValueError if there are none."""
    confusion = _confusion(confusion)
    if not confusion.any():
        raise ValueError("confusion must count at least one image, got all zeros")
    return float(np.trace(confusion) / confusion.sum())


def macro_top_k_accuracy(logits, labels, k):
    """Mean over classes of the share of images whose true class is among the k largest logits: in [0, 1].

    logits: [N, n]; labels: integers [N]; 1 <= k <= n. Ties with the true class's logit and NaN count as
    misses, so that constant or diverged logits score 0 and not 1.
    """
    logits = np.asarray(logits)
    if logits.ndim != 2 or not logits.size:
        raise ValueError(f"logits must have shape [N, n], neither 0, got {logits.shape}")
    if not 1 <= k <= logits.shape[1]:
        raise ValueError(f"k must lie in 1..{logits.shape[1]} (the number of classes), got {k}")
    labels = _class_indices(labels, logits.shape[1], "labels")
    if len(labels) != len(logits):
        raise ValueError(f"labels and logits differ in length: {len(labels)} and {len(logits)}")
    own = np.take_along_axis(logits, labels[:, None], axis=1)
    rivals = (~(logits < own)).sum(axis=1) - 1  # minus one: the true class itself
    counts = np.bincount(labels)
    return float(np.mean((np.bincount(labels, weights=rivals < k) / np.maximum(counts, 1))[counts > 0]))


def average_accuracy(accuracies, classes_per_task):
    """A_k after each task: sum_{i<=t} n_i a[t, i] / sum_{i<=t} n_i, every class weighing the same.

    accuracies: accuracy matrix [T, T]; classes_per_task: n_i, integers [T]. Returns float [T].
    """
    accuracies, sizes = _accuracy_matrix(accuracies), _task_sizes(classes_per_task)
    if sizes.shape != accuracies.shape[:1]:
        raise ValueError(f"classes_per_task must hold {len(accuracies)} sizes, got {sizes.size}")
    return np.nan_to_num(accuracies) @ sizes / np.cumsum(sizes)


def forgetting_per_task(accuracies):
    """f_i = max_{i<=t<T} a[t, i] - a[T, i] for every task i < T (Chaudhry et al., 2018, "RWalk").

    accuracies: accuracy matrix [T, T]. Returns float [T-1] in [-1, 1] (empty for T = 1); negative where
    a task ends better than it ever was.
    """
    accuracies = _accuracy_matrix(accuracies)
    if len(accuracies) == 1:
        return np.empty(0)
    return np.nanmax(accuracies[:-1, :-1], axis=0) - accuracies[-1, :-1]


def forgetting(accuracies):
    """Mean drop from each earlier task's best accuracy, F = mean_{i<T} f_i (Chaudhry et al., 2018).

    accuracies: accuracy matrix [T, T]. In [-1, 1], lower is better. After one task there is nothing to
    forget: defined as 0.0.
    """
    drops = forgetting_per_task(accuracies)
    return float(drops.mean()) if drops.size else 0.0


def backward_transfer(accuracies):
    """BWT = mean_{i<T} (a[T, i] - a[i, i]) (Lopez-Paz & Ranzato, 2017, "GEM").

    accuracies: accuracy matrix [T, T]. In [-1, 1], negative if later tasks hurt earlier ones; 0.0 for T = 1.
    """
    accuracies = _accuracy_matrix(accuracies)
    changes = (accuracies[-1] - np.diag(accuracies))[:-1]
    return float(changes.mean()) if changes.size else 0.0


def _class_indices(values, num_classes, name):
    values = np.asarray(values)
    if values.ndim != 1 or not (np.issubdtype(values.dtype, np.integer) or values.size == 0):
        raise ValueError(f"{name} must be integers of shape [N], got {values.dtype} of shape {values.shape}")
    if values.size and not 0 <= values.min() <= values.max() < num_classes:
        raise ValueError(f"{name} must lie in 0..{num_classes - 1}, got {values.min()}..{values.max()}")
    return values.astype(np.int64)


def _confusion(confusion):
    confusion = np.asarray(confusion)
    if confusion.ndim != 2 or confusion.shape[0] != confusion.shape[1] or not confusion.size:
        raise ValueError(f"confusion must have shape [n, n], got {confusion.shape}")
    if not (confusion >= 0).all():
        raise ValueError(f"confusion must hold counts >= 0, got {confusion.min()}")
    return confusion


def _accuracy_matrix(accuracies):
    accuracies = np.asarray(accuracies, float)
    if accuracies.ndim != 2 or accuracies.shape[0] != accuracies.shape[1] or not accuracies.size:
        raise ValueError(f"accuracies must have shape [T, T], got {accuracies.shape}")
    learned = np.tril(np.ones(accuracies.shape, bool))
    if not ((accuracies[learned] >= 0) & (accuracies[learned] <= 1)).all():
        raise ValueError(f"accuracies must be fractions in [0, 1] where column <= row, got {accuracies}")
    if not np.isnan(accuracies[~learned]).all():
        raise ValueError("accuracies must be NaN where column > row: those tasks are not learned yet")
    return accuracies


def _task_sizes(classes_per_task):
    sizes = np.asarray(classes_per_task)
    if sizes.ndim != 1 or not sizes.size or not np.issubdtype(sizes.dtype, np.integer) or sizes.min() < 1:
        raise ValueError(f"classes_per_task must be integers >= 1, one per task, got {classes_per_task!r}")
    return sizes


def _mean_over_classes(values):
    if np.isnan(values).all():
        raise ValueError("at least one class needs test images, got none")
    return float(np.nanmean(values))
