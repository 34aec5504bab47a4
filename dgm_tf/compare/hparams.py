"""Entries for TensorBoard's HParams view, one for each run."""

import contextlib
import pathlib
import shutil


def write_hparams(comparison, directory):
    """Writes an entry for each run with results, replacing those of an earlier call.

    Hyper-parameters are `method` and `seed`; metrics the A_k of the suite, the last `gan_test` (both in percent),
    `memory_bytes`, `parameters` and `seconds`, where a run has them.

    Args:
      comparison: dict of `numbers.compare`.
      directory: a folder; what is not of an earlier call is left alone.
    """
    import tensorflow as tf
    from tensorboard.plugins.hparams import api as hp

    directory = pathlib.Path(directory)
    for earlier in (*directory.glob("*-seed*"), *directory.glob("events.out.tfevents.*")):
        shutil.rmtree(earlier) if earlier.is_dir() else earlier.unlink()
    runs = [(row["name"], run) for row in comparison["rows"] for run in row["runs"] if "accuracy" in run]
    metrics = [_metrics(run, comparison["at"]) for _, run in runs]
    method = hp.HParam("method", hp.Discrete([row["name"] for row in comparison["rows"]]))
    seed = hp.HParam("seed", hp.Discrete(sorted({run["seed"] for _, run in runs}) or [0]))
    with _writer(directory):
        names = dict.fromkeys(name for values in metrics for name in values)
        hp.hparams_config([method, seed], [hp.Metric(name) for name in names])
    for (name, run), values in zip(runs, metrics, strict=True):
        entry = f"{name}-seed{run['seed']}"
        with _writer(directory / entry):
            hp.hparams({method: name, seed: run["seed"]}, trial_id=entry)
            for metric, value in values.items():
                tf.summary.scalar(metric, value, step=0)


def _metrics(run, at):
    values = {f"A{k}": run["accuracy"].get(f"A{k}") for k in at}
    values |= {name: run[name] for name in ("gan_test", "memory_bytes", "parameters", "seconds")} | run["measured"]
    return {name: value for name, value in values.items() if value is not None}


@contextlib.contextmanager
def _writer(directory):
    import tensorflow as tf

    writer = tf.summary.create_file_writer(str(directory))
    with writer.as_default():
        yield
    writer.close()
