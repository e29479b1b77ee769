"""The layouts of the paper's corpora and of their free stand-ins, by name.

WMT needs none: its parallel text is aligned files, TSV or Parquet, which are read as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from multimodel.sources.coco import read_coco
from multimodel.sources.imagenet import read_imagenet
from multimodel.sources.kaldi import read_kaldi
from multimodel.sources.librispeech import read_librispeech
from multimodel.sources.rows import Rows
from multimodel.sources.treebank import read_treebank

CORPORA: dict[str, Callable[[Path], Mapping[str, Rows] | Rows]] = {
    "imagenet": read_imagenet,
    "coco": read_coco,
    "treebank": read_treebank,
    "kaldi": read_kaldi,
    "librispeech": read_librispeech,
}
