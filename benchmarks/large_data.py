"""How much memory training takes on data that is larger than memory: made pictures in Parquet shards.

    python benchmarks/large_data.py FOLDER --gigabytes 20

Writes the shards into FOLDER, encodes and trains on them in a process of its own, and prints the memory of that process
over time: what is its own (anonymous), and what is mapped from files, which the system takes back when it needs it.
The encoded pictures take a sixteenth of the shards' disk once more; ten minutes on two cores.
"""

from __future__ import annotations

import argparse
import io
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as arrow
import pyarrow.parquet as parquet
from PIL import Image
from rich.progress import track

SIDE = 256  # pixels: 197 kB of noise that does not compress
ROWS, GROUP = 2000, 50  # pictures in a shard, and in a row group
CLASSES = ("dark", "light")


def write_shards(folder: Path, gigabytes: float) -> None:
    """Noise around two levels of grey, so that there is something to learn."""
    folder.mkdir(parents=True, exist_ok=True)
    count = round(gigabytes * 1e9 / (SIDE * SIDE * 3) / ROWS)
    for number in track(range(count), "writing shards"):
        path = folder / f"part-{number:05d}.parquet"
        if not path.exists():
            part = path.with_suffix(".unfinished")
            parquet.write_table(
                arrow.Table.from_pylist(pictures(number)), part, compression="none", row_group_size=GROUP
            )
            part.rename(path)


def pictures(shard: int) -> list[dict[str, object]]:
    """The rows of one shard."""
    random = np.random.default_rng(shard)
    labels = random.integers(len(CLASSES), size=ROWS)
    return [
        {"id": f"{shard}-{row}", "picture": png(random, int(label)), "label": CLASSES[label]}
        for row, label in enumerate(labels)
    ]


def png(random: np.random.Generator, label: int) -> bytes:
    """One picture, not compressed."""
    noise = np.frombuffer(random.bytes(SIDE * SIDE * 3), dtype=np.uint8).reshape(SIDE, SIDE, 3)
    file = io.BytesIO()
    Image.fromarray(noise // 2 + 127 * label).save(file, "PNG", compress_level=0)
    return file.getvalue()


def train(folder: Path, run: Path, steps: int) -> None:
    """What the measured process does."""
    import multimodel

    task = multimodel.Declaration(
        name="grey",
        data="part-*.parquet",
        folder=folder,
        input=multimodel.Image("picture"),
        output=multimodel.Category("label"),
        id="id",
    )
    multimodel.train([task], run, preset="tiny", steps=steps)


def memory(process: subprocess.Popen[str]) -> Iterator[tuple[float, float, float]]:
    """Seconds, MiB of its own and MiB mapped from files, twice a second until it ends."""
    started = time.perf_counter()
    while process.poll() is None:
        try:
            lines = dict(line.split(":", 1) for line in Path(f"/proc/{process.pid}/status").read_text().splitlines())
            own, mapped = (int(lines[key].split()[0]) / 1024 for key in ("RssAnon", "RssFile"))
            yield time.perf_counter() - started, own, mapped
        except (OSError, KeyError):
            return
        time.sleep(0.5)


def main() -> None:
    """Write, train, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--gigabytes", type=float, default=20.0)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    words = parser.parse_args()
    run = words.folder / "run"
    if words.child:
        train(words.folder, run, words.steps)
        return
    write_shards(words.folder, words.gigabytes)
    size = sum(path.stat().st_size for path in words.folder.glob("part-*.parquet"))
    command = [sys.executable, __file__, str(words.folder), "--steps", str(words.steps), "--child"]
    process = subprocess.Popen(command, text=True)
    found = list(memory(process))
    log = run / "log.jsonl"
    print(f"{size / 1e9:.1f} GB in shards; {len(found)} samples; exit {process.wait()}")
    own, mapped = (np.array([sample[place] for sample in found]) for place in (1, 2))
    parts = np.array_split(np.arange(len(found)), 10)
    for number, part in enumerate(parts):
        most = f"own {own[part].max():6.0f} MiB, from files {mapped[part].max():6.0f} MiB"
        print(f"tenth {number + 1:2d} of the time: {most}")
    print(f"log of steps: {log}")


if __name__ == "__main__":
    main()
