"""What a gin file may set of a network, and what follows from the tasks."""

import gin
import pytest

import dgm_tf.networks.conditional
import dgm_tf.networks.dcgan
import dgm_tf.networks.mlp
import dgm_tf.networks.resnet
import dgm_tf.networks.resnet18  # noqa: F401 - they register what is bound here

GENERATORS = ("DCGANGenerator", "ResNetGenerator")
DISCRIMINATORS = ("ConditionalGenerator", "DCGANDiscriminator", "MLPDiscriminator", "ResNetDiscriminator")
GIVEN = [(name, p) for name in GENERATORS for p in ("image_shape", "widths", "task_widths", "classes")]
GIVEN += [(name, p) for name in DISCRIMINATORS for p in ("image_shape", "num_classes")]


@pytest.mark.parametrize(("network", "parameter"), GIVEN)
def test_what_a_method_gives_its_networks_cannot_be_bound(network, parameter, clean_gin):
    with pytest.raises(ValueError, match=parameter):
        gin.bind_parameter(f"{network}.{parameter}", 1)


@pytest.mark.parametrize("binding", ["DCGANGenerator.filters", "ResNetDiscriminator.units", "MLPDiscriminator.units"])
def test_sizes_can(binding, clean_gin):
    gin.bind_parameter(binding, 3)
    assert gin.query_parameter(binding) == 3
