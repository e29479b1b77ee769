"""Writes the files that docs/add-a-task.md starts from, such as anyone may have: a table, aligned texts, a folder.

    multimodel data build mini8
    python examples/own_data.py own

Everything is taken from mini8, whose licences hold for it; about two seconds, 12 MB.
"""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import pyarrow.parquet as parquet

from multimodel.folders import mini8_folder

MOST_PICTURES = 6000


def main(out: Path, mini8: Path) -> None:
    """Write `languages.csv`, `talk.de` with `talk.fr`, and the folder `clothes`."""
    out.mkdir(parents=True, exist_ok=True)
    german, french = (parquet.read_table(mini8 / f"en-{code}.parquet").to_pylist() for code in ("de", "fr"))
    write_languages(out / "languages.csv", german, french)
    write_aligned(out, german, french)
    write_clothes(out / "clothes", mini8)


def write_languages(path: Path, german: list[dict[str, str]], french: list[dict[str, str]]) -> None:
    """A sentence and its language in each line; sentences of one split of mini8 may land in another here."""
    with path.open("w", newline="", encoding="utf-8") as opened:
        table = csv.writer(opened)
        table.writerow(["sentence", "language"])
        for row, other in zip(german, french, strict=False):
            table.writerows([(row["en"], "English"), (row["de"], "German"), (other["fr"], "French")])


def write_aligned(out: Path, german: list[dict[str, str]], french: list[dict[str, str]]) -> None:
    """German and French of the same English, line by line."""
    by_english = {row["en"]: row["fr"] for row in french}
    pairs = [(row["de"], by_english[row["en"]]) for row in german if row["en"] in by_english]
    for place, code in enumerate(("de", "fr")):
        lines = (" ".join(pair[place].split()) for pair in pairs)
        (out / f"talk.{code}").write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_clothes(folder: Path, mini8: Path) -> None:
    """One folder for each kind of clothes, one file for each picture."""
    names = json.loads((mini8 / "mini8.json").read_text(encoding="utf-8"))["classes"]
    for row in parquet.read_table(mini8 / "imageclass.parquet").slice(0, MOST_PICTURES).to_pylist():
        place = folder / names[row["label"]].replace("/", " or ")
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{row['id']}.png").write_bytes(row["image"])


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else mini8_folder())
