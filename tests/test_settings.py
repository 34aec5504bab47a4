"""Settings that gin files give: what they are where a file says nothing, and that each is checked when it is given."""

import dataclasses

import pytest

from dgm_tf.errors import UserError
from dgm_tf.measures.settings import EvaluationSettings
from dgm_tf.methods.dgm import DGM
from dgm_tf.methods.dgr import DGR
from dgm_tf.methods.ewc import EWC
from dgm_tf.methods.ewc_m import EWCM
from dgm_tf.methods.fine_tuning import FineTuning
from dgm_tf.methods.icarl import ICaRL
from dgm_tf.methods.joint_training import JointTraining
from dgm_tf.methods.mergan import MeRGAN
from dgm_tf.methods.real_replay import RealReplay
from dgm_tf.methods.rwalk import RWalk
from dgm_tf.methods.synaptic_intelligence import SynapticIntelligence
from dgm_tf.networks.conditional import ConditionalGenerator
from dgm_tf.networks.dcgan import DCGANDiscriminator, DCGANGenerator
from dgm_tf.training.augmentation import Augmentation
from dgm_tf.training.classifier import ClassifierSettings
from dgm_tf.training.distillation import Distillation
from dgm_tf.training.gan import GANSettings

# Every shipped gin file and every run folder builds on these: another value is another method under the same name.
_CLASSIFIER = {
    "discriminator": DCGANDiscriminator, "epochs": 3, "batch_size": 64, "learning_rate": 1e-3, "augmentation": None,
    "adam": "pytorch",
}  # fmt: skip
_REGULARIZED = {**_CLASSIFIER, "samples_per_class": 10, "current_share": None}
_SHARED = {
    "generator": ConditionalGenerator, "discriminator": DCGANDiscriminator, "gan": GANSettings(),
    "settings": ClassifierSettings(), "reinitialize_discriminator": False,
}  # fmt: skip
_MERGAN_GAN = GANSettings(
    epochs=48, generator_learning_rate=1e-4, discriminator_learning_rate=1e-4, beta_1=0.0, beta_2=0.9,
    gradient_penalty_weight=10.0, critic_steps=5, auxiliary_loss=True,
)  # fmt: skip
DEFAULTS = {
    GANSettings: {
        "epochs": 100, "batch_size": 64, "min_batches": 1, "min_batches_per_class": None,
        "generator_learning_rate": 2e-3, "discriminator_learning_rate": 2e-3, "learning_rate_decay": 0.0,
        "beta_1": 0.5, "beta_2": 0.999, "gradient_penalty_weight": 1.0, "gradient_penalty_share": None,
        "critic_steps": 1, "auxiliary_loss": None, "clip_norm": 1e4, "adam": "pytorch",
        "class_loss": False,
    },
    ClassifierSettings: {
        "replay_schedule": "balanced", "updates": 1, "own_optimizer": None, "current_share": None, "closing_epochs": 0,
        "augmentation": None, "generated_current": None, "min_replay_per_class": 0, "quantize_replay": False,
        "learning_rate": 1e-3, "learning_rate_decay": 0.0, "adam": "pytorch",
    },
    Augmentation: {
        "black_level": (0.0, 0.3), "contrast": (0.7, 1.1), "translation": 0.08, "rotation": 0.03, "zoom": 0.1,
        "noise": 0.15, "horizontal_flip": False,
    },
    Distillation: {"weight": 1.0, "temperature": 2.0},
    EvaluationSettings: {
        "protocol": "strict", "validation_per_class": 200, "gan_test_per_class": 500, "gan_train_epochs": 3,
        "gan_train_every_task": False, "judge_epochs": 3, "fine_tuning_epochs": 1, "measures": (),
    },
    DGM: {
        **_SHARED, "generator": DCGANGenerator, "reinitialize_discriminator": True, "sparsity_weight": 0.08,
        "mask_scale_per_epoch": 100.0, "real": None, "distillation": None, "alpha": "entries",
        "reset_realness": False,
    },
    DGR: {
        **_SHARED, "gan": GANSettings(auxiliary_loss=False),
        "settings": ClassifierSettings("none", closing_epochs=3, generated_current=0.0),
        "importance": None, "selection_limit": 4,
    },
    EWCM: {**_SHARED, "consolidation_weight": 1e4, "fisher_samples": 256},
    MeRGAN: {
        **_SHARED, "gan": _MERGAN_GAN, "settings": ClassifierSettings("constant", updates=5, closing_epochs=3),
        "strategy": "joint_replay", "alignment_weight": 1e-2,
    },
    FineTuning: _CLASSIFIER,
    JointTraining: _CLASSIFIER,
    ICaRL: {**_CLASSIFIER, "budget": 2000},
    EWC: {**_REGULARIZED, "strength": 100.0, "expectation": "model", "fisher_images": 200, "decay": None},
    RWalk: {**_REGULARIZED, "strength": 10.0, "interval": 10, "rate": 0.9, "damping": 1e-3},
    SynapticIntelligence: {**_REGULARIZED, "strength": 10.0, "damping": 0.1},
}  # fmt: skip
FIELDS = [(settings, field.name) for settings in (*DEFAULTS, RealReplay) for field in dataclasses.fields(settings)]


@pytest.mark.parametrize("settings", DEFAULTS, ids=lambda settings: settings.__name__)
def test_where_nothing_is_said_they_are_as_they_always_were(settings):
    made = settings()
    assert {field.name: getattr(made, field.name) for field in dataclasses.fields(made)} == DEFAULTS[settings]


@pytest.mark.parametrize(
    ("settings", "field"), FIELDS, ids=[f"{settings.__name__}.{field}" for settings, field in FIELDS]
)
def test_each_is_checked_and_named(settings, field):
    others = {"budget": None} if (settings, field) == (RealReplay, "ratio") else {}
    others |= {"ratio": 0.5} if (settings, field) == (RealReplay, "selection") else {}
    with pytest.raises(UserError, match=rf"^\w+\.{field}: expected .*, got <object object"):
        settings(**others | {field: object()})
