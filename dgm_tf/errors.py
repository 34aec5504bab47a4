"""The one exception type that the command line reports without a stack trace."""


class UserError(ValueError):
    """A mistake in what the user passed: names the argument, what was expected and what came."""
