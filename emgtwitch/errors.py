"""The two ways in which emgtwitch says that it cannot go on, and the one for doubts."""


class InputError(ValueError):
    """What was given cannot be used; the message says what is wrong, where, and what to do.

    The command line prints the message as one line and exits with status 2.
    """


class SignalWarning(UserWarning):
    """The recording is analysed, but something about it limits what the result means."""
