"""Saving and loading of a learner: learner.json, weights.npz, masks.npz, stored.npz. They are data, never run.

learner.json names classes of the `registry` alone, and holds the SHA-256 of the other files and of itself. It is also
what makes a save count: the new arrays lie beside the old ones under names of their own until it is replaced, so that
whenever a process is killed, one whole learner is there.
"""

import os
import time

import numpy as np

from dgm_tf import limits, registry, serialization
from dgm_tf.disk import files, lock, npz, signed_npz
from dgm_tf.disk.paths import user_path
from dgm_tf.errors import UserError
from dgm_tf.layers.storage import Storage, storage_of
from dgm_tf.learner.state import LearnerState
from dgm_tf.methods.array_spec import ArraySpec
from dgm_tf.methods.networks import Networks
from dgm_tf.networks.gaussians import ClassGaussians
from dgm_tf.networks.linear import LinearClassifier
from dgm_tf.networks.task_generator import TaskGenerator
from dgm_tf.networks.two_headed import TwoHeadedNetwork
from dgm_tf.training.divergence import is_finite

DESCRIPTION = "learner.json"
METHOD_ARRAYS = "method"  # prefix of what a method keeps beside its networks
FILES = ("weights.npz", "masks.npz", "stored.npz")
MOST_DESCRIPTION_BYTES = 256_000_000
_TASKS = "tasks"  # an entry of format 1's files
_ADVICE = "resume the run that saved it, or restore it from a copy"
_ATTEMPTS = 5  # to read a folder that another process is saving to


def save(learner, directory):
    """Writes a learner between two tasks; returns the bytes of each of `FILES` by name.

    What follows from the tasks' stored bits, and what is empty between tasks, is not written (see `Storage`).
    """
    directory, description = user_path(directory, "directory"), learner.description()  # the latter may refuse
    arrays: dict[str, dict[str, np.ndarray]] = {name: {} for name in FILES}
    for name, network in learner.method.networks.by_name().items():
        for key, variable in zip(serialization.network_keys(name, network), network.weights, strict=True):
            if (file := _file_of(variable)) is not None:
                arrays[file][key] = np.asarray(variable)
    arrays["stored.npz"] = {f"{METHOD_ARRAYS}/{k}": array for k, array in learner.method.arrays().items()}
    directory.mkdir(parents=True, exist_ok=True)
    with lock.held_itself(directory, "save", "another save"):
        digests = {name: {"sha256": digest} for name, digest in _write_next(directory, arrays).items()}
        for name, entry in digests.items():
            entry["bytes"] = _next(directory, name).stat().st_size
        files.write_json(directory / DESCRIPTION, description | {"files": digests})
        for name in FILES:
            os.replace(_next(directory, name), directory / name)
    return {name: entry["bytes"] for name, entry in digests.items()}


def _write_next(directory, arrays):
    """Writes the files under their temporary names; returns {name: SHA-256}."""
    with files.written_together() as write:
        return {
            name: write(_next(directory, name), signed_npz.content(arrays[name], compress=name != "weights.npz"))
            for name in FILES
        }


def _file_of(variable):
    return {Storage.KEEP: "weights.npz", Storage.BITS: "masks.npz", Storage.REBUILD: None}[storage_of(variable)]


def _next(directory, name):
    """Name of a file until learner.json is written."""
    return directory / f".{name}.next"


def read(directory):
    """Reads (`LearnerState`, arrays) of a saved learner.

    Raises:
      Damaged: if a file is not as it was written.
      UserError: if the folder holds none, or one of other classes, arrays, shapes or types than it should.
    """
    directory = user_path(directory, "directory")
    for attempt in range(_ATTEMPTS):
        before = _stamp(directory)
        try:
            found = _read_once(directory)
            if _stamp(directory) == before:
                return found
        except (UserError, OSError):
            if attempt + 1 == _ATTEMPTS or _stamp(directory) == before:
                raise
        time.sleep(0.1)
    raise UserError(f"{directory}: another process saved to it {_ATTEMPTS} times while it was read; try again later")


def _stamp(directory):
    """Returns a stamp that changes with each file that a save replaces."""
    states = [path.stat() for path in (directory / name for name in (DESCRIPTION, *FILES)) if path.exists()]
    return [(state.st_ino, state.st_mtime_ns) for state in states]


def _read_once(directory):
    description = _read_description(directory / DESCRIPTION)
    try:
        state = LearnerState.from_json(description)
        if state.position.task != len(state.task_classes):
            raise UserError("position: expected a learner between two tasks, got one in the middle of a task")
        outlines = _outlines(state)
    except UserError as error:
        raise UserError(f"{directory / DESCRIPTION}: {error}") from error
    paths = {name: directory / name for name in FILES}
    if state.format > 1:
        paths = {name: _committed(directory, name, description.get("files")) for name in FILES}
    expected = _expected(state, outlines)
    arrays = {name: _read_arrays(paths[name], expected[name], state) for name in FILES}
    return state, {key: array for content in arrays.values() for key, array in content.items()}


def _outlines(state):
    """Makes the method's networks for these classes and images, without memory for their weights."""
    classes = state.method.network_classes().by_name()
    if classes.keys() != state.networks.keys():
        expected, got = (", ".join(sorted(names)) for names in (classes, state.networks))
        raise UserError(f"networks: expected {expected}, got {got}")
    outlines = {}
    for name, description in state.networks.items():
        outlines[name] = network = serialization.network_outline(description, f"networks.{name}")
        if not registry.same(type(network), classes[name]):
            expected, got = classes[name].__name__, type(network).__name__
            raise UserError(f"networks.{name}: expected {expected}, as in the method's settings, got {got}")
    extractor = outlines.get("extractor")
    read = state.image_shape if extractor is None else (extractor.num_features,)
    for name, network in outlines.items():
        _check_sizes(name, network, state, state.image_shape if network is extractor else read)
    return outlines


def _check_sizes(name, network, state, image_shape):
    expected = {"image_shape": image_shape}
    if isinstance(network, (TwoHeadedNetwork, LinearClassifier, ClassGaussians)):
        expected["num_classes"] = len(state.class_names)
    if isinstance(network, TaskGenerator):
        expected["num_tasks"] = len(state.task_classes) + 1
    for attribute, value in expected.items():
        got = getattr(network, attribute, value)
        if got != value:
            raise UserError(f"networks.{name}: expected {attribute} {value}, as of what was learned, got {got}")


def _read_description(path):
    size = path.stat().st_size
    if size > MOST_DESCRIPTION_BYTES:
        raise UserError(f"{path}: expected at most {MOST_DESCRIPTION_BYTES // 10**6} MB, got {size // 10**6} MB")
    return files.read_json(path, _ADVICE)


def _committed(directory, name, digests):
    """Finds a file that learner.json names. It has its temporary name if saving was killed."""
    entry = digests.get(name) if isinstance(digests, dict) else None
    if not isinstance(entry, dict) or not isinstance(entry.get("sha256"), str):
        raise files.damaged(directory / DESCRIPTION, f"it holds no SHA-256 of {name}", _ADVICE)
    paths = [path for path in (directory / name, _next(directory, name)) if path.is_file()]
    for path in paths:
        if files.sha256(path) == entry["sha256"]:
            return path
    if not paths:
        raise files.damaged(directory, f"expected {', '.join(FILES)}, found no {name}", _ADVICE)
    raise files.damaged(directory / name, f"it is not the file that {DESCRIPTION} was saved with", _ADVICE)


def _expected(state, outlines):
    """Returns the expected arrays of each file, {key: `ArraySpec`}."""
    expected: dict[str, dict[str, ArraySpec]] = {name: {} for name in FILES}
    for name, network in outlines.items():
        numbered = state.format == 1
        keys = serialization.keys(name, network.weights) if numbered else serialization.network_keys(name, network)
        for key, variable in zip(keys, network.weights, strict=True):
            if (file := _file_of(variable)) is not None:
                expected[file][key] = ArraySpec(tuple(variable.shape), np.dtype(variable.dtype))
    specs = state.method.array_specs(Networks.from_names(outlines), len(state.class_names), state.image_shape)
    expected["stored.npz"] = {f"{METHOD_ARRAYS}/{name}": spec for name, spec in specs.items()}
    return expected


def _read_arrays(path, expected, state):
    if not path.is_file():
        raise files.damaged(path.parent, f"expected {', '.join(FILES)}, found no {path.name}", _ADVICE)
    with npz.open_archive(path, _ADVICE) as archive:
        archive.refuse_others()
        members = dict(archive.members)
        if state.format == 1:
            _check_tasks(archive, path, members.pop(_TASKS, None), state)
        for key in members.keys() | expected.keys():
            _check_member(path, key, members.get(key), expected.get(key))
        free = limits.free_memory()
        if free is not None and members:  # twice, as a method makes its own arrays of them
            archive.check_total(list(members), free // 2)
        arrays = {key: archive.read(key) for key in members}
    for key, array in arrays.items():
        if not is_finite(array):
            raise files.damaged(path, f"{key} holds values that are not finite", _ADVICE)
    return arrays


def _check_tasks(archive, path, member, state):
    told = member is not None and member.shape[0] < 20 and archive.read(_TASKS).tobytes()
    if told != str(state.position.task).encode():
        raise UserError(f"{path.parent}: its files are of different tasks, as saving was killed; resume the run")


def _check_member(path, key, member, expected):
    if expected is None:
        raise files.damaged(path, f"it holds an unknown array {key!r}", _ADVICE)
    if member is None:
        if expected.required:
            raise files.damaged(path, f"the array {key} is missing", _ADVICE)
        return
    if not expected.admits(member.shape, member.dtype):
        raise files.damaged(path, f"expected {key} as {expected}, got {member}", _ADVICE)
