"""Forgetting of classes in a run folder: all that holds them is rewritten or deleted, also if it is killed midway.

The journal, forgetting.json, is written first and removed last. As long as it is there, the forgetting is in progress,
and the same command finishes it. Each step looks at what is there: done twice, it changes nothing.
"""

import dataclasses
import shutil

from dgm_tf.data.class_names import same_form, task_names
from dgm_tf.disk import files, leftovers
from dgm_tf.errors import UserError
from dgm_tf.export import export, formats_in
from dgm_tf.learner import load
from dgm_tf.learner.forgetting import labels_of
from dgm_tf.learner.saving import FILES
from dgm_tf.measures import record as records
from dgm_tf.measures.memory import MemoryBytes, Parameters
from dgm_tf.measures.view import MeasuredRun, View
from dgm_tf.measures.without import names_class, without
from dgm_tf.report import figures
from dgm_tf.run import caches, journal, sessions
from dgm_tf.run.checkpoints import has_checkpoint, read_checkpoint, write_checkpoint
from dgm_tf.run.recorder import run_figures
from dgm_tf.text import shown


class Forgetting:
    """Takes classes out of a finished run.

    Args:
      folder: `RunFolder`, which this process holds.
      names: of the classes.
      cache_dirs: folders of its caches.
      callbacks: `Callback`s that watch what is trained anew.
    """

    def __init__(self, folder, names, cache_dirs, callbacks=()):
        self._folder, self._names, self._cache_dirs = folder, list(names), list(cache_dirs)
        self._callbacks, self._told = callbacks, []

    def __call__(self):
        """Takes them out; returns [(what, what became of it)] and sentences on what stays.

        Raises:
          UserError: before anything was changed, if the run has not finished, or the classes cannot be taken out.
        """
        begun, learner = journal.read(self._folder), self._learner()
        if begun is None:
            names, stays = self._begin(learner)
        else:
            names, stays = begun["classes"], begun["stays"]
            self._check_same(names)
            if not set(names).isdisjoint(learner.class_names):
                learner.forget(names, self._callbacks)
        learner.save(self._folder.memory)
        self._tell(self._folder.memory, "rewritten: weights, statistics, names")
        self._finish(learner, names)
        self._folder.forgetting.unlink()
        return self._told, stays

    def _begin(self, learner):
        """Takes the classes out of the learner, which may be refused, and writes the journal."""
        found = self._finished()
        names = [name for name in found.class_names if name not in learner.class_names]
        if names:  # taken out of memory/ by Python
            self._check_same(names)
            stays = []
        else:
            names = [learner.class_names[label] for label in labels_of(self._names, learner.class_names)]
            stays = learner.forget(names, self._callbacks)
        journal.write(self._folder, names, stays)
        return names, stays

    def _learner(self):
        if not self._folder.has_config or not self._folder.memory.is_dir():
            raise UserError(f"run_dir: expected the folder of a finished run, got {self._folder}, which holds none")
        return load(self._folder.path)

    def _finished(self):
        """The run's `Record`, without large entries."""
        place, found = self._folder, self._folder.record(large=False)
        if found is None or not found.finished:
            raise UserError(f"run_dir: {place} has not finished: run its last command again to resume it, then forget")
        saved = read_checkpoint(place.checkpoints)
        if saved is not None and len(saved.learner["task_classes"]) != found.learned:
            raise UserError(f"run_dir: {place} is learning more classes: run the same bin/learn command again first")
        return found

    def _check_same(self, classes):
        if set(map(same_form, self._names)) != set(map(same_form, classes)):
            told = shown(", ".join(map(repr, classes)))
            raise UserError(
                f"classes: the forgetting of {told} in {self._folder} was stopped: expected these names again, got "
                f"{shown(', '.join(map(repr, self._names)))}"
            )

    def _tell(self, path, became):
        inside = path.is_relative_to(self._folder.path)
        self._told.append((path.relative_to(self._folder.path) if inside else path, became))

    def _finish(self, learner, names):
        """All but the memory, from what is kept by the most to what is made of it."""
        saved, found = read_checkpoint(self._folder.checkpoints), self._folder.record()
        found = saved.record if found is None and saved is not None else found
        if found is None:
            raise UserError(f"{self._folder.results}: expected it or a checkpoint, found neither; restore one of them")
        labels = [label for label, name in enumerate(found.class_names) if name in names]
        if labels or not self._folder.results.is_file():
            found = self._rewrite_results(without(found, labels, _sizes(learner)), learner, saved)
        if not found.is_large:
            (self._folder.path / records.LARGE).unlink(missing_ok=True)
        if has_checkpoint(self._folder.checkpoints):
            self._tell(self._folder.checkpoints, "both checkpoints rewritten")
        self._tell(self._folder.results, "rewritten without the classes")
        self._delete_curves()
        self._draw(found, learner)
        self._export(learner)
        self._delete_caches()
        self._rewrite_commands(names)
        self._tell_others(names)

    def _rewrite_results(self, found, learner, saved):
        sizes = {f"{name.removesuffix('.npz')}_bytes": (self._folder.memory / name).stat().st_size for name in FILES}
        found = dataclasses.replace(found, sizes=sizes, finished=True)
        if saved is not None:
            going_on = dataclasses.replace(found, finished=False)  # as one that a task's end has written
            arrays = learner.arrays() | records.to_checkpoint(going_on.packed())
            arrays |= {name: array for name, array in saved.arrays.items() if name.startswith("drift_device/")}
            notes = {"results": going_on.small(), "seconds": {}}
            write_checkpoint(self._folder.checkpoints, arrays, learner.description(), notes)
        found.write(self._folder.path)
        return found

    def _delete_curves(self):
        """What is deleted: it names the classes or is made of their images, and a run does not need it."""
        folder = self._folder
        curves = (folder.metrics, folder.path / "train", folder.path / "eval")
        for path in (*curves, folder.figures, folder.images, folder.samples, folder.labels):
            if not path.exists():
                continue
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
            if path != folder.figures:
                self._tell(path, "deleted")

    def _draw(self, found, learner):
        if found.last.get("confusion") is None:
            self._tell(self._folder.figures, "deleted")
            return
        for name, figure in run_figures(found, task_names(learner.class_names, learner.task_classes)).items():
            figures.save(figure, self._folder.figures / f"{name}.png")
        self._tell(self._folder.figures, "deleted, and drawn anew of what results.json has")

    def _export(self, learner):
        place = self._folder.export
        formats = formats_in(place)
        if not place.exists():
            return
        try:
            if not formats:
                raise UserError("it holds no export")
            export(learner, place, formats)
        except UserError as error:
            shutil.rmtree(place)
            self._tell(place, f"deleted: {error}")
        else:
            self._tell(place, f"rewritten: {', '.join(formats)}")

    def _delete_caches(self):
        found = caches.found_in(self._cache_dirs, caches.OF_CLASSES)
        for cache in found:
            cache.delete()
        for place in self._cache_dirs:
            leftovers.sweep_shared(place)  # of a forgetting that was killed here, too
        for place in {cache.path.parent for cache in found}:
            own = [cache for cache in found if cache.path.parent == place]
            size = sum(cache.nbytes for cache in own)
            self._tell(
                place,
                f"deleted: {len(own)} caches of images and of what is made of them, {size:,} bytes; other runs make "
                "theirs again",
            )

    def _rewrite_commands(self, names):
        """Leaves the names out of the commands in run.json."""
        path = self._folder.starts
        if not path.is_file():
            return
        facts = files.read_json(path, sessions.ADVICE)
        before = [session.get("command") for session in sessions.read_sessions(path)]
        for session in facts["sessions"]:
            words = session.get("command") or []
            session["command"] = [
                "(forgotten)" if any(names_class(str(word), name) for name in names) else word for word in words
            ]
        if before != [session.get("command") for session in facts["sessions"]]:
            files.write_json(path, facts)
            self._tell(path, "commands rewritten that named the classes")

    def _tell_others(self, names):
        """What names the classes still, and what nobody knows of."""
        folder = self._folder
        for path in (folder.config, folder.operative_config):
            text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
            if any(names_class(text, name) for name in names):
                self._tell(path, "stays: its settings name a class, and hold nothing else of it")
        own = {path.name for path in vars(folder).values()} - {folder.path.name}
        own |= {records.LARGE, "train", "eval", ".lock"}
        for path in sorted(folder.path.iterdir()):
            if path.name not in own:
                self._tell(path, "stays: no file of the run's; look whether it holds the classes")


def _sizes(learner):
    """What a task's entry says of the bytes and weights of a learner, as it is now."""
    view = View(learner, None, {}, MeasuredRun(None, None, None))
    return {measure.name: measure.after_task(view) for measure in (MemoryBytes(), Parameters())}
