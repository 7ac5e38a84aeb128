"""The one error that a user can cause: shown as a single line, exit code 2, never a traceback."""


class UserError(Exception):
    """Something the user gave cannot be used; the message says what, where, and the way out, in one line."""
