"""The documents name only what exists."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_every_file_class_and_test_that_the_paper_table_names_exists() -> None:
    text = (ROOT / "docs" / "paper.md").read_text(encoding="utf-8")
    missing = []
    content = ""
    for name in re.findall(r"`([\w/]+\.py|\w+)`", text):
        if name.endswith(".py"):
            path = ROOT / ("tests" if name.startswith("test_") else "src/multimodel") / name
            content = path.read_text(encoding="utf-8") if path.is_file() else ""
            missing += [] if content else [name]
        elif re.match(r"test_|[A-Z]", name) and not re.search(rf"^(def|class) {name}\b|^{name}\b", content, re.M):
            missing.append(name)
    assert missing == []
