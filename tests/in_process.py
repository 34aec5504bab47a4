"""Gives a command of bin/ in the tests' own process."""

import copy
import sys
from unittest import mock

import pytest


def give(module, *arguments):
    """Exit status of a command, whose flags are as at the start of a process.

    module: of `dgm_tf.cli`; arguments: of the command line.
    """
    argv, flags = [module.__file__, *map(str, arguments)], copy.deepcopy(module.FLAGS)
    given = mock.patch.object(sys, "argv", argv), mock.patch.object(module, "FLAGS", flags)
    with given[0], given[1], pytest.raises(SystemExit) as ended:
        module.main()
    return ended.value.code
