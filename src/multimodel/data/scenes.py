"""Made scenes: one to three real pictures on a plain ground, and the one sentence that says what stands where.

The sentence follows from the picture alone: the larger things are named first, so that "a fox above a pear" and "a pear
below a fox" are two different pictures, and a model can learn which of the two to say.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from multimodel.data.english import counted, with_article
from multimodel.data.rows import Picture

SIDE = 64
GROUNDS = ("#ffffff", "#f4f0e6", "#e6f0fa", "#e8f6e8", "#faeaf0", "#f7f5d8", "#ece8f6", "#e4f4f4")
RELATIONS = ("to the left of", "to the right of", "above", "below")
GAP = 3
SHIFT = 6


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A picture of 64×64 pixels and its caption."""

    caption: str
    image: Image.Image


@dataclass(frozen=True, kw_only=True)
class Thing:
    """Copies of one picture that stand side by side or one above the other, `size` pixels each."""

    picture: Picture
    number: int
    size: int

    @property
    def words(self) -> str:
        """`a fox`, `two foxes`."""
        return counted(self.number, self.picture.noun, self.picture.plural)


def compose(dice: random.Random, pictures: Sequence[Picture]) -> Scene:
    """A scene of a kind and of things drawn by chance."""
    kind = dice.choices((_alone, _several, _related, _related_several, _between), (20, 12, 40, 20, 8))[0]
    return kind(dice, pictures)


def _alone(dice: random.Random, pictures: Sequence[Picture]) -> Scene:
    thing = Thing(picture=dice.choice(pictures), number=1, size=dice.randint(34, 54))
    return Scene(caption=thing.words, image=_draw(dice, [thing], across=True))


def _several(dice: random.Random, pictures: Sequence[Picture]) -> Scene:
    number = dice.choice((2, 3))
    size = dice.randint(22, 29) if number == 2 else dice.randint(17, 19)
    thing = Thing(picture=dice.choice(pictures), number=number, size=size)
    return Scene(caption=thing.words, image=_draw(dice, [thing], across=dice.random() < 0.5))


def _related(dice: random.Random, pictures: Sequence[Picture]) -> Scene:
    large, small = dice.sample(pictures, 2)
    first = Thing(picture=large, number=1, size=dice.randint(33, 37))
    return _relation(dice, first, Thing(picture=small, number=1, size=dice.randint(20, 24)))


def _related_several(dice: random.Random, pictures: Sequence[Picture]) -> Scene:
    """One larger thing and two smaller ones, or two larger things and a smaller one."""
    large, small = dice.sample(pictures, 2)
    numbers = dice.choice(((1, 2), (2, 1)))
    first = Thing(picture=large, number=numbers[0], size=dice.randint(33, 36) if numbers[0] == 1 else 28)
    return _relation(dice, first, Thing(picture=small, number=numbers[1], size=dice.randint(19, 22)))


def _relation(dice: random.Random, first: Thing, second: Thing) -> Scene:
    relation = dice.choice(RELATIONS)
    things = [first, second] if relation in ("to the left of", "above") else [second, first]
    image = _draw(dice, things, across=relation.startswith("to the"))
    return Scene(caption=f"{first.words} {relation} {second.words}", image=image)


def _between(dice: random.Random, pictures: Sequence[Picture]) -> Scene:
    """Three things in a row, the largest in the middle."""
    left, middle, right = dice.sample(pictures, 3)
    sizes = (17, dice.randint(22, 24), 17)
    things = [Thing(picture=p, number=1, size=size) for p, size in zip((left, middle, right), sizes, strict=True)]
    caption = f"{with_article(middle.noun)} between {with_article(left.noun)} and {with_article(right.noun)}"
    return Scene(caption=caption, image=_draw(dice, things, across=True))


def _draw(dice: random.Random, things: Sequence[Thing], *, across: bool) -> Image.Image:
    """Things in a row (or a column) at a place drawn by chance; copies of a thing run the other way."""
    canvas = Image.new("RGB", (SIDE, SIDE), dice.choice(GROUNDS))
    alone = len(things) == 1
    lengths = [thing.size * (thing.number if alone else 1) for thing in things]
    along = dice.randint(0, SIDE - sum(lengths) - GAP * (len(things) - 1))
    for thing, length in zip(things, lengths, strict=True):
        depth = thing.size * (1 if alone else thing.number)
        middle = (SIDE - depth) // 2
        aside = middle + dice.randint(-min(SHIFT, middle), min(SHIFT, middle))
        for copy in range(thing.number):
            place = (along + copy * thing.size, aside) if alone else (along, aside + copy * thing.size)
            _paste(canvas, thing, place if across else (place[1], place[0]))
        along += length + GAP
    return canvas


def _paste(canvas: Image.Image, thing: Thing, place: tuple[int, int]) -> None:
    """The visible part of the picture, one pixel of air around it, centred in its square."""
    visible = thing.picture.image.crop(thing.picture.image.getbbox())
    scale = (thing.size - 2) / max(visible.size)
    width, height = (max(1, round(side * scale)) for side in visible.size)
    small = visible.resize((width, height), Image.Resampling.LANCZOS)
    canvas.paste(small, (place[0] + (thing.size - width) // 2, place[1] + (thing.size - height) // 2), small)
