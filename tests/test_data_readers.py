"""Readers and cleaners of the sources, on tiny files in their formats."""

from __future__ import annotations

import gzip
import io
import random
import zipfile
from pathlib import Path
from types import SimpleNamespace

import data_tiny as tiny
import numpy as np
import pytest
from PIL import Image

from multimodel.data import (
    amazon_queen,
    captions,
    catalogues,
    documents,
    emoji,
    english,
    fashion,
    scenes,
    sentences,
    speech,
    stamps,
    translation,
    wordnet,
)
from multimodel.data.packages import PackageError
from multimodel.data.rows import Pair, Picture
from multimodel.sources.splits import identifier, key, split_of


def test_equal_letters_mean_equal_split_and_name() -> None:
    assert key("I can't, you Know!") == key("i ca n't you know") == "icantyouknow"
    assert split_of("I can't, you know!") == split_of("i ca n't you know")
    assert identifier("a", "One, two.") == identifier("a", "one two") != identifier("a", "one three")


HELD_OUT = {17: "dev", 33: "test", 35: "dev", 55: "dev"}  # for ever: else runs that go on would train on test examples


def test_splits_are_fixed_and_one_in_twenty() -> None:
    assert [split_of(f"sentence {number}") for number in range(12)] == [split_of(f"Sentence, {n}") for n in range(12)]
    splits = {number: split_of(f"sentence {number}") for number in range(60)}
    assert {number: split for number, split in splits.items() if split != "train"} == HELD_OUT
    names = [split_of(f"sentence {number}") for number in range(4000)]
    assert names.count("test") == pytest.approx(200, abs=45)
    assert names.count("dev") == pytest.approx(200, abs=45)


def test_the_queen_file_gives_each_spoken_segment_with_its_sound() -> None:
    spoken = {"07000AP1.SB": b"a", "07000AP3.SB": b"b", "07XXXXP1.SB": b"c", "C1A__011.SB": b"d"}
    said = {"JOE00411.SB": b"e", "JOE00021.SB": b"f"}
    file = tiny.queen(
        {
            "c1.dog": tiny.dialogue(7, {10: "Hello there!*AB01*GDgone. ", 11: "No sound."}, ["Back so soon?", ""]),
            "C1A.CUT": tiny.cutscene(["And off we go."]),
            **tiny.descriptions(["It is a lamp."], ["no sound either", "I like it."]),
            **spoken,
            **said,
        }
    )
    found = {utterance.id: (utterance.text, utterance.audio) for utterance in amazon_queen.utterances(file)}
    assert found["07000AP1"] == ("Hello there!", b"a")
    assert found["07XXXXP1"] == ("Back so soon?", b"c")
    assert found["C1A__011"] == ("And off we go.", b"d")
    assert found["JOE00411"] == ("It is a lamp.", b"e")
    assert found["JOE00021"] == ("I like it.", b"f")


@pytest.mark.parametrize(
    ("printed", "spoken"),
    [
        ("It's NOT that big...", "it's not that big"),
        ("(sigh) Good-bye, my friend!", "good bye my friend"),
        ("the café’s closed", "the cafe's closed"),
        ("Yes!", None),
        ("There are 50 of them", None),
        ("<gulp> oh no", None),
        ("what the hell is that", None),
        ("word " * 17, None),
    ],
)
def test_transcripts_are_letters_apostrophes_and_blanks(printed: str, spoken: str | None) -> None:
    assert speech.transcript(printed) == spoken


def test_speech_keeps_plausible_takes_and_their_bytes(tmp_path: Path) -> None:
    prompts = {"good": "Good morning to you.", "again": "good morning to you", "third": "Good morning to you!"}
    prompts |= {"long": "A long silence follows here.", "fast": "This is far too much text for so short a sound."}
    listing = "\n".join(f"{name}: {text}" for name, text in prompts.items()) + "\nbeep: [a tone]\n"
    sounds = {name: tiny.sound(1.0, tone=300 + 10 * place) for place, name in enumerate(prompts)}
    sounds |= {"long": tiny.sound(7.0), "beep": tiny.sound(1.0)}
    place = "usr/share/asterisk/sounds/en_voice"
    wav = tiny.write_deb(tmp_path, "sounds", {f"{place}/{name}.wav": audio for name, audio in sounds.items()})
    txt = tiny.write_deb(tmp_path, "texts", {"usr/doc/core-sounds-en.txt.gz": gzip.compress(listing.encode())})
    rows = speech.rows({"asterisk": [wav, txt]})
    assert [row["id"] for row in rows] == ["asterisk-good", "asterisk-again"]
    assert rows[0]["audio"] == sounds["good"]
    assert rows[0]["seconds"] == pytest.approx(1.0)
    assert {row["split"] for row in rows} == {split_of("good morning to you")}


def test_fashion_gives_every_picture_and_keeps_its_test_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fashion, "DEV_IMAGES", 2)
    deb = tiny.write_deb(tmp_path, "dataset-fashion-mnist", tiny.fashion(5, 3))
    rows = fashion.rows({"fashion-mnist": [deb]})
    assert [row["split"] for row in rows] == ["train"] * 3 + ["dev"] * 2 + ["test"] * 3
    assert [row["label"] for row in rows] == [0, 1, 2, 3, 4, 0, 1, 2]
    pixels = np.asarray(Image.open(io.BytesIO(rows[4]["image"])))
    assert (pixels == np.full((28, 28), 4)).all()


def test_an_idx_file_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="not an IDX file"):
        fashion.idx(gzip.decompress(tiny.idx([1, 2, 3], 2, 2)))


def test_wordnet_examples_are_taken_from_glosses_only() -> None:
    data = (
        '  1 "not this, it is the licence" | "nor this one here"\n'
        '0001 03 n 01 owl 0 000 @ | a bird; "the  owl hooted at night"; "short"; "we heard two owls"\n'
    )
    assert list(wordnet.examples(data)) == ["the owl hooted at night", "we heard two owls"]


def test_paragraphs_are_cut_into_sentences_but_not_at_abbreviations() -> None:
    text = "Ask Mr. Owl today. He knows, e.g. “everything.” Does he? Yes… 3 times."
    assert sentences.cut(text) == ["Ask Mr. Owl today.", "He knows, e.g. “everything.”", "Does he?", "Yes…", "3 times."]


def test_sentences_pair_up_only_where_both_sides_have_as_many() -> None:
    two = list(sentences.sentence_pairs("de", "The owl sleeps. The fox runs.", "Die Eule schläft. Der Fuchs rennt."))
    one = list(sentences.sentence_pairs("de", "The owl sleeps. The fox runs.", "Die Eule schläft, der Fuchs rennt."))
    assert [pair.english for pair in two] == ["The owl sleeps.", "The fox runs."]
    assert [pair.english for pair in one] == ["The owl sleeps. The fox runs."]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Too short", "Viel zu kurz"),
        ("The same in both", "The same in both"),
        ("Use {braces} as you like", "Nimm Klammern wie du magst"),
        ("See https://example.org for more", "Mehr gibt es auf der Seite"),
        ("A sentence that is fine", "Kurz"),
        ("1 2 3 4 5 6 7 8", "eins zwei drei vier fünf"),
        ("This was never put into German", "This is the one that was never put into German"),
    ],
)
def test_what_is_no_translation_is_left_out(one: str, other: str) -> None:
    assert not sentences.plausible(one, other)


def test_markup_and_entities_become_plain_text() -> None:
    assert sentences.plain("Press <key>F1</key> &amp; wait\u00a0a&nbsp;bit&own.entity; …") == "Press F1 & wait a bit …"


PAGE = """<page xmlns="http://projectmallard.org/1.0/"><info><desc>x</desc><title>no</title></info>
<title>{title}</title><p>{text} <gui>Menu</gui>.</p>{more}</page>"""


def test_mallard_pages_pair_up_by_structure(tmp_path: Path) -> None:
    files = {
        "C/help/a.page": PAGE.format(title="About the Owl", text="The owl opens the", more=""),
        "de/help/a.page": PAGE.format(title="Über die Eule", text="Die Eule öffnet das", more=""),
        "fr/help/a.page": PAGE.format(title="À propos", text="La chouette ouvre le", more="<p>De trop.</p>"),
        "C/help/b.page": PAGE.format(title="Not in German", text="Nobody has translated the", more=""),
    }
    deb = tiny.write_deb(tmp_path, "docs", {f"usr/share/help/{name}": text.encode() for name, text in files.items()})
    assert list(documents.gnome_help([deb])) == [
        Pair(language="de", english="About the Owl", translation="Über die Eule"),
        Pair(language="de", english="The owl opens the Menu.", translation="Die Eule öffnet das Menu."),
    ]


def test_handbook_pages_leave_untranslated_paragraphs_out(tmp_path: Path) -> None:
    page = '<head><title>t</title></head><h2 class="title">{}</h2><div class="para">{}</div><pre>code</pre><p>{}</p>'
    left = "The owl is left in English as it is."
    files = {
        "en-US/a.html": page.format("The first steps", "Owls <em>never</em> sleep at night.", left),
        "de-DE/a.html": page.format("Die ersten Schritte", "Eulen schlafen <em>nachts</em> nie.", left),
    }
    deb = tiny.write_deb(tmp_path, "book", {f"usr/doc/html/{name}": text.encode() for name, text in files.items()})
    pairs = [(pair.english, pair.translation) for pair in documents.debian_handbook([deb])]
    assert pairs == [
        ("The first steps", "Die ersten Schritte"),
        ("Owls never sleep at night.", "Eulen schlafen nachts nie."),
    ]


def test_catalogues_lose_the_context_of_messages(tmp_path: Path) -> None:
    pytest.importorskip("polib")
    messages = {"": "Language: de", "female^Where is my owl?": "Wo ist meine Eule?", "not yet done": ""}
    deb = tiny.write_deb(
        tmp_path, "game", {"usr/games/locale/de/LC_MESSAGES/game.mo": tiny.catalogue(messages), "usr/x.mo": b"?"}
    )
    assert list(catalogues.wesnoth([deb])) == [
        Pair(language="de", english="Where is my owl?", translation="Wo ist meine Eule?")
    ]


def test_an_english_sentence_stands_once_and_in_one_split_for_both_languages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pairs(files: object) -> list[Pair]:
        return [
            Pair(language=language, english=text, translation=language)
            for language in ("de", "fr")
            for text in ("The owl sleeps.", "the owl sleeps", "The fox runs.")
        ]

    monkeypatch.setitem(translation.READERS, "wesnoth", pairs)
    tables = translation.rows({"wesnoth": [tmp_path]})
    assert [row["en"] for row in tables["en-de"]] == ["The owl sleeps.", "The fox runs."]
    assert [(row["id"], row["split"]) for row in tables["en-de"]] == [(r["id"], r["split"]) for r in tables["en-fr"]]
    assert tables["en-fr"][0]["fr"] == "fr"


@pytest.mark.parametrize(
    ("noun", "one", "two"),
    [
        ("fox", "a fox", "two foxes"),
        ("owl", "an owl", "two owls"),
        ("unicorn", "a unicorn", "two unicorns"),
        ("hourglass", "an hourglass", "two hourglasses"),
        ("butterfly", "a butterfly", "two butterflies"),
        ("key", "a key", "two keys"),
    ],
)
def test_captions_are_good_english(noun: str, one: str, two: str) -> None:
    assert english.counted(1, noun, english.plural_of(noun)) == one
    assert english.counted(2, noun, english.plural_of(noun)) == two


def test_each_emoji_is_one_character_with_a_noun_of_its_own() -> None:
    table = emoji.nouns()
    assert len(table) > 250
    assert all(len(character) == 1 and ord(character) > 0x2000 for character in table)
    assert len(set(table.values())) == len(table)
    assert table["🐑"] == ("sheep", "sheep")
    assert table["🦊"] == ("fox", "foxes")


def test_glyphs_become_pictures_and_a_missing_one_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fonts = pytest.importorskip("fontTools.ttLib")
    deb = tiny.write_deb(tmp_path, "font", {"usr/NotoColorEmoji.ttf": b"font"})

    class Font(dict[str, object]):
        def getBestCmap(self) -> dict[int, str]:
            return {ord("🦊"): "fox"}

    font = Font(CBDT=SimpleNamespace(strikeData=[{"fox": SimpleNamespace(imageData=tiny.picture())}]))
    monkeypatch.setattr(fonts, "TTFont", lambda file: font)
    monkeypatch.setattr(emoji, "NOUNS", "🦊 fox")
    (picture,) = emoji.pictures([deb])
    assert (picture.noun, picture.plural, picture.image.mode) == ("fox", "foxes", "RGBA")
    monkeypatch.setattr(emoji, "NOUNS", "🦊 fox, 🦉 owl")
    with pytest.raises(PackageError, match="no picture of 🦉"):
        list(emoji.pictures([deb]))


def test_stamps_with_sentences_for_captions_are_left_out(tmp_path: Path) -> None:
    names = {"a": "A sports car.", "b": "The letter I.", "c": "A man riding a horse.", "d": "Two.", "e": "An owl."}
    deb = tiny.write_deb(tmp_path, "stamps", tiny.stamps(names))
    assert [(p.noun, p.plural) for p in stamps.tuxpaint([deb])] == [("sports car", "sports cars"), ("owl", "owls")]


def test_furniture_is_read_from_its_catalogues(tmp_path: Path) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        listing = (
            "name#1=Iron bed 2\nicon#1=/x/bed.png\nname#2=Stairs\nicon#2=/x/bed.png\nname#3=Gone\nicon#3=/x/no.png\n"
        )
        archive.writestr("PluginFurnitureCatalog.properties", listing)
        archive.writestr("x/bed.png", tiny.picture())
    deb = tiny.write_deb(tmp_path, "furniture", {"usr/share/furniture/a.sh3f": file.getvalue()})
    assert [picture.noun for picture in stamps.sweethome([deb])] == ["iron bed"]


COLOURS = {"red": (255, 0, 0), "lime": (0, 255, 0), "blue": (0, 0, 255)}


def _centre(image: Image.Image, colour: str) -> tuple[float, float]:
    """Middle of the pixels near a colour, (x, y)."""
    pixels = np.asarray(image.convert("RGB")).astype(int)
    rows, columns = np.nonzero(np.abs(pixels - COLOURS[colour]).sum(-1) < 60)
    return float(columns.mean()), float(rows.mean())


def test_things_stand_where_the_caption_says() -> None:
    squares = [Picture(noun=c, plural=f"{c}s", image=Image.new("RGBA", (30, 20), c)) for c in COLOURS]
    dice, seen = random.Random(3), set()
    for _ in range(300):
        scene = scenes.compose(dice, squares)
        assert scene.image.size == (64, 64)
        words = scene.caption.split()
        named = [word.removesuffix("s") for word in words if word.removesuffix("s") in COLOURS]
        places = [_centre(scene.image, colour) for colour in named]
        if "between" in words:
            assert places[1][0] < places[0][0] < places[2][0]
        elif len(named) == 2:
            (x, y), (other_x, other_y) = places
            relation = next(word for word in ("left", "right", "above", "below") if word in words)
            assert {"left": x < other_x, "right": x > other_x, "above": y < other_y, "below": y > other_y}[relation]
            seen.add(relation)
    assert seen == {"left", "right", "above", "below"}


def test_scenes_are_the_same_in_every_build_and_no_caption_is_in_two_splits(tmp_path: Path) -> None:
    names = {name: f"A {name}." for name in ("fox", "bear", "pear", "car", "bus", "key")}
    deb = tiny.write_deb(tmp_path, "stamps", tiny.stamps(names))
    rows = captions.rows({"tuxpaint": [deb]}, scenes=300)
    assert rows == captions.rows({"tuxpaint": [deb]}, scenes=300)
    splits = {(row["text"], row["split"]) for row in rows}
    assert len(splits) == len({row["text"] for row in rows}) < 300
    assert {row["split"] for row in rows} == {"train", "dev", "test"}
