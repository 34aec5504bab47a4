"""Names and settings of earlier versions, which still work: in gin files, includes, commands, imports, saved learners.

All of them stand in this one table. A text or a name is translated where it is read; what is written has new names.
"""

import ast
import importlib
import importlib.abc
import importlib.util
import re
import sys
import warnings

from dgm_tf.errors import UserError

# Modules: a name that is not here is looked up by its package's.
MODULES = {
    "dgm_tf.arguments": "dgm_tf.learner.arguments",
    "dgm_tf.benchmark": "dgm_tf.cli.compare",
    "dgm_tf.benchmarks": "dgm_tf.data",
    "dgm_tf.benchmarks.archive_labels": "dgm_tf.data.sources.archive_labels",
    "dgm_tf.benchmarks.archive_members": "dgm_tf.data.sources.archive_members",
    "dgm_tf.benchmarks.arrays": "dgm_tf.data.arrays",
    "dgm_tf.benchmarks.benchmark": "dgm_tf.data.stream",
    "dgm_tf.benchmarks.cautions": "dgm_tf.data.cautions",
    "dgm_tf.benchmarks.class_names": "dgm_tf.data.class_names",
    "dgm_tf.benchmarks.class_splits": "dgm_tf.data.holdout",
    "dgm_tf.benchmarks.continued": "dgm_tf.data.continued",
    "dgm_tf.benchmarks.decoding": "dgm_tf.data.sources.decoding",
    "dgm_tf.benchmarks.excerpts": "dgm_tf.data.excerpts",
    "dgm_tf.benchmarks.folder_walk": "dgm_tf.data.sources.folder_walk",
    "dgm_tf.benchmarks.image_archive": "dgm_tf.data.sources.archive",
    "dgm_tf.benchmarks.image_cache": "dgm_tf.data.sources.cache",
    "dgm_tf.benchmarks.image_files": "dgm_tf.data.sources.image_files",
    "dgm_tf.benchmarks.image_folder": "dgm_tf.data.sources.folder",
    "dgm_tf.benchmarks.image_store": "dgm_tf.data.sources.store",
    "dgm_tf.benchmarks.listing": "dgm_tf.data.sources.listing",
    "dgm_tf.benchmarks.ordering": "dgm_tf.data.order",
    "dgm_tf.benchmarks.overview": "dgm_tf.data.overview",
    "dgm_tf.benchmarks.packaged": "dgm_tf.data.sources.packaged",
    "dgm_tf.benchmarks.reachability": "dgm_tf.data.sources.reachability",
    "dgm_tf.benchmarks.resuming": "dgm_tf.data.resuming",
    "dgm_tf.benchmarks.row_facts": "dgm_tf.data.fingerprints",
    "dgm_tf.benchmarks.task": "dgm_tf.data.task",
    "dgm_tf.benchmarks.tfds_source": "dgm_tf.data.sources.tfds",
    "dgm_tf.bounded_npz": "dgm_tf.disk.npz",
    "dgm_tf.bounds": "dgm_tf.measures.bounds",
    "dgm_tf.command_line": "dgm_tf.cli.command",
    "dgm_tf.continuation": "dgm_tf.run.continuation",
    "dgm_tf.evaluation": "dgm_tf.measures",
    "dgm_tf.evaluation.best_epoch": "dgm_tf.measures.best_epoch",
    "dgm_tf.evaluation.evaluator": "dgm_tf.measures.settings",
    "dgm_tf.evaluation.fidelity": "dgm_tf.measures.fidelity",
    "dgm_tf.evaluation.figures": "dgm_tf.report.figures",
    "dgm_tf.evaluation.grids": "dgm_tf.report.grids",
    "dgm_tf.evaluation.metrics": "dgm_tf.measures.formulas",
    "dgm_tf.evaluation.replay_drift": "dgm_tf.measures.drift",
    "dgm_tf.evaluation.report": "dgm_tf.report.tables",
    "dgm_tf.experiment": "dgm_tf.run.experiment",
    "dgm_tf.export.__main__": "dgm_tf.cli.export",
    "dgm_tf.files": "dgm_tf.disk.files",
    "dgm_tf.folder_lock": "dgm_tf.disk.lock",
    "dgm_tf.learn": "dgm_tf.cli.learn",
    "dgm_tf.learner_state": "dgm_tf.learner.state",
    "dgm_tf.leftovers": "dgm_tf.disk.leftovers",
    "dgm_tf.levels": "dgm_tf.learner.levels",
    "dgm_tf.paths": "dgm_tf.disk.paths",
    "dgm_tf.progress": "dgm_tf.run.bar",
    "dgm_tf.recorder": "dgm_tf.run.recorder",
    "dgm_tf.regular_files": "dgm_tf.disk.regular_files",
    "dgm_tf.rollback": "dgm_tf.learner.rollback",
    "dgm_tf.rows": "dgm_tf.data.rows",
    "dgm_tf.run_results": "dgm_tf.measures.record",
    "dgm_tf.sample": "dgm_tf.cli.sample",
    "dgm_tf.saved_learner": "dgm_tf.learner.saving",
    "dgm_tf.saved_models": "dgm_tf.export.modules",
    "dgm_tf.sealed_text": "dgm_tf.disk.sealed_text",
    "dgm_tf.sessions": "dgm_tf.run.sessions",
    "dgm_tf.suites": "dgm_tf.compare",
    "dgm_tf.suites.comparison": "dgm_tf.compare.numbers",
    "dgm_tf.suites.formats": "dgm_tf.compare.formats",
    "dgm_tf.suites.hparams": "dgm_tf.compare.hparams",
    "dgm_tf.suites.launcher": "dgm_tf.compare.launcher",
    "dgm_tf.suites.live": "dgm_tf.compare.live",
    "dgm_tf.suites.ray_launcher": "dgm_tf.compare.ray_launcher",
    "dgm_tf.suites.report_files": "dgm_tf.compare.report_files",
    "dgm_tf.suites.run_progress": "dgm_tf.compare.run_progress",
    "dgm_tf.suites.runs": "dgm_tf.compare.runs",
    "dgm_tf.suites.statistics": "dgm_tf.compare.statistics",
    "dgm_tf.suites.suite": "dgm_tf.compare.suite",
    "dgm_tf.train": "dgm_tf.cli.train",
    "dgm_tf.training.checkpoints": "dgm_tf.run.checkpoints",
    "dgm_tf.training.metrics_log": "dgm_tf.run.metrics_log",
    "dgm_tf.training.summaries": "dgm_tf.run.summaries",
    "dgm_tf.training_log": "dgm_tf.run.log",
    "dgm_tf.watched_folder": "dgm_tf.disk.watched_folder",
}

# Classes, of modules that are imported by an earlier name.
CLASSES = {"ClassIncrementalBenchmark": "ClassIncrementalStream", "ContinuedBenchmark": "ContinuedStream"}

# Classes and parameters in gin files.
GIN_NAMES = {"ClassIncrementalBenchmark": "ClassIncrementalStream", "run_experiment.benchmark": "run_experiment.stream"}

# DGM's s_max, which is now so many times the epochs: class, old name, new name; the epochs where nothing binds them.
_CLASS, _S_MAX, _PER_EPOCH = "DGM", "max_mask_scale", "mask_scale_per_epoch"
DEFAULT_EPOCHS = 100

# What was meant by saying nothing, where that now leaves a setting to the size of the tasks.
EARLIER_DEFAULTS = {
    "GANSettings.auxiliary_loss": False,
    "GANSettings.gradient_penalty_share": 1.0,
    "GANSettings.min_batches_per_class": False,
    "ClassifierSettings.replay_schedule": "balanced",
    "ClassifierSettings.own_optimizer": False,
    "ClassifierSettings.generated_current": 0.0,
}

# What learners of format 2 and before were that do not say so: class -> {setting that came later: its value then}.
BEFORE = {
    "GANSettings": {"adam": "keras"},
    "ClassifierSettings": {"adam": "keras"},
    "SingleClassifier": {"adam": "keras"},
    "ResNetDiscriminator": {"padding": "same"},
}

# Those of `GANSettings` that learners of 0.1.0 have not saved, though it learned them with the earlier default.
_LATER_GAN_SETTINGS = ("min_batches_per_class",)

# Entries of a comparison's table.json, whose writer gives both names.
_COMPARISON_KEYS = {"scores": "figures", "score": "figure"}

# Folders of shipped gin files, and the files.
GIN_FOLDERS = {"gin/benchmarks": "gin/data", "gin/suites": "gin/compare"}
GIN_FILES = {
    f"imagenet50_{kind}.gin": f"imagenet50_tiny_{kind}.gin" for kind in ("dgmw_fast", "dgma_fast", "dgmw_plus")
}


def module_name(name):
    """Today's name of a module, a dotted str; the name itself where it is today's."""
    found = MODULES.get(name)
    if found is None and (parts := name.rpartition("."))[0] in MODULES:
        found = f"{MODULES[parts[0]]}.{parts[2]}"
    return found or name


def gin_path(path):
    """Today's path of a shipped gin file, a str; the path itself where it is today's."""
    for old, new in GIN_FOLDERS.items():
        path = re.sub(rf"^{old}(?=/)", new, path)
    folder, slash, name = path.rpartition("/")
    return folder + slash + GIN_FILES.get(name, name)


def gin_text(text):
    """A configuration, a str, with today's names; it keeps its lines."""
    for old, new in GIN_NAMES.items():
        text = re.sub(rf"(?<![\w'\"]){re.escape(old)}(?!\w)", new, text)
    return re.sub(r"(?m)^(\s*(?:import|from)\s+)([\w.]+)", lambda match: match[1] + module_name(match[2]), text)


def gin_settings(text, statements, bindings):
    """A whole configuration, a str, with the settings of today; it keeps its lines.

    statements: gin's parser's, of the text; bindings: `Bindings` of them.

    Raises:
      UserError: if an earlier setting's value is not a number or macro on the line of its name.
    """
    lines = text.split("\n")
    for statement in statements:
        if getattr(statement, "arg_name", None) == _S_MAX and statement.selector.rpartition(".")[2] == _CLASS:
            index = statement.location.line_num - 1
            lines[index] = _per_epoch_line(lines[index], statement, bindings)
    return "\n".join(lines)


def _per_epoch_line(line, statement, bindings):
    before, name, after = line.partition(_S_MAX)
    equals, written, comment = re.fullmatch(r"(\s*=\s*)([^#]*?)(\s*(?:#.*)?)", after).groups()
    try:
        is_whole = written.startswith("%") or ast.literal_eval(written) == statement.value
    except (ValueError, SyntaxError):
        is_whole = False
    if not is_whole:
        raise UserError(
            f"{_CLASS}.{name}: expected a number in one line, got '{line.strip()}'; set {_PER_EPOCH} instead"
        )
    s_max = bindings.resolved(statement.value)
    value = per_epoch(s_max, _epochs(statement.scope, bindings))
    return f"{before}{_PER_EPOCH}{equals}{written if value is s_max else value}{comment}"


def _epochs(scope, bindings):
    """Those of the GAN that a method which the binding's scope concerns is trained with."""
    called = bindings.scope("", "run_experiment", "method")
    if not f"{called}/".startswith(f"{scope}/" if scope else ""):
        called = scope  # the run has another method
    return bindings.value(bindings.scope(called, _CLASS, "gan"), "GANSettings", "epochs", DEFAULT_EPOCHS)


def per_epoch(s_max, epochs):
    """s_max / epochs; s_max itself, to be refused, where one of them is no positive number, or too large a one."""
    numbers = all(isinstance(n, (int, float)) and not isinstance(n, bool) and 0 < n < 1e300 for n in (s_max, epochs))
    return s_max / epochs if numbers else s_max


def saved_settings(names, settings):
    """Settings in a saved learner, a JSON object, by the names of today.

    names: of their class and its bases; settings: {name: JSON value}.
    """
    if "GANSettings" in names:
        return dict.fromkeys(_LATER_GAN_SETTINGS, False) | settings
    if _CLASS not in names or _S_MAX not in settings or _PER_EPOCH in settings:
        return settings
    gan = settings.get("gan")
    gan = gan.get("settings") if isinstance(gan, dict) else None
    epochs = gan.get("epochs", DEFAULT_EPOCHS) if isinstance(gan, dict) else DEFAULT_EPOCHS
    rest = {name: value for name, value in settings.items() if name != _S_MAX}
    return rest | {_PER_EPOCH: per_epoch(settings[_S_MAX], epochs)}


def comparison(value):
    """A comparison, or a part of it, with its entries under their earlier names, too, for programs that read those."""
    if isinstance(value, list):
        return [comparison(item) for item in value]
    if not isinstance(value, dict):
        return value
    entries = {}
    for name, item in value.items():
        entries |= dict.fromkeys(
            [name, *([_COMPARISON_KEYS[name]] if name in _COMPARISON_KEYS else [])], comparison(item)
        )
    return entries


class _Finder(importlib.abc.MetaPathFinder):
    """Imports a module by an earlier name: it is the same object."""

    def find_spec(self, fullname, path=None, target=None):
        name = module_name(fullname) if fullname.startswith("dgm_tf.") else fullname
        if name == fullname:
            return None
        spec = importlib.util.find_spec(name)
        if spec is None:
            return None
        return importlib.util.spec_from_loader(fullname, _Loader(spec), origin=spec.origin)


class _Loader(importlib.abc.Loader):
    def __init__(self, spec):
        self._spec = spec

    def create_module(self, spec):
        warnings.warn(f"{spec.name} is {self._spec.name} now", DeprecationWarning, stacklevel=2)
        module = importlib.import_module(self._spec.name)
        for earlier, name in CLASSES.items():
            if hasattr(module, name):
                setattr(module, earlier, getattr(module, name))
        return module

    def exec_module(self, module):
        module.__spec__ = self._spec  # which the import system has just replaced

    def get_code(self, fullname):
        """For `python -m`."""
        return self._spec.loader.get_code(self._spec.name)


def install():
    """Lets Python import by earlier names, too."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        # First: the path of a package that was renamed would find its modules a second time.
        sys.meta_path.insert(0, _Finder())
