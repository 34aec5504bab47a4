"""The one exception type that the command line reports without a stack trace, and its message."""


class UserError(ValueError):
    """A mistake in what the user passed: names the argument, what was expected and what came."""


def own_message(error):
    """The error's message without the calls that gin appends to it on its way."""
    return str(error).split("\n  In call to configurable '")[0]
