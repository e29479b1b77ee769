"""The command line: each command is a thin cover of the same call in Python."""

from __future__ import annotations

import errno
import importlib
import os
import sys
from collections.abc import Sequence

from multimodel.errors import InputError

COMMANDS = {
    "data": "build the data of the eight tasks, check that of any: multimodel data build mini8",
    "train": "train a preset on a mixture of tasks: multimodel train PRESET --out RUN",
    "evaluate": "score a run on held-out data: multimodel evaluate RUN",
    "predict": "ask a trained model: multimodel predict RUN TASK INPUT…",
    "export": "keep the part of a run that some tasks use: multimodel export RUN --tasks NAMES --out DIR",
    "replay": "list what went wrong in a run, repeat a step it skipped: multimodel replay RUN",
    "report": "write RUN/report.html: multimodel report RUN",
    "bench": "measure speed and memory against floors and a Transformer: multimodel bench",
    "presets": "print each preset's sizes and parameter counts",
    "tasks": "print the tasks there are, and whether their data is present",
    "doctor": "print what is known of this machine, and what will hurt on it",
}

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # what a disk says that takes no more

USAGE = "\n".join(
    [
        "usage: multimodel COMMAND …",
        "",
        "One model to learn them all: speech, images, captions, parsing and translation in one network.",
        "",
        *(f"  {name:<10} {about}" for name, about in COMMANDS.items()),
        "",
        "multimodel COMMAND --help tells all options of a command.",
    ]
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit code is 0, 2 for what cannot be done as asked, 130 after Ctrl-C, 143 after SIGTERM."""
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # torch asks for huge pages: fewer page faults in training
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or words[0] in ("-h", "--help"):
        print(USAGE)
        return 0 if words else 2
    if words[0] not in COMMANDS:
        print(f"There is no command {words[0]!r}: choose from {', '.join(COMMANDS)}.", file=sys.stderr)
        return 2
    command = importlib.import_module(f"multimodel.commands.{words[0]}")
    try:
        command.main(words[1:])
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        if error.errno in FULL:
            room = "make room on the disk; a run goes on from its last checkpoint with --resume."
            print(f"{error.strerror}: {room}", file=sys.stderr)
        elif error.filename is not None:  # of a file that a user named, or that stands where a user said
            print(f"{error.filename}: {error.strerror}.", file=sys.stderr)
        else:
            raise
        return 2
    except (RuntimeError, MemoryError) as error:
        if not importlib.import_module("multimodel.training.pieces").out_of_memory(error):
            raise
        print(
            "Memory is short: free some, or take a smaller preset or a lower --batch-cost; "
            "a run goes on from its last checkpoint with --resume.",
            file=sys.stderr,
        )
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
