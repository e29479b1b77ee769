"""The sources of mini8: packages that anyone can fetch, with their licences. Nothing of them is redistributed here."""

from __future__ import annotations

from dataclasses import dataclass

CAMPAIGNS = ("did", "dm", "dw", "ei", "httt", "l", "low", "nr", "sof", "sota", "sotbe", "thot", "tsg", "utbs")
MORE_CAMPAIGNS = ("trow", "ttb")


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where data comes from. A `*` in a package's name stands for the version that some names carry."""

    name: str
    part: str
    about: str
    packages: tuple[str, ...]
    licence: str
    megabytes: int
    default: bool = True


ALL = (
    Source(
        name="amazon-queen",
        part="speech",
        about="actors' speech and its exact text from the game Flight of the Amazon Queen",
        packages=("flight-of-the-amazon-queen",),
        licence="freeware by John Passfield and Steven Stamatiadis: free to pass on with its notices, not for sale",
        megabytes=35,
    ),
    Source(
        name="asterisk",
        part="speech",
        about="prompts of a telephone exchange, one clear voice",
        packages=("asterisk-core-sounds-en-wav", "asterisk-core-sounds-en"),
        licence="CC-BY-SA-3.0, Allison Smith and Digium",
        megabytes=18,
        default=False,
    ),
    Source(
        name="fashion-mnist",
        part="imageclass",
        about="70,000 small grey pictures of clothes in ten classes",
        packages=("dataset-fashion-mnist",),
        licence="MIT, Zalando SE",
        megabytes=31,
    ),
    Source(
        name="emoji",
        part="caption",
        about="pictures of things: glyphs of the Noto Color Emoji font",
        packages=("fonts-noto-color-emoji",),
        licence="SIL Open Font License 1.1, Google",
        megabytes=10,
    ),
    Source(
        name="tuxpaint",
        part="caption",
        about="photos and drawings of things: stamps of Tux Paint",
        packages=("tuxpaint-stamps-default",),
        licence="GPL-2, Bill Kendrick and contributors",
        megabytes=161,
        default=False,
    ),
    Source(
        name="sweethome",
        part="caption",
        about="renderings of furniture from Sweet Home 3D",
        packages=("sweethome3d-furniture",),
        licence="CC-BY-3.0 and CC0, eTeks, Scopia, Kator Legaz, Reallusion, Blend Swap",
        megabytes=120,
        default=False,
    ),
    Source(
        name="wordnet",
        part="parse",
        about="example sentences of WordNet 3.0, parsed by spaCy's en_core_web_sm (MIT)",
        packages=("wordnet-base",),
        licence="WordNet 3.0 licence, Princeton University",
        megabytes=6,
    ),
    Source(
        name="gnome-help",
        part="translation",
        about="help of the GNOME desktop in English, German and French",
        packages=("gnome-user-docs",),
        licence="CC-BY-SA-3.0, GNOME documentation project",
        megabytes=9,
    ),
    Source(
        name="debian-handbook",
        part="translation",
        about="The Debian Administrator's Handbook in English, German and French",
        packages=("debian-handbook",),
        licence="GPL-2+ or CC-BY-SA-3.0, Raphaël Hertzog, Roland Mas and translators",
        megabytes=35,
    ),
    Source(
        name="wesnoth",
        part="translation",
        about="stories of 14 campaigns of the game Battle for Wesnoth in English, German and French",
        packages=tuple(f"wesnoth-*-{campaign}" for campaign in CAMPAIGNS),
        licence="GPL-2+, the Battle for Wesnoth project",
        megabytes=106,
    ),
    Source(
        name="wesnoth-more",
        part="translation",
        about="two more campaigns",
        packages=tuple(f"wesnoth-*-{campaign}" for campaign in MORE_CAMPAIGNS),
        licence="GPL-2+, the Battle for Wesnoth project",
        megabytes=26,
        default=False,
    ),
)
