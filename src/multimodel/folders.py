"""Where things are kept unless a user says otherwise."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """Downloads, built data and features: `$XDG_CACHE_HOME/multimodel`, else `~/.cache/multimodel`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "multimodel"


def mini8_folder() -> Path:
    """The built mini8."""
    return cache_folder() / "mini8"


MINI8_INDEX = "mini8.json"  # in that folder, written last: what was built from what


def features_folder() -> Path:
    """Features that are slow to make."""
    return cache_folder() / "features"


def packages_folder() -> Path:
    """Fetched packages."""
    return cache_folder() / "packages"


def streams_folder() -> Path:
    """Rows of data sets that were streamed."""
    return cache_folder() / "streams"
