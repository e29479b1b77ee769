"""Silver trees: turns the dependency parse of a sentence into a Penn-style phrase structure by rules.

Every dependent of a word gets a level: how far out in the word's phrase it attaches. Going outward on either side
levels never fall, so phrases are contiguous by construction and a projective parse always gives a tree over its words
in order.
The levels of a verb: the verb with what follows it (VP), joined verbs, one VP for each auxiliary, the subject (S),
joined clauses, the complementizer or question word (SBAR). Those of other words: the phrase with its left modifiers,
then what follows it, then what is joined to it, then a subject.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from multimodel.data.phrases import Tree, joined, with_punctuation_raised

Doc = Any  # spaCy's types: it is an extra, and this file only asks words for their tag, role and dependents
Token = Any

VERBS = frozenset(["VB", "VBD", "VBG", "VBN", "VBP", "VBZ", "MD"])
FINITE = frozenset(["VBD", "VBP", "VBZ", "MD"])
ADJECTIVES = frozenset(["JJ", "JJR", "JJS"])
ADVERBS = frozenset(["RB", "RBR", "RBS", "WRB", "RP", "IN"])
NOUNS = frozenset(["NN", "NNS", "NNP", "NNPS", "PRP", "CD", "DT", "WP", "WDT", "EX", "FW", "PRP$", "PDT", "$", "VBG"])
QUESTION_TAGS = frozenset(["WP", "WDT", "WRB", "WP$"])
TAGS = {"HYPH": ":", "NFP": ":", "XX": "FW", "GW": "FW", "ADD": "NN", "AFX": "JJ", "_SP": "NN", "": "NN"}
SENTENCES = frozenset(["S", "SQ", "SBARQ", "SINV"])

SUBJECTS = frozenset(["nsubj", "nsubjpass", "csubj", "csubjpass", "expl"])
AUXILIARIES = frozenset(["aux", "auxpass"])
JOINTS = frozenset(["cc", "preconj", "punct"])
BARE = AUXILIARIES | JOINTS | frozenset(["neg", "det", "predet", "mark", "case"])
NOUN_ROLES = frozenset(["nsubj", "nsubjpass", "dobj", "pobj", "poss"])
QUESTION_ROLES = frozenset(["det", "poss", "pobj", "advmod", "amod", "nummod"])
MAY_ASK = frozenset(["ROOT", "relcl", "ccomp", "advcl", "csubj", "csubjpass", "pcomp", "xcomp", "acl", "conj"])

PHRASE, FOLLOWERS, JOINED, SUBJECT = range(4)
VERB_PHRASE, JOINED_VERBS, FIRST_AUXILIARY, JOINED_AUXILIARIES = 0, 1, 2, 20
CLAUSE, JOINED_CLAUSES, SUBORDINATE, JOINED_SUBORDINATES = 30, 31, 32, 33


def tree_of(doc: Doc) -> Tree | None:
    """The tree of one sentence, its words in order; None for fragments, tangled parses and sentences without a verb."""
    roots = [token for token in doc if token.dep_ == "ROOT"]
    if len(roots) != 1 or roots[0].tag_ not in VERBS:
        return None
    tree = with_punctuation_raised(phrase(roots[0]))
    in_order = [word.start for word in tree.words()] == list(range(len(doc)))
    return tree if in_order and tree.label in SENTENCES else None


def phrase(token: Token) -> Tree:
    """The phrase that a word heads."""
    if token.tag_ in VERBS and token.dep_ not in ("amod", "compound", "prep", *AUXILIARIES):
        return _clause(token)
    label = _label(token)
    if label is None and not any(token.children):
        return leaf(token)
    return _plain_phrase(token, label or "X")


def leaf(token: Token) -> Tree:
    """A word with its part of speech."""
    brackets = {"(": "-LRB-", ")": "-RRB-"}
    label = brackets.get(token.text) or TAGS.get(token.tag_, token.tag_)
    return Tree(label=label, start=token.i, word=token.text)


def asks(token: Token) -> bool:
    """Whether a phrase asks or relates: `who`, `which house`, `in which`, `how many people`."""
    return token.tag_ in QUESTION_TAGS or any(
        asks(child) for child in token.children if child.dep_ in QUESTION_ROLES and child.tag_ not in VERBS
    )


def _settled(levels: Sequence[int | None], outermost: int) -> list[int]:
    """Levels from the head outward that never fall; joints (None) take the level of what lies beyond them."""
    reached, risen = 0, []
    for level in levels:
        reached = max(reached, level or 0)
        risen.append(None if level is None else reached)
    beyond, settled = outermost, []
    for level in reversed(risen):
        beyond = beyond if level is None else level
        settled.append(beyond)
    return settled[::-1]


def _dependent(token: Token) -> Tree:
    """A dependent as a phrase of its own, except words that never head one."""
    return leaf(token) if token.dep_ in BARE and not any(token.children) else phrase(token)


def _conjunct(token: Token, label: str) -> tuple[Tree, ...]:
    """A joined phrase; one that is itself a chain of joined phrases is laid out flat."""
    if token.dep_ != "conj":
        return (_dependent(token),)
    tree = phrase(token)
    chained = tree.label == label and any(child.dep_ == "conj" for child in token.children)
    return tree.parts if chained else (tree,)


# --- nouns, adjectives, adverbs, prepositions -------------------------------------------------------------------------


def _label(token: Token) -> str | None:
    """The label of the phrase of a word that is no verb; None for words that head none."""
    tag, question = token.tag_, "WH" if asks(token) else ""
    if token.dep_ == "prt":
        return "PRT"
    if token.dep_ in ("prep", "agent", "pcomp") or (tag in ("IN", "TO") and any(token.children)):
        return question + "PP" if any(token.children) else "ADVP"
    if tag in ADJECTIVES or (tag in VERBS and token.dep_ == "amod"):
        return "NP" if token.dep_ in NOUN_ROLES else question + "ADJP"
    if tag in ADVERBS:
        return question + "ADVP"
    if tag == "UH":
        return "INTJ"
    if token.dep_ in ("nummod", "quantmod"):
        return "QP"
    return question + "NP" if tag in NOUNS else None


def _plain_phrase(token: Token, label: str) -> Tree:
    """The layers of such a word's phrase, from the word outward."""
    layers = _plain_layers(token)
    followers, conjuncts = layers[FOLLOWERS], layers[JOINED]
    tree = joined(label, [leaf(token), *(_inside(child, label) for child in layers[PHRASE])])
    if followers:
        kept = (tree,) if label.endswith("NP") else tree.parts
        tree = joined(label, [*kept, *(_follower(child, label) for child in followers)])
    if len(tree.parts) == 1 and conjuncts and all(map(_brings_nothing, conjuncts)):
        tree = joined(label, [*tree.parts, *(part for child in conjuncts for part in _flat(child))])
    elif conjuncts:
        tree = joined(label, [tree, *(part for child in conjuncts for part in _conjunct(child, label))])
    return joined("S", [tree, *map(_dependent, layers[SUBJECT])]) if layers[SUBJECT] else tree


def _plain_layers(token: Token) -> dict[int, list[Token]]:
    layers: dict[int, list[Token]] = {level: [] for level in range(SUBJECT + 1)}
    outermost = SUBJECT if any(child.dep_ in SUBJECTS for child in token.children) else JOINED
    for side in (list(token.lefts)[::-1], list(token.rights)):
        for child, level in zip(side, _settled([_plain_level(token, child) for child in side], outermost), strict=True):
            layers[level].append(child)
    return layers


def _plain_level(token: Token, child: Token) -> int | None:
    if child.dep_ in JOINTS:
        return None
    if child.dep_ == "conj":
        return JOINED
    if child.dep_ in SUBJECTS:
        return SUBJECT
    before = child.i < token.i or child.dep_ in ("case", "nummod", "compound", "poss", "quantmod")
    return PHRASE if before else FOLLOWERS


def _inside(child: Token, label: str) -> Tree:
    """A modifier before its word: the bare word where it has no modifiers of its own."""
    if any(child.children):
        return phrase(child)
    heads_phrase = label.endswith("PP") or (child.dep_ in ("poss", "npadvmod") and child.tag_ not in ("PRP$", "WP$"))
    return _dependent(child) if heads_phrase else leaf(child)


def _follower(child: Token, label: str) -> Tree:
    """What comes after a word; of `because of` the second word is no phrase."""
    second = label.endswith("PP") and child.tag_ == "IN" and not any(child.children)
    return leaf(child) if second else _dependent(child)


def _brings_nothing(token: Token) -> bool:
    """Whether a joined word has nothing but further joined words."""
    return token.dep_ in JOINTS or (token.dep_ == "conj" and all(map(_brings_nothing, token.children)))


def _flat(token: Token) -> list[Tree]:
    return [leaf(token), *(part for child in token.children for part in _flat(child))]


# --- verbs ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Verb:
    """What the levels of a verb's dependents depend on."""

    token: Token
    auxiliaries: tuple[Token, ...]
    subject: Token | None
    question: Token | None

    @classmethod
    def of(cls, token: Token) -> Verb:
        """Look the verb's dependents over."""
        candidates = [child for child in token.lefts if child.dep_ not in ("advcl", "ccomp", "conj", "neg", "aux")]
        return cls(
            token=token,
            auxiliaries=tuple(child for child in token.lefts if child.dep_ in AUXILIARIES),
            subject=next((child for child in token.children if child.dep_ in SUBJECTS), None),
            question=next(filter(asks, candidates), None) if token.dep_ in MAY_ASK else None,
        )

    @property
    def follows_subject(self) -> bool:
        """False for `is he …`, `does he …`, `here comes …`."""
        if self.subject is None:
            return True
        first = min([self.token.i, *(auxiliary.i for auxiliary in self.auxiliaries)])
        return self.subject.i < first or (self.subject.dep_ in ("csubj", "csubjpass", "expl") and first == self.token.i)

    @property
    def clause_label(self) -> str:
        """S, or for an inverted order SQ (questions) and SINV (statements)."""
        if self.follows_subject:
            return "S"
        is_question = self.question is not None or (self.token.dep_ == "ROOT" and self.token.doc[-1].text == "?")
        return "SQ" if is_question else "SINV"

    @property
    def is_bare(self) -> bool:
        """Whether the phrase is a VP that belongs to another clause: `… and left`, `a man called Jim`."""
        reduced = self.token.dep_ == "acl" and self.token.tag_ in ("VBN", "VBG") and not self.auxiliaries
        return self.subject is None and (self.token.dep_ == "conj" or reduced)

    @property
    def lacks_opening(self) -> bool:
        """Whether it is a relative or reported clause with a tense, of which the opening word may be left out."""
        tensed = (self.auxiliaries[0] if self.auxiliaries else self.token).tag_ in FINITE
        embedded = self.token.dep_ in ("relcl", "ccomp") and self.token.i > self.token.head.i
        return embedded and tensed and self.subject is not None

    def level(self, child: Token) -> int | None:
        """How far out a dependent attaches."""
        if child.dep_ in JOINTS:
            return None
        if child.dep_ == "conj":
            return self._level_of_joined(Verb.of(child))
        if child.dep_ == "mark" or child == self.question:
            return SUBORDINATE
        if child.i > self.token.i:
            moved = child.dep_ == "parataxis" or (child == self.subject and not self.follows_subject)
            return CLAUSE if moved else VERB_PHRASE
        if child.dep_ in SUBJECTS or not self.follows_subject:
            return CLAUSE
        return self._level_before(child)

    def _level_before(self, child: Token) -> int:
        """An auxiliary, or what stands between it and the verb, belongs to the auxiliary's VP."""
        for place, auxiliary in enumerate(reversed(self.auxiliaries)):
            if auxiliary.i <= child.i:
                return FIRST_AUXILIARY + place
        return VERB_PHRASE if self.is_bare and not self.auxiliaries else CLAUSE

    def _level_of_joined(self, other: Verb) -> int:
        if other.question is not None or any(child.dep_ == "mark" for child in other.token.lefts):
            return JOINED_SUBORDINATES
        if other.subject is not None and other.token.tag_ in VERBS:
            return JOINED_CLAUSES
        return JOINED_AUXILIARIES if other.auxiliaries and self.auxiliaries else JOINED_VERBS

    def label_at(self, level: int) -> str:
        """The label of the phrase that a level closes."""
        if level < CLAUSE or self.is_bare:
            return "VP"
        if level in (CLAUSE, JOINED_CLAUSES):
            return self.clause_label
        main = self.token.dep_ == "ROOT" and self.question is not None and level == SUBORDINATE
        return "SBARQ" if main else "SBAR"


def _clause(token: Token) -> Tree:
    """The layers of a verb's phrase, from the verb outward."""
    verb = Verb.of(token)
    layers = _verb_layers(verb)
    tree = leaf(token)
    for level in sorted({VERB_PHRASE, *layers} if verb.is_bare else {VERB_PHRASE, CLAUSE, *layers}):
        label = verb.label_at(level)
        verb_moved = level == CLAUSE and verb.subject is not None and verb.subject.i > token.i
        inner = tree.parts if verb_moved and not verb.follows_subject else (tree,)
        tree = joined(label, [*inner, *(part for child in layers.get(level, ()) for part in _part(child, label))])
    return joined("SBAR", [tree]) if verb.lacks_opening and tree.label == "S" else tree


def _verb_layers(verb: Verb) -> dict[int, list[Token]]:
    highest = max((verb.level(child) or 0 for child in verb.token.children), default=0)
    outermost = max(highest, JOINED_VERBS if verb.is_bare else CLAUSE)
    layers: dict[int, list[Token]] = {}
    for side in (list(verb.token.lefts)[::-1], list(verb.token.rights)):
        for child, level in zip(side, _settled([verb.level(child) for child in side], outermost), strict=True):
            layers.setdefault(level, []).append(child)
    return layers


def _part(child: Token, label: str) -> tuple[Tree, ...]:
    if child.dep_ == "conj":
        return _conjunct(child, label)
    tree = _dependent(child)
    if tree.label in QUESTION_TAGS:
        tree = joined("WHADVP" if tree.label == "WRB" else "WHNP", [tree])
    return (tree,)
