"""Where faults are planted, which tests are to see them, and the faults that are always among them."""

import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
PLACES = (
    "dgm_tf/losses.py", "dgm_tf/layers/*.py", "dgm_tf/methods/*.py", "dgm_tf/training/*.py",
    "dgm_tf/measures/*.py",
)  # fmt: skip

_MASKED = "tests/layers/test_masked_layers.py"
_GENERATIVE = "tests/methods/test_generative.py"
_SETTINGS = "tests/test_settings.py"  # of all modules that check settings
_TWO_DEVICES = "tests/training/test_distribution.py"
# Beside the file that mirrors the module, which comes first where it is not named here: those of modules that are
# tested through others, too, the quickest first.
MORE_TESTS = {
    "dgm_tf/losses.py": ("tests/training/test_distillation.py", "tests/methods/test_mergan.py"),
    "dgm_tf/layers/class_normalization.py": ("tests/networks/test_conditional.py",),
    "dgm_tf/layers/convolution.py": (_MASKED,),
    "dgm_tf/layers/dense.py": (_MASKED,),
    "dgm_tf/layers/host_variables.py": (_TWO_DEVICES,),
    "dgm_tf/layers/storage.py": ("tests/learner/test_saving.py",),
    "dgm_tf/layers/masked.py": (_MASKED, "tests/networks/test_plastic_generator.py"),
    "dgm_tf/layers/normalization.py": ("tests/networks/test_dcgan.py", _TWO_DEVICES),
    "dgm_tf/measures/fidelity.py": ("tests/measures/test_gan_test.py",),
    "dgm_tf/methods/array_spec.py": ("tests/learner/test_saving.py",),
    "dgm_tf/methods/dgm.py": (_GENERATIVE, "tests/methods/test_dgm.py", "tests/methods/test_dgm_learns.py"),
    "dgm_tf/methods/dgr.py": (_GENERATIVE,),
    "dgm_tf/methods/ewc_m.py": (_GENERATIVE,),
    "dgm_tf/methods/fitting.py": (
        _GENERATIVE, "tests/methods/test_dgm.py", "tests/methods/test_mergan.py", "tests/methods/test_dgr.py",
    ),
    "dgm_tf/methods/generator_memory.py": (_GENERATIVE, "tests/methods/test_dgm.py"),
    "dgm_tf/methods/generative.py": ("tests/methods/test_dgm.py", "tests/methods/test_shared_generator.py"),
    "dgm_tf/methods/shared_generator.py": ("tests/methods/test_mergan.py",),
    "dgm_tf/methods/single_classifier.py": (
        "tests/methods/test_fine_tuning.py", "tests/methods/test_joint_training.py",
    ),
    "dgm_tf/methods/mergan.py": (_GENERATIVE, "tests/methods/test_mergan.py", "tests/methods/test_shared_generator.py"),
    "dgm_tf/training/classifier.py": (
        "tests/training/test_classifier_updates.py", "tests/training/test_classifier.py", _TWO_DEVICES,
    ),
    "dgm_tf/training/compilation.py": ("tests/training/test_gan.py",),
    "dgm_tf/training/fisher.py": (_TWO_DEVICES,),
    "dgm_tf/training/gan.py": ("tests/training/test_gan_updates.py", "tests/training/test_gan.py", _TWO_DEVICES),
    "dgm_tf/training/gan_batches.py": ("tests/training/test_gan.py", "tests/methods/test_mergan.py"),
    "dgm_tf/training/randomness.py": (_TWO_DEVICES,),
    "dgm_tf/training/quadratic_penalty.py": (_TWO_DEVICES,),
    "dgm_tf/training/schedules.py": ("tests/training/test_classifier.py",),
}  # fmt: skip

# Faults that once passed all tests: (what, file, what stands there, what is put in its place[, tests that see it]).
KNOWN = (
    ("lambda_GP ignored",
     "dgm_tf/training/gan.py", "self._gan.gradient_penalty_weight * penalty", "penalty"),
    ("the auxiliary loss times 0",
     "dgm_tf/training/gan.py", "            if self._gan.auxiliary_loss:\n                loss +=",
     "            if self._gan.auxiliary_loss:\n                loss += 0.0 *"),
    ("D's learning rate is G's",
     "dgm_tf/training/gan.py", "gan.discriminator_learning_rate, d_updates", "gan.generator_learning_rate, d_updates"),
    ("alpha computed, not applied",
     "dgm_tf/methods/dgm.py", "self.sparsity_weight * self._relative_size()", "self.sparsity_weight"),
    ("what is replayed comes from seed 0",
     "dgm_tf/methods/fitting.py", "generate(labels, self._context.task_seed)", "generate(labels, 0)"),
    ("DGR replays from seed 0",
     "dgm_tf/methods/dgr.py", "unasked(count, context.task_seed)", "unasked(count, 0)"),
    ("MeRGAN-RA aligned on the first class alone",
     "dgm_tf/methods/mergan.py", "0, self._memory.num_classes", "0, 1"),
    ("iCaRL's targets are the labels",
     "dgm_tf/losses.py", "tf.sigmoid(earlier_logits)", "targets[:, : tf.shape(earlier_logits)[1]]"),
    ("leaky slope 0.01",
     "dgm_tf/networks/dcgan.py", "leaky_relu(x, 0.2)", "leaky_relu(x, 0.01)"),
    ("batch norm's momentum 0.5",
     "dgm_tf/layers/normalization.py", "momentum=0.9", "momentum=0.5"),
    ("the last of equally good epochs",
     "dgm_tf/measures/best_epoch.py", "accuracy > self.accuracy", "accuracy >= self.accuracy"),
    ("a published figure changed",
     "gin/compare/table1_mnist.gin", '"A10": 96.46', '"A10": 96.64', "tests/compare/test_gin_suites.py"),
)  # fmt: skip


def modules():
    """Paths of the modules of `PLACES` from the project's root, in order."""
    found = {path for place in PLACES for path in ROOT.glob(place) if path.name != "__init__.py"}
    return [path.relative_to(ROOT).as_posix() for path in sorted(found)]


def tests_of(module):
    """Paths of the test files that have to see a fault in a module, the quickest first; none where there are none."""
    path = pathlib.PurePosixPath(module)
    mirror = pathlib.PurePosixPath("tests", *path.parts[1:-1], f"test_{path.stem}.py").as_posix()
    more = list(MORE_TESTS.get(module, ()))
    if (ROOT / mirror).is_file() and mirror not in more:
        more.insert(0, mirror)
    checks = more and "from dgm_tf import checks" in (ROOT / module).read_text(encoding="utf-8")
    return [*([_SETTINGS] if checks else []), *more]
