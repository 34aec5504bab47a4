"""dgm_tf: Dynamic Generative Memory for class-incremental learning, in TensorFlow / Keras 3."""

import os

__version__ = "0.1.0"

# TensorFlow leaves oneDNN off on CPUs without AVX-512 VNNI, where it makes a training step 1.3x as fast, too.
# It reads this when it is first imported.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")


from dgm_tf import aliases  # noqa: E402
from dgm_tf.registry import register  # noqa: E402, F401 - for classes of one's own

aliases.install()


def __getattr__(name):
    """`Learner` and `load`, imported when first asked for: TensorFlow takes seconds."""
    if name in ("Learner", "load"):
        from dgm_tf import learner

        return getattr(learner, name)
    raise AttributeError(f"module 'dgm_tf' has no attribute {name!r}")
