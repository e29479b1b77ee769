"""A parse tree as a drawing: words in a row, constituents above them, what differs from another tree marked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from multimodel.report.drawing import Drawing, text
from multimodel.report.markup import Markup, element, joined
from multimodel.trees import Tree, spans, tags, words

LEVEL, LETTER, SPACE, MARGIN, HALF_LINE = 34.0, 7.2, 12.0, 14.0, 9.0
DEEPEST, LONGEST = 24, 60


@dataclass(frozen=True, kw_only=True)
class Node:
    """A constituent or a tag, at `x` in the drawing and `level` steps above its words `start` to `end`."""

    label: str
    word: str | None
    children: tuple[Node, ...]
    x: float
    level: int
    start: int
    end: int


def can_be_drawn(tree: Tree) -> bool:
    """Whether a drawing would be legible; what a model writes before it has learned may nest without end."""
    level = [tree]
    for _ in range(DEEPEST):
        level = [child for node in level for child in subtrees(node)]
        if not level:
            return len(words(tree)) <= LONGEST
    return False


def tree_picture(tree: Tree, reference: Tree | None, about: str) -> Drawing:
    """A tree that can be drawn; with a reference, constituents that it has too are marked right, others wrong."""
    expected = set(spans(reference)) if reference else None
    widths = [max(len(word), len(tag)) * LETTER + SPACE for word, tag in zip(words(tree), tags(tree), strict=True)]
    middles = [MARGIN + sum(widths[:place]) + width / 2 for place, width in enumerate(widths)]
    root = placed(tree, 0, middles)
    return Drawing(
        width=sum(widths) + 2 * MARGIN,
        height=2 * MARGIN + (root.level + 0.6) * LEVEL,
        about=about,
        content=joined(*(drawn(node, root.level, expected) for node in walk(root))),
    )


def placed(tree: Tree, start: int, middles: Sequence[float]) -> Node:
    """Tags over their words, constituents over the middle of their children."""
    children: list[Node] = []
    for child in subtrees(tree):
        children.append(placed(child, children[-1].end if children else start, middles))
    return Node(
        label=tree.label,
        word=tree.word,
        children=tuple(children),
        x=(children[0].x + children[-1].x) / 2 if children else middles[start],
        level=1 + max(child.level for child in children) if children else 0,
        start=start,
        end=children[-1].end if children else start + 1,
    )


def subtrees(tree: Tree) -> list[Tree]:
    """The constituents and tags right below."""
    return [child for child in tree.children if isinstance(child, Tree)]


def walk(node: Node) -> Iterator[Node]:
    """A node and all below it."""
    yield node
    for child in node.children:
        yield from walk(child)


def drawn(node: Node, highest: int, expected: set[tuple[str, int, int]] | None) -> Markup:
    """A label with the branches below it; tags stand in the bottom row, above their words."""
    y = height(node, highest)
    if node.word is not None:
        word = text(node.x, y + LEVEL * 0.6, node.word, anchor="middle", class_="word")
        return joined(text(node.x, y, node.label, anchor="middle", class_="faint"), word)
    lines = (
        f"M{node.x:.1f} {y + HALF_LINE:.1f}L{child.x:.1f} {height(child, highest) - HALF_LINE:.1f}"
        for child in node.children
    )
    mark = "label"
    if expected is not None:
        mark += " right" if (node.label, node.start, node.end) in expected else " wrong"
    branches = element("path", d="".join(lines), class_="branch")
    return joined(branches, text(node.x, y, node.label, anchor="middle", class_=mark))


def height(node: Node, highest: int) -> float:
    """The place of a node's label from the top."""
    return MARGIN + (highest - node.level) * LEVEL
