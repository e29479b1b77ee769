"""The one error that user input may raise: its text is a sentence for the user, not for a programmer."""

from __future__ import annotations


class InputError(ValueError):
    """What was given cannot be used; the message says in one sentence what it was and what to do."""
