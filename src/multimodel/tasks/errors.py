"""The one error that user input may raise, under the name by which task code imports it."""

from multimodel.errors import InputError

__all__ = ["InputError"]
