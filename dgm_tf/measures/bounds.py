"""Bounds by real data: joint training above, fine-tuning below, and the judge of GAN-test."""

import hashlib
import json
import pathlib
import zlib

import numpy as np

from dgm_tf import serialization, stopping
from dgm_tf.disk import files
from dgm_tf.errors import UserError
from dgm_tf.learner import Learner
from dgm_tf.measures import formulas
from dgm_tf.measures.images import seen_test_images
from dgm_tf.measures.measure import Detail, Kept
from dgm_tf.measures.training import fresh_classifier, train_classifier
from dgm_tf.methods.fine_tuning import FineTuning
from dgm_tf.output import warn
from dgm_tf.training import agreement
from dgm_tf.training.classifier import measuring_batch_size

_ADVICE = "it is made again"
_FORMAT = 2  # of fine-tuning's figures


class Bounds(Detail):
    """A_k after each task of joint training (above) and of fine-tuning (below), of a classifier like the learner's."""

    name, kept = "bounds", Kept.LAST

    def applies(self, view):
        """Where all real images can be had; else those of the first run stay."""
        return view.stream.complete and view.learner.method.has_bounds

    def after_run(self, view):
        """{"joint training": fractions after each task, "fine-tuning": the same}, without what diverged or was left
        out.
        """
        with view.learner.clock.measure("bounds"):
            measured = {"joint training": view.joint_accuracies()}
            if view.settings.fine_tuning_epochs:
                measured["fine-tuning"] = view.trained("fine-tuning", view.fine_tuning_accuracies)
        return {name: averages for name, averages in measured.items() if averages is not None}


def joint_classifier(learner, stream, settings, cache_dir):
    """A classifier like the learner's, trained on the real images of all the stream's classes, kept on disk.

    For measuring only: GAN-test is its accuracy on generated images, and its accuracy on real test images is
    the joint-training bound. cache_dir: folder shared by the runs on the same data.
    """
    network = fresh_classifier(learner, stream.num_classes, "joint")
    path = pathlib.Path(cache_dir) / f"joint-{_fingerprint(network, learner, stream, settings.judge_epochs)}.npz"
    arrays = _found(path, lambda: _weights(path, network))
    if agreement.all_of(arrays is not None):
        serialization.assign_arrays("joint", network.weights, arrays)
        return network
    groups = [(task.train.images, task.train.labels) for task in stream.fresh_copy()]
    train_classifier(network, groups, settings.judge_epochs, learner.seed, adam=learner.method.adam)
    if agreement.is_chief():
        files.write_arrays(path, serialization.to_arrays("joint", network.weights))
    return network


def _found(path, read):
    """Returns the result of `read`, or None if the file is missing or damaged. Damage is reported."""
    if not path.is_file():
        return None
    try:
        return read()
    except UserError as error:
        warn(error)
        return None


def _weights(path, network):
    (arrays,) = files.read_arrays(path, advice=_ADVICE)
    fits = serialization.to_arrays("joint", network.weights)
    facts = [{name: (array.shape, array.dtype) for name, array in each.items()} for each in (arrays, fits)]
    if facts[0] != facts[1]:
        raise files.damaged(path, "expected the weights of another network", _ADVICE)
    return arrays


def _averages(path, num_tasks):
    content = files.read_json(path, _ADVICE)
    averages = content.get("average_accuracy") if isinstance(content, dict) else content  # a list before it was signed
    if not isinstance(averages, list) or len(averages) != num_tasks:
        raise files.damaged(path, f"expected {num_tasks} accuracies in it, found others", _ADVICE)
    return averages


def _fingerprint(network, learner, stream, training):
    """Of all that a bound follows from; training: how it is trained, as JSON has it."""
    tests = [_checksum(stream.test_split(t).images) for t in range(stream.num_tasks)]
    facts = [
        serialization.network_to_json(network), stream.name, list(stream.class_names),
        stream.train_sizes, stream.validation_split, tests, training, learner.seed,
        *([learner.method.adam] if learner.method.adam != "keras" else []),  # the rule of those that name none
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]


def _checksum(images, batch_size=1000):
    checksum = 0
    for start in range(0, len(images), batch_size):
        stopping.check()
        checksum = zlib.crc32(np.ascontiguousarray(images[start : start + batch_size]).data, checksum)
    return checksum


def fine_tuning_accuracies(learner, stream, settings, cache_dir):
    """A_k after each task of a classifier like the learner's that is only fine-tuned: the lower bound, kept on disk."""
    stream, given = stream.fresh_copy(), stream
    adam = learner.method.adam
    method = FineTuning(epochs=settings.fine_tuning_epochs, batch_size=measuring_batch_size(), adam=adam)
    first = fresh_classifier(learner, len(stream.task_classes(0)), "fine-tuning")
    training = [settings.fine_tuning_epochs, [len(stream.task_classes(t)) for t in range(stream.num_tasks)]]
    path = pathlib.Path(cache_dir) / f"fine-tuning-{_fingerprint(first, learner, given, training)}.json"
    averages = _found(path, lambda: _averages(path, stream.num_tasks))
    if agreement.all_of(averages is not None):
        return averages
    bound = Learner(method, learner.seed)
    method.networks.classifier = first
    averages = []
    for task in stream:
        bound.learn(task)
        images, labels = seen_test_images(stream, task.index)
        predicted = np.argmax(bound.logits(images), axis=1)
        confusion = formulas.confusion_matrix(labels, predicted, len(bound.class_names))
        averages.append(formulas.macro_accuracy(confusion))
    if agreement.is_chief():
        files.write_json(path, {files.FORMAT: _FORMAT, "average_accuracy": averages})
    return averages
