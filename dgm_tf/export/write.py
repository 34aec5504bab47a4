"""Writing of a learner's SavedModels and of what other runtimes take: all of them or none."""

import json
import os
import shutil

from dgm_tf import stopping
from dgm_tf.disk import files, leftovers, lock, watched_folder
from dgm_tf.disk.paths import user_path
from dgm_tf.errors import UserError
from dgm_tf.export import converted
from dgm_tf.text import is_text, shown

MODELS = ("generator", "classifier")
CLASSES = "classes.json"
SAVED_MODEL = "saved_model"
CONVERTED = {"litert": "classifier.tflite", "onnx": "classifier.onnx"}
FORMATS = (SAVED_MODEL, *CONVERTED)
_NAMES = (*MODELS, *CONVERTED.values(), CLASSES)


def formats_in(directory):
    """The formats of which a folder holds an export."""
    directory = user_path(directory, "directory")
    files_of = {SAVED_MODEL: "classifier/saved_model.pb", **CONVERTED}
    return [name for name, file in files_of.items() if (directory / file).is_file()]


def export(learner, directory, formats=(SAVED_MODEL,)):
    """Writes a learner's SavedModels, or its classifier for other runtimes. If it fails, the earlier export stays.

    Args:
      learner: `Learner` that has learned at least one task.
      directory: folder, made where needed; an earlier export in it is replaced, whatever its formats.
      formats: some of "saved_model" (generator and classifier), "litert" and "onnx" (the classifier).

    Returns:
      {name in the folder: bytes on disk}, such as {"generator": ..., "classifier": ..., "classifier.onnx": ...},
      without the generator where the method has none.

    Raises:
      UserError: if nothing has been learned, one of the names is taken by something else, a converter is not installed,
        or it cannot convert the classifier.
      Diverged: if a weight is not finite.
    """
    from dgm_tf.learner.learner import check_learner
    from dgm_tf.training.divergence import check_finite

    check_learner(learner)
    if not learner.num_tasks:
        raise UserError("export: expected a learner that has learned a task, got one that has not")
    _check_formats(formats)
    converted.check_installed(formats)
    check_finite(learner, learner.arrays(), lambda: "export")
    directory = user_path(directory, "directory").absolute()
    _check_replaceable(directory)
    building = files.temporary_name(directory / "building")  # of this process alone, as others may be exporting, too
    watched_folder.make(building)
    try:
        leftovers.sweep_shared(directory)
        with files.named(directory):
            sizes = _write(learner, building, formats)
        with lock.held_itself(directory, "export", "another export"), stopping.held():
            _check_replaceable(directory)
            _swap(building, directory)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return sizes


def _check_formats(formats):
    unknown = [name for name in formats if name not in FORMATS]
    if isinstance(formats, str) or unknown or not formats:
        found = shown(repr(formats if isinstance(formats, str) else unknown[0])) if formats else "none"
        raise UserError(f"formats: expected some of {', '.join(FORMATS)}, got {found}")


def _check_replaceable(directory):
    for name in MODELS:
        path = directory / name
        if path.exists() and not (path / "saved_model.pb").is_file():
            raise UserError(f"{path} is in the way: it exists and is no SavedModel that could be replaced")
    for name in CONVERTED.values():
        if (directory / name).exists() and not (directory / name).is_file():
            raise UserError(f"{directory / name} is in the way: it exists and is no file that could be replaced")


def _json(names):
    """Returns the names as JSON, with escapes for names that are no valid text (surrogates)."""
    return json.dumps(names, indent=1, ensure_ascii=not all(map(is_text, names)))


def _write(learner, directory, formats):
    classes = directory / CLASSES
    files.write_atomically(classes, _json(learner.class_names) + "\n")
    sizes = _write_saved_models(learner, directory, classes) if SAVED_MODEL in formats else {}
    convert = {"litert": converted.litert_bytes, "onnx": converted.onnx_bytes}
    for name, file in CONVERTED.items():
        if name in formats:
            stopping.check()
            files.write_atomically(directory / file, convert[name](learner))
            sizes[file] = (directory / file).stat().st_size
    return sizes


def _write_saved_models(learner, directory, classes):
    import tensorflow as tf

    from dgm_tf.export.modules import ClassifierModule, GeneratorModule

    sizes = {}
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)  # nobody trains what is exported
    for make in (GeneratorModule, ClassifierModule) if learner.method.replays_images else (ClassifierModule,):
        stopping.check()
        module = make(learner)
        module.classes = tf.saved_model.Asset(str(classes))
        tf.saved_model.save(module, str(directory / module.name), signatures=module.signatures(), options=options)
        sizes[module.name] = _size(directory / module.name)
    return sizes


def _size(directory):
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())


def _swap(new, directory):
    """Moves the finished files into place, all or none."""
    earlier, moved = new / "earlier", []
    earlier.mkdir()

    def move(source, target):
        if source.exists():
            os.replace(source, target)
            moved.append((source, target))

    try:
        for name in _NAMES:
            move(directory / name, earlier / name)
            move(new / name, directory / name)
    except BaseException:
        for source, target in reversed(moved):
            os.replace(target, source)
        raise
