"""How far generated images are from real ones: whether each looks real, whether any are missing, what gives them away.

Features are float [N, d], rows of two sets that need not be of one size, as a network trained on real images has them.
"""

import numpy as np

from dgm_tf.measures.measure import Detail, Large

NEIGHBOURS = 3  # Kynkäänniemi et al., 2019
LEAST = NEIGHBOURS + 2  # images of a class, below which nothing is measured
MEASURES = ("precision", "recall", "kernel_distance", "pixel_distance")


class Fidelity(Detail):
    """Generated images of each class beside its test images, by the features of the joint classifier."""

    name, large = "fidelity", Large.ROWS

    def applies(self, view):
        """Only for methods that replay, and if the settings ask for it."""
        return view.learner.method.replays_images and view.settings.gan_test_per_class > 0

    def after_task(self, view):
        """{measure: a number or None for each class}, of `MEASURES`."""
        return view.generated_beside_real and view.generated_beside_real[1]

    def scalars(self, value, view):
        """Means over classes, under fidelity/."""
        return {f"fidelity/{name}": mean for name, mean in means(value).items()}


def class_fidelity(real, generated, real_features, generated_features):
    """All measures of one class as a dict; None where there are fewer than 5 images of a kind, or no finite result.

    real, generated: images float [N, H, W, C] and [M, H, W, C] in [-1, 1]; their features [N, d] and [M, d].
    """
    if min(len(real), len(generated)) < LEAST:
        return dict.fromkeys(MEASURES)
    precision, recall = precision_recall(real_features, generated_features)
    kernel, pixels = kernel_distance(real_features, generated_features), pixel_distance(real, generated)
    measured = dict(zip(MEASURES, (precision, recall, kernel, pixels), strict=True))
    return {name: value if np.isfinite(value) else None for name, value in measured.items()}


def means(fidelity):
    """{measure: mean over the classes that were measured}, without those of which none was.

    fidelity: {measure: list with a number or None for each class}.
    """
    measured = {name: [v for v in values if v is not None] for name, values in fidelity.items()}
    return {name: float(np.mean(values)) for name, values in measured.items() if values}


def precision_recall(real, generated):
    """Improved precision and recall (Kynkäänniemi et al., 2019, equations 1 and 2): two shares in [0, 1].

    Precision: of generated images that lie among the real ones, no farther from one of them than its third neighbour.
    Recall: of real ones that lie so among the generated, which a memory with missing modes lacks.
    """
    between = _squared_distances(real, generated)
    precision = np.any(between <= _radii(real)[:, None], axis=0)
    recall = np.any(between <= _radii(generated), axis=1)
    return float(np.mean(precision)), float(np.mean(recall))


def kernel_distance(real, generated):
    """Kernel Inception Distance (Bińkowski et al., 2018) of the features given; 0 on average for one distribution.

    The unbiased squared maximum mean discrepancy with the kernel (x y / d + 1)^3: it can be a little below 0.
    """
    between = np.mean(_kernel(real, generated))
    return float(_mean_of_others(_kernel(real, real)) + _mean_of_others(_kernel(generated, generated)) - 2 * between)


def pixel_distance(real, generated):
    """How far mean and deviation of a pixel are off, on a scale where black and white are 2 apart.

    sqrt(mean over pixels of (mu - mu')^2 + (sigma - sigma')^2): the Fréchet distance of independent normal pixels, by
    their number. A background too grey is seen here though no eye minds it; a classifier learns from it.
    """
    (mean, deviation), (other_mean, other_deviation) = _moments(real), _moments(generated)
    return float(np.sqrt(np.mean((mean - other_mean) ** 2 + (deviation - other_deviation) ** 2)))


def _moments(images):
    mean, square = (np.mean(x, axis=0, dtype=np.float64) for x in (images, np.square(images)))
    return mean, np.sqrt(np.maximum(square - mean**2, 0))


def _radii(points):
    """[N]: squared distance of each point to its third neighbour."""
    own = _squared_distances(points, points)
    np.fill_diagonal(own, np.inf)
    return np.partition(own, NEIGHBOURS - 1, axis=1)[:, NEIGHBOURS - 1]


def _squared_distances(points, others):
    squares = np.sum(np.square(points), axis=1)[:, None] + np.sum(np.square(others), axis=1)
    return np.maximum(squares - 2 * (points @ others.T), 0)


def _kernel(points, others):
    return ((points @ others.T).astype(np.float64) / points.shape[1] + 1) ** 3


def _mean_of_others(kernel):
    """Mean of a square matrix without its diagonal."""
    count = len(kernel)
    return (kernel.sum() - np.trace(kernel)) / (count * (count - 1))
