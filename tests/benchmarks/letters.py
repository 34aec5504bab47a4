"""`tests.letters` under the name that scripts outside this tree import."""

from tests.letters import *  # noqa: F403
