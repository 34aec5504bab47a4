r"""Computes the sizes of some departures from the published experiments, for docs/departures.md.

  python tools/departures.py --json=docs/results/departures.json

Adam: how far a weight moves in the first step, in learning rates, by the size of its gradient. Kernels: standard
deviation of a new DCGAN generator's masked kernels. alpha: of eq. 6 in the last task of docs/results/mnist_dgmw.json,
as DGM.alpha counts it. No training.
"""

import json
import pathlib
import sys

from absl import app, flags

FLAGS = flags.FLAGS
flags.DEFINE_string("json", None, "File for all figures.")
GRADIENTS = (1.0, 1e-6, 1e-8)


def first_steps():
    """{rule: {gradient: move of the first step, in learning rates}}."""
    import keras
    import tensorflow as tf

    from dgm_tf.training.optimizer import ADAMS, make_adam

    moves = {}
    for rule in ADAMS:
        weights = keras.Variable([0.0] * len(GRADIENTS), dtype="float32")
        make_adam(1.0, [weights], rule=rule).apply([tf.constant(GRADIENTS)], [weights])
        moves[rule] = {f"{g:g}": -float(move) for g, move in zip(GRADIENTS, weights.numpy(), strict=True)}
    return moves


def kernel_spreads():
    """{initializer: standard deviation of each masked kernel of a new DCGAN generator, f = 6}."""
    import numpy as np

    from dgm_tf.networks.dcgan import DCGANGenerator
    from dgm_tf.training.randomness import seeded_initializers

    spreads = {}
    for name in ("normal", "xavier"):
        with seeded_initializers(0, "departures"):
            layers = DCGANGenerator(initializer=name).masked_layers
        spreads[name] = [float(np.std(np.asarray(layer.kernel))) for layer in layers]
    return spreads


def alphas():
    """{what is counted: alpha} of the run's last task."""
    path = pathlib.Path(__file__).resolve().parent.parent / "docs" / "results" / "mnist_dgmw.json"
    capacity = json.loads(path.read_text())["capacity"]
    sizes = {"channels": "units", "entries": "mask_entries"}
    totals = {
        name: [sum(layer[key] for layer in capacity[t]["layers"].values()) for t in (0, -1)]
        for name, key in sizes.items()
    }
    return {name: last / first for name, (first, last) in totals.items()}


def main(_):
    """Computes, prints, writes."""
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
    from machine import described  # beside this file

    results = described() | {
        "command": "python tools/departures.py",
        "first_step": first_steps(),
        "kernel_spread": kernel_spreads(),
        "alpha": alphas(),
    }
    print(json.dumps(results, indent=1))
    if FLAGS.json:
        from dgm_tf.disk import files

        files.write_json(FLAGS.json, results)


if __name__ == "__main__":
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
    app.run(main)
