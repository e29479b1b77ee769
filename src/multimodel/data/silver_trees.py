"""Silver trees: turns the dependency parse of a sentence into a Penn-style phrase structure by rules.

Every dependent of a word gets a level: how far out in the word's phrase it attaches. Going outward on either side levels
never fall, so phrases are contiguous by construction and a projective parse always gives a tree over its words in order.
`verb` levels: the verb with what follows it (VP), coordinated verbs, one VP for each auxiliary, the subject (S),
coordinated clauses, the complementizer or question word (SBAR). Other words: the phrase with its left modifiers,
then what follows it, then coordination.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spacy.tokens import Doc, Token

VERBS = frozenset(["VB", "VBD", "VBG", "VBN", "VBP", "VBZ", "MD"])
FINITE = frozenset(["VBD", "VBP", "VBZ", "MD"])
SUBJECTS = frozenset(["nsubj", "nsubjpass", "csubj", "csubjpass", "expl"])
AUXILIARIES = frozenset(["aux", "auxpass"])
JOINTS = frozenset(["cc", "preconj", "punct"])
BARE = AUXILIARIES | JOINTS | frozenset(["neg", "det", "predet", "mark", "case", "poss"])
EMBEDDED = frozenset(
    ["relcl", "ccomp", "advcl", "csubj", "csubjpass", "pcomp", "xcomp", "acl", "attr", "dobj", "pobj", "ROOT"]
)
VERB_PHRASE, JOINED_VERBS, FIRST_AUXILIARY, JOINED_AUXILIARIES, CLAUSE, JOINED_CLAUSES, SUBORDINATE, JOINED_SUBORDINATES = (
    0, 1, 2, 20, 30, 31, 40, 41,
)  # fmt: skip
PHRASE, FOLLOWED, JOINED = 0, 1, 2
TAGS = {"HYPH": ":", "NFP": ":", "XX": "FW", "GW": "FW", "ADD": "NN", "AFX": "JJ", "_SP": "NN", "": "NN"}
ESCAPED = {"(": "-LRB-", ")": "-RRB-", "[": "-LSB-", "]": "-RSB-", "{": "-LCB-", "}": "-RCB-"}
PUNCTUATION = frozenset([".", ",", ":", "``", "''"])
SENTENCES = frozenset(["S", "SQ", "SBARQ", "SINV"])


@dataclass(frozen=True, kw_only=True)
class Tree:
    """A phrase with its parts, or a word (`word`, its place `start`) with none."""

    label: str
    start: int
    parts: tuple[Tree, ...] = ()
    word: str = ""

    def __str__(self) -> str:
        """One line in the Penn Treebank's brackets."""
        return f"({self.label} {self.word or ' '.join(map(str, self.parts))})"

    def words(self) -> Iterator[Tree]:
        """The words from left to right."""
        if self.word:
            yield self
        for part in self.parts:
            yield from part.words()


def tree_of(doc: Doc) -> Tree | None:
    """The tree of one sentence, its words in order; None for fragments, tangled parses and clauses without a verb."""
    roots = [token for token in doc if token.dep_ == "ROOT"]
    if len(roots) != 1 or roots[0].tag_ not in VERBS:
        return None
    tree = phrase(roots[0])
    first, body, last = _lift(tree)
    if body is None:
        return None
    whole = _phrase(body.label, [*first, *body.parts, *last])
    in_order = [leaf.start for leaf in whole.words()] == list(range(len(doc)))
    return whole if in_order and whole.label in SENTENCES else None


def phrase(token: Token) -> Tree:
    """The phrase that a word heads."""
    if token.tag_ in VERBS and token.dep_ not in ("amod", "compound", "prep", *AUXILIARIES):
        return _clause(token)
    return _plain_phrase(token)


def leaf(token: Token) -> Tree:
    """A word with its part of speech; brackets are spelt as in the Penn Treebank."""
    tag = "-LRB-" if token.text in "([{" else "-RRB-" if token.text in ")]}" else TAGS.get(token.tag_, token.tag_)
    return Tree(label=tag, start=token.i, word=ESCAPED.get(token.text, token.text))


def is_question_word(token: Token) -> bool:
    """Whether a phrase asks or relates: `who`, `which house`, `in which`, `how many people`."""
    return token.tag_ in ("WP", "WDT", "WRB", "WP$") or any(
        is_question_word(child)
        for child in token.children
        if child.dep_ in ("det", "poss", "pobj", "advmod", "amod", "nummod") and child.tag_ not in VERBS
    )


def _phrase(label: str, parts: Sequence[Tree]) -> Tree:
    return Tree(label=label, start=parts[0].start, parts=tuple(parts))


def _outward(levels: Sequence[int | None], outermost: int) -> list[int]:
    """Levels from the head outward that never fall; joints (None) take the level of what lies beyond them."""
    settled, reached = [], 0
    for level in levels:
        reached = max(reached, level or 0)
        settled.append(level if level is None else reached)
    beyond = outermost
    for place in reversed(range(len(settled))):
        beyond = settled[place] = beyond if settled[place] is None else settled[place]  # type: ignore[assignment]
    return [outermost if level is None else level for level in settled]


# --- words other than verbs -------------------------------------------------------------------------------------------


def _plain_phrase(token: Token) -> Tree:
    """Noun, adjective, adverb, preposition: the word, what stands before it, what follows, what is joined to it."""
    label = _label(token)
    if label is None:
        return leaf(token) if not list(token.children) else _grown(token, "X")
    return _grown(token, label)


def _label(token: Token) -> str | None:
    tag, question = token.tag_, "WH" if is_question_word(token) else ""
    if token.dep_ == "prt":
        return "PRT"
    if token.dep_ in ("prep", "agent", "pcomp") or (tag in ("IN", "TO") and any(token.children)):
        return question + "PP" if any(token.children) else "ADVP"
    if tag in ("JJ", "JJR", "JJS") or (tag in VERBS and token.dep_ == "amod"):
        return question + "ADJP" if token.dep_ not in ("nsubj", "dobj", "pobj", "nsubjpass", "poss") else "NP"
    if tag in ("RB", "RBR", "RBS", "WRB", "RP", "IN"):
        return question + "ADVP"
    if tag == "UH":
        return "INTJ"
    if tag in ("CD", "$") and token.dep_ in ("nummod", "quantmod"):
        return "QP"
    nominal = tag in ("NN", "NNS", "NNP", "NNPS", "PRP", "CD", "DT", "WP", "WDT", "EX", "FW", "PRP$", "PDT", "$", "VBG")
    return question + "NP" if nominal else None


def _grown(token: Token, label: str) -> Tree:
    core = _children_at(token, PHRASE)
    joined = _children_at(token, JOINED)
    conjuncts = [child for child in joined if child.dep_ == "conj"]
    followers = _children_at(token, FOLLOWED)
    inner = _in_order([leaf(token), *(_inside(child, label) for child in core)])
    if conjuncts and len(inner) == 1 and not followers and all(_alone(child) for child in conjuncts):
        return _phrase(label, _in_order([*inner, *(part for child in joined for part in _flat(child))]))
    tree = _phrase(label, inner)
    if followers:
        tree = _phrase(label, _in_order([tree, *map(_dependent, followers)] if label[-2:] == "NP" else
                                        [*tree.parts, *map(_dependent, followers)]))  # fmt: skip
    if joined:
        tree = _phrase(label, _in_order([tree, *(part for child in joined for part in _conjunct(child, label))]))
    return tree


def _children_at(token: Token, wanted: int) -> list[Token]:
    found = []
    for side in (list(token.lefts)[::-1], list(token.rights)):
        levels = _outward([_level(token, child) for child in side], JOINED)
        found += [child for child, level in zip(side, levels, strict=True) if level == wanted]
    return found


def _level(token: Token, child: Token) -> int | None:
    if child.dep_ in JOINTS:
        return None
    if child.dep_ == "conj":
        return JOINED
    if child.i < token.i or child.dep_ in ("case", "nummod", "compound", "poss", "quantmod"):
        return PHRASE
    return FOLLOWED


def _inside(child: Token, label: str) -> Tree:
    """A modifier before its word: a bare word where it has no modifiers of its own."""
    if not any(child.children):
        needs_phrase = child.dep_ in ("poss", "npadvmod") and child.tag_ not in ("PRP$", "WP$")
        return _dependent(child) if needs_phrase or label.endswith("PP") else leaf(child)
    return phrase(child)


def _alone(token: Token) -> bool:
    """Whether a joined word brings nothing but further joined words."""
    return all(child.dep_ in JOINTS or (child.dep_ == "conj" and _alone(child)) for child in token.children)


def _flat(token: Token) -> list[Tree]:
    return [leaf(token), *(part for child in token.children for part in _flat(child))]


def _conjunct(token: Token, label: str) -> tuple[Tree, ...]:
    """A joined phrase; one that is itself a chain of joined phrases is laid out flat."""
    if token.dep_ in JOINTS:
        return (leaf(token),)
    tree = phrase(token)
    chained = tree.label == label and any(child.dep_ == "conj" for child in token.children)
    return tree.parts if chained else (tree,)


def _dependent(token: Token) -> Tree:
    """A dependent as a phrase of its own, except words that never head one."""
    if token.dep_ in BARE and not any(token.children):
        return leaf(token)
    return phrase(token)


def _in_order(trees: Sequence[Tree]) -> list[Tree]:
    return sorted(trees, key=lambda tree: tree.start)


# --- verbs ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Verb:
    """What the levels of a verb's dependents depend on."""

    token: Token
    auxiliaries: tuple[Token, ...]
    subject: Token | None
    question: Token | None
    inverted: bool

    @classmethod
    def of(cls, token: Token) -> Verb:
        """Look the verb's dependents over."""
        subject = next((child for child in token.children if child.dep_ in SUBJECTS), None)
        auxiliaries = tuple(child for child in token.lefts if child.dep_ in AUXILIARIES)
        asking = [child for child in token.lefts if child.dep_ not in (*AUXILIARIES, "advcl", "ccomp", "conj", "neg")]
        question = next((child for child in asking if is_question_word(child)), None)
        if token.dep_ not in EMBEDDED and token.dep_ != "conj":
            question = None
        before = subject is not None and any(auxiliary.i < subject.i for auxiliary in auxiliaries)
        after = subject is not None and subject.i > token.i and subject.dep_ in ("nsubj", "nsubjpass")
        return cls(token=token, auxiliaries=auxiliaries, subject=subject, question=question, inverted=before or after)

    @property
    def clause_label(self) -> str:
        """S, or for an inverted order SQ (questions) and SINV (statements)."""
        if not self.inverted:
            return "S"
        return "SQ" if self.asks or self.question is not None else "SINV"

    @property
    def asks(self) -> bool:
        """Whether this is the main verb of a sentence with a question mark."""
        return self.token.dep_ == "ROOT" and self.token.doc[-1].text == "?"

    @property
    def is_bare(self) -> bool:
        """Whether the phrase is a VP that belongs to another clause: `… and left`, `a man called Jim`."""
        reduced = self.token.dep_ == "acl" and self.token.tag_ in ("VBN", "VBG") and not self.auxiliaries
        return self.subject is None and (self.token.dep_ == "conj" or reduced)

    @property
    def is_finite(self) -> bool:
        """Whether it has a tense."""
        return (self.auxiliaries[0] if self.auxiliaries else self.token).tag_ in FINITE

    def level(self, child: Token) -> int | None:
        """How far out a dependent attaches."""
        if child.dep_ in JOINTS:
            return None
        if child.dep_ == "conj":
            return self._joined(Verb.of(child), child)
        if child.dep_ == "mark" or (self.question is not None and child.i == self.question.i):
            return SUBORDINATE
        if child.i > self.token.i:
            return CLAUSE if child.dep_ in ("parataxis",) or (self.inverted and child == self.subject) else VERB_PHRASE
        if self.inverted or child.dep_ in SUBJECTS:
            return CLAUSE
        inner = [place for place, auxiliary in enumerate(reversed(self.auxiliaries)) if auxiliary.i <= child.i]
        if inner:
            return FIRST_AUXILIARY + inner[0]
        return VERB_PHRASE if self.is_bare and not self.auxiliaries else CLAUSE

    def _joined(self, other: Verb, child: Token) -> int:
        if any(grandchild.dep_ == "mark" for grandchild in child.lefts) or other.question is not None:
            return JOINED_SUBORDINATES
        if other.subject is not None and child.tag_ in VERBS:
            return JOINED_CLAUSES
        return JOINED_AUXILIARIES if other.auxiliaries and self.auxiliaries else JOINED_VERBS


def _clause(token: Token) -> Tree:
    """The layers of a verb's phrase, from the verb outward."""
    verb = Verb.of(token)
    layers = _layers(verb)
    tree = leaf(token)
    for level in sorted({VERB_PHRASE, CLAUSE, *layers}):
        parts = _in_order(
            [tree, *(part for child in layers.get(level, ()) for part in _clause_part(child, verb, level))]
        )
        if level == CLAUSE and verb.is_bare and len(parts) == 1:
            continue
        if level == CLAUSE and verb.inverted and verb.subject is not None and verb.subject.i > token.i:
            parts = [part for one in parts for part in (one.parts if one is tree else (one,))]
        tree = _phrase(_layer_label(verb, level), parts)
    return _subordinate(verb, tree)


def _layers(verb: Verb) -> dict[int, list[Token]]:
    outermost = max([CLAUSE, *(verb.level(child) or 0 for child in verb.token.children)])
    if verb.is_bare:
        outermost = JOINED_VERBS
    layers: dict[int, list[Token]] = {}
    for side in (list(verb.token.lefts)[::-1], list(verb.token.rights)):
        for child, level in zip(side, _outward([verb.level(child) for child in side], outermost), strict=True):
            layers.setdefault(level, []).append(child)
    return layers


def _layer_label(verb: Verb, level: int) -> str:
    if level < CLAUSE or (level == CLAUSE and verb.is_bare):
        return "VP"
    if level == CLAUSE:
        return verb.clause_label
    if level == SUBORDINATE:
        return "SBARQ" if verb.token.dep_ == "ROOT" and verb.question is not None else "SBAR"
    return "SBAR" if level == JOINED_SUBORDINATES else verb.clause_label


def _clause_part(child: Token, verb: Verb, level: int) -> tuple[Tree, ...]:
    if child.dep_ == "conj":
        return _conjunct(child, _layer_label(verb, level))
    tree = _dependent(child)
    if tree.label in ("WDT", "WP", "WRB"):
        tree = _phrase("WHADVP" if tree.label == "WRB" else "WHNP", [tree])
    return (tree,)


def _subordinate(verb: Verb, tree: Tree) -> Tree:
    """A relative or reported clause with a tense is an SBAR even when the word that opens it is left out."""
    dependency, opened = verb.token.dep_, tree.label in ("SBAR", "SBARQ")
    follows = verb.token.i > verb.token.head.i and verb.subject is not None and verb.is_finite
    if not opened and dependency in ("relcl", "ccomp") and follows and tree.label == "S":
        return _phrase("SBAR", [tree])
    return tree


def _lift(tree: Tree) -> tuple[list[Tree], Tree | None, list[Tree]]:
    """Punctuation at the edges of a tree, taken out of it at every depth so that it can hang as high as it may."""
    if tree.word:
        return [], tree, []
    parts: list[Tree] = []
    for part in tree.parts:
        first, body, last = _lift(part)
        parts += [*first, *([body] if body else []), *last]
    start, end = 0, len(parts)
    while start < end and parts[start].label in PUNCTUATION:
        start += 1
    while end > start and parts[end - 1].label in PUNCTUATION:
        end -= 1
    body = _tidy(tree.label, parts[start:end]) if end > start else None
    return parts[:start], body, parts[end:]


def _tidy(label: str, parts: Sequence[Tree]) -> Tree:
    """A phrase without the placeholder X and without a phrase of the same label as its only part."""
    flat = [part for one in parts for part in (one.parts if one.label == "X" else (one,))]
    only = flat[0] if len(flat) == 1 else None
    return only if only and only.label == label and not only.word else _phrase(label, flat)
