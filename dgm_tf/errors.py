"""The exceptions that the command line reports without a stack trace, and their message."""


class UserError(ValueError):
    """A mistake in what the user passed: names the argument, what was expected and what was found."""


class Damaged(UserError):
    """A file that is not as it was written: names the file, what was found and what to do."""


class Damaged(UserError):
    """A file is not as it was written: names it, what was found and what to do."""


def own_message(error):
    """The error's message without the calls that gin appends to it on its way."""
    return str(error).split("\n  In call to configurable '")[0]
