"""The root of a run: a method learns the tasks of a stream in a run folder, and can be stopped and resumed."""

import contextlib
import dataclasses
import tempfile

import gin
import tensorflow as tf

from dgm_tf import checks, keras_setup, serialization
from dgm_tf.data import ClassIncrementalStream
from dgm_tf.data.resuming import check_same_stream
from dgm_tf.disk import leftovers, watched_folder
from dgm_tf.disk.paths import user_path
from dgm_tf.learner import Learner
from dgm_tf.measures.best_epoch import BestEpoch
from dgm_tf.measures.drift import ReplayDrift
from dgm_tf.measures.record import entries_told
from dgm_tf.measures.settings import EvaluationSettings
from dgm_tf.measures.view import Judge
from dgm_tf.methods.method import Method
from dgm_tf.run.bar import Progress
from dgm_tf.run.checkpoints import Checkpointer, read_checkpoint
from dgm_tf.run.folder import RunFolder
from dgm_tf.run.log import TrainingLog
from dgm_tf.run.recorder import Recorder
from dgm_tf.stopping import StopSignals
from dgm_tf.training import agreement
from dgm_tf.training.compilation import jit_compilation
from dgm_tf.training.distribution import is_chief

PRECISIONS = ("float32", "mixed_bfloat16")


@gin.configurable
def run_experiment(
    run_dir,
    stream=gin.REQUIRED,
    method=gin.REQUIRED,
    seed=0,
    evaluation=None,
    checkpoint_seconds=120.0,
    summary_seconds=10.0,
    cache_dir=None,
    precision="float32",
    jit_compile=None,
    extend=None,
):
    """Learns all tasks of the stream, or resumes a killed run; returns its `Record`.

    Args:
      run_dir: the run folder; docs/running.md says what it holds.
      stream: `ClassIncrementalStream`.
      method: `Method`.
      seed: int, of all randomness in training; the stream has its own.
      evaluation: `EvaluationSettings`; None: its defaults.
      checkpoint_seconds, summary_seconds: time between checkpoints and between summaries.
      precision: "float32", or "mixed_bfloat16": convolutions in bfloat16; masks, statistics, heads, losses and replay
        stay float32. Worth it only where the hardware computes in bfloat16 (AVX-512 BF16, AMX, GPUs).
      jit_compile: whether XLA compiles the training steps (without a strategy): True, False, or None: on a GPU, for
        tasks so long that it pays.
      cache_dir: folder of what runs on the same data share: the judge, decoded images; None: .cache beside the run
        folder.
      extend: function from (stream, cache_dir) to a stream with more tasks, where a run learns on; see `Continuation`.

    Raises:
      UserError: if an argument is not as described.
      Interrupted: after SIGINT, SIGTERM or SIGHUP, when the state has been saved.
      WorkerLost: one of several workers has ended.
    """
    folder, evaluation = RunFolder(user_path(run_dir, "run_dir")), evaluation or EvaluationSettings()
    keras_setup.check()
    _check_objects(stream, method, evaluation)
    _check_values(seed, checkpoint_seconds, summary_seconds, precision, jit_compile)
    cache_dir = user_path(cache_dir or folder.path.parent / ".cache", "run_experiment.cache_dir")
    stream.keep_in(cache_dir)
    method.keep_in(cache_dir)
    with agreement.chief_first():  # it decodes images, or begins to learn on, and writes that down
        if extend is not None:
            stream, evaluation = extend(stream, cache_dir), dataclasses.replace(evaluation, protocol="strict")
        saved = read_checkpoint(folder.checkpoints)  # which `extend` may have written anew
        if saved is not None and extend is None:
            stream.begun_as(saved.record.class_names)
        class_names = list(stream.class_names)
    method.check_classes(len(class_names))
    _check_workers(stream, saved)
    computing = _computing(precision, jit_compile)
    with tf.distribute.get_strategy().scope(), computing, contextlib.ExitStack() as stack:
        learner, drift = Learner(method, seed), ReplayDrift()
        if saved is not None:
            learner = _resumed(saved, method, drift, folder, None if extend else stream)
            saved = dataclasses.replace(saved, arrays={})  # which the learner has
        own = _own_folder(folder, cache_dir, stack)
        best, judge = BestEpoch(stream, evaluation), Judge(stream, evaluation, cache_dir)
        head = saved.metrics_head if saved is not None and is_chief() else None
        ends_anew = learner.num_tasks == stream.num_tasks
        log = stack.enter_context(TrainingLog(own, summary_seconds, learner.position, ends_anew, head))
        recorder = Recorder(own, stream, evaluation, best, drift, judge, log, saved)
        progress = _progress(stream, method, best, stack)
        signals = stack.enter_context(StopSignals())
        stack.enter_context(agreement.loss_told(signals))
        watched = best, drift, recorder
        checkpoints = Checkpointer(folder.checkpoints, checkpoint_seconds, signals, watched, recorder.notes, is_chief())
        stack.callback(checkpoints.close)
        for task in range(learner.num_tasks, stream.num_tasks):
            learner.learn(stream.task(task), (best, log, progress, recorder, checkpoints))
        return recorder.finish(learner)  # all is saved by now: what a signal ends is done again


def _resumed(saved, method, drift, folder, stream):
    """The learner of a `Checkpoint`; drift takes up its references. stream: what it must have learned, or None."""
    with entries_told(folder.checkpoints):
        if stream is not None:
            check_same_stream(folder, saved.record, stream)
        learner = Learner.from_state(saved.learner, saved.arrays, method)
        drift.restore(learner, saved.arrays)
    return learner


def _progress(stream, method, best, stack):
    """`Progress`, which has told what the stream and the method have to tell; it is closed with the stack."""
    progress = Progress(stream, best)
    progress.tell(stream.overview)
    told = method.told([len(stream.task_classes(task)) for task in range(stream.num_tasks)])
    progress.tell([told] if told else [])
    stack.callback(progress.close)  # a bar hides the terminal's cursor
    return progress


def _own_folder(folder, cache_dir, stack):
    """The `RunFolder` that this process writes into, tidied up: of a worker that is no chief a temporary one."""
    if not is_chief():
        folder = RunFolder(stack.enter_context(tempfile.TemporaryDirectory()))
    folder.path.mkdir(parents=True, exist_ok=True)  # an OSError says what to do about a full disk
    stack.enter_context(watched_folder.watched(folder.path))
    leftovers.sweep(folder.path, held=False)
    leftovers.sweep_shared(cache_dir)
    return folder


@contextlib.contextmanager
def _computing(precision, jit_compile):
    import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        with jit_compilation(jit_compile):
            yield
    finally:
        keras.config.set_dtype_policy(before)


def _check_workers(stream, saved):
    """Checks that all workers have the same images and checkpoint."""
    if agreement.place()[1] == 1:
        return
    tests = [len(stream.test_split(task)) for task in range(stream.num_tasks)]
    agreement.check_same("images", list(stream.class_names), list(stream.train_sizes), tests)
    if saved is not None:
        agreement.check_same("checkpoints", saved.arrays, saved.learner, saved.record.small(), saved.seconds)
    else:
        agreement.check_same("checkpoints")


def _check_objects(stream, method, evaluation):
    expected = {
        "stream": (stream, ClassIncrementalStream, "@ClassIncrementalStream()"),
        "method": (method, Method, "a method, such as @DGM()"),
        "evaluation": (evaluation, EvaluationSettings, "@EvaluationSettings()"),
    }
    for name, (value, kind, text) in expected.items():
        checks.argument(f"run_experiment.{name}", value, isinstance(value, kind), text)
    serialization.to_json(method)  # a class that no saved learner could name is refused before any work


def _check_values(seed, checkpoint_seconds, summary_seconds, precision, jit_compile):
    for name, value in {"checkpoint_seconds": checkpoint_seconds, "summary_seconds": summary_seconds}.items():
        checks.number_in(f"run_experiment.{name}", value, "[0, inf)")
    checks.integer_in("run_experiment.seed", seed, "[0, inf)")
    fits = precision in PRECISIONS
    checks.argument("run_experiment.precision", precision, fits, f"one of {', '.join(map(repr, PRECISIONS))}")
    fits = jit_compile is None or isinstance(jit_compile, bool)
    checks.argument("run_experiment.jit_compile", jit_compile, fits, "True, False or None")
