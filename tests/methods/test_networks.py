"""Networks by role, and their names in saved learners, today's and those of earlier versions."""

import pytest

from dgm_tf.errors import UserError
from dgm_tf.methods.networks import Networks


def test_networks_have_the_names_that_memories_have_always_had():
    networks = Networks(generator="G", student="S", classifier="D", critic="C", teacher="T")
    named = {"generator": "G", "student": "S", "discriminator": "D", "critic": "C", "teacher": "T"}
    assert networks.by_name() == named and Networks.from_names(named) == networks


def test_what_is_not_there_has_no_name():
    assert Networks().by_name() == {} and Networks(classifier="D").by_name() == {"discriminator": "D"}


@pytest.mark.parametrize("name", ["labeller", "previous", "teacher"])
def test_a_teacher_of_an_earlier_version_is_known(name):
    assert Networks.from_names({name: "T"}) == Networks(teacher="T")


def test_an_unknown_name_is_refused():
    with pytest.raises(UserError, match="networks: expected names among extractor, generator, .*, got judge"):
        Networks.from_names({"generator": "G", "judge": "J"})
