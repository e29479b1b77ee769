"""Pictures of things: glyphs of the Noto Color Emoji font, with the English nouns for those that a small net can learn.

Left out are people, faces, hands, flags, signs, clocks and what looks like another glyph.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from PIL import Image

from multimodel.data.archive import single
from multimodel.data.english import plural_of
from multimodel.data.packages import PackageError
from multimodel.data.rows import Picture

NOUNS = """
🐒 monkey, 🐕 dog, 🐺 wolf/wolves, 🦊 fox, 🦝 raccoon, 🐈 cat, 🦁 lion, 🐅 tiger, 🐎 horse, 🦄 unicorn, 🦓 zebra
🦌 deer/deer, 🐄 cow, 🐖 pig, 🐗 boar, 🐑 sheep/sheep, 🐐 goat, 🐪 camel, 🦙 llama, 🦒 giraffe, 🐘 elephant
🦏 rhino, 🦛 hippo, 🐁 mouse/mice, 🐹 hamster, 🐇 rabbit, 🐿 squirrel, 🦔 hedgehog, 🦇 bat, 🐻 bear, 🐨 koala
🐼 panda, 🦥 sloth, 🦦 otter, 🦘 kangaroo, 🦃 turkey, 🐓 rooster, 🐧 penguin, 🕊 dove, 🦅 eagle, 🦆 duck, 🦢 swan
🦉 owl, 🦩 flamingo, 🦚 peacock, 🦜 parrot, 🐸 frog, 🐊 crocodile, 🐢 turtle, 🦎 lizard, 🐍 snake, 🐉 dragon
🦕 dinosaur, 🐳 whale, 🐬 dolphin, 🐟 fish/fish, 🦈 shark, 🐙 octopus, 🐚 seashell, 🐌 snail, 🦋 butterfly
🐛 caterpillar, 🐜 ant, 🐝 bee, 🐞 ladybird, 🕷 spider, 🦂 scorpion, 🦀 crab, 🦞 lobster, 🦐 shrimp, 🦑 squid
🦴 bone, 👁 eye, 💐 bouquet, 🌹 rose, 🌺 hibiscus, 🌻 sunflower, 🌷 tulip, 🌲 fir tree, 🌳 tree, 🌴 palm tree
🌵 cactus, 🪴 potted plant, 🍀 clover leaf/clover leaves, 🍁 maple leaf/maple leaves, 🍄 mushroom, 🌰 chestnut
🍇 bunch of grapes/bunches of grapes, 🍉 slice of watermelon/slices of watermelon, 🍊 orange, 🍋 lemon, 🍌 banana
🍍 pineapple, 🍎 apple, 🍏 green apple, 🍐 pear, 🍑 peach, 🍓 strawberry, 🍅 tomato/tomatoes, 🥥 coconut, 🥑 avocado
🍆 aubergine, 🥔 potato/potatoes, 🥕 carrot, 🌽 ear of corn/ears of corn, 🌶 hot pepper, 🥒 cucumber, 🧅 onion
🍞 loaf of bread/loaves of bread, 🥐 croissant, 🥖 baguette, 🥨 pretzel, 🥞 stack of pancakes/stacks of pancakes
🧇 waffle, 🧀 piece of cheese/pieces of cheese, 🥩 steak, 🍔 hamburger, 🍟 box of fries/boxes of fries
🍕 slice of pizza/slices of pizza, 🌭 hot dog, 🥪 sandwich, 🌮 taco, 🥚 egg, 🍳 frying pan
🍿 box of popcorn/boxes of popcorn, 🍚 bowl of rice/bowls of rice, 🍝 plate of spaghetti/plates of spaghetti
🍦 ice cream cone, 🍩 doughnut, 🍪 cookie, 🎂 birthday cake, 🍰 slice of cake/slices of cake, 🥧 pie, 🍭 lollipop
🍯 honey pot, 🍼 baby bottle, 🥛 glass of milk/glasses of milk, ☕ cup of coffee/cups of coffee, 🫖 teapot
🍷 glass of wine/glasses of wine, 🍹 cocktail, 🍺 mug of beer/mugs of beer, 🔪 knife/knives, 🏺 vase
🌋 volcano/volcanoes, 🏝 island, 🏠 house, 🏰 castle, ⛪ church, ⛺ tent, 🎡 ferris wheel, ⛲ fountain
🚂 steam train, 🚌 bus, 🚑 ambulance, 🚒 fire engine, 🚓 police car, 🚕 taxi, 🚗 car, 🚚 truck, 🚜 tractor
🏎 racing car, 🏍 motorcycle, 🛵 scooter, 🚲 bicycle, 🛹 skateboard, 🛶 canoe, ⛵ sailing boat, 🚤 speedboat
🚢 ship, ✈ plane, 🚁 helicopter, 🚀 rocket, 🛸 flying saucer, 🚦 traffic light, 🛑 stop sign, ⚓ anchor
🪂 parachute, 🎈 balloon, 🌙 moon, ☀ sun, ⭐ star, ☁ cloud, 🌈 rainbow, ⛄ snowman/snowmen, ❄ snowflake, 🔥 flame
💧 water drop, ⚡ lightning bolt, ☂ umbrella, 🌍 globe, 🎃 pumpkin, 🎄 christmas tree, 🎀 ribbon, 🎁 present
🏆 trophy/trophies, ⚽ football, ⚾ baseball, 🏀 basketball, 🏐 volleyball, 🥊 boxing glove, 🛷 sled, 🎯 dartboard
🪀 yo-yo, 🪁 kite, 🔮 crystal ball, 🎲 die/dice, 🧩 puzzle piece, 🧸 teddy bear, 🧵 spool of thread/spools of thread
🧶 ball of yarn/balls of yarn, 👓 pair of glasses/pairs of glasses, 👕 shirt, 👖 pair of jeans/pairs of jeans
🧣 scarf, 🧤 pair of gloves/pairs of gloves, 🧥 coat, 🧦 pair of socks/pairs of socks, 👗 dress, 👜 handbag
🎒 backpack, 👞 shoe, 🥾 boot, 👠 high heel, 👑 crown, 👒 sun hat, 🎩 top hat, 🧢 cap, ⛑ helmet, 💍 ring
💎 diamond, 🔔 bell, 🎙 microphone, 🎷 saxophone, 🪗 accordion, 🎸 guitar, 🎹 piano, 🎺 trumpet, 🎻 violin, 🥁 drum
📱 mobile phone, ☎ telephone, 💻 laptop, 🖨 printer, 🖱 computer mouse/computer mice, 📺 television, 📷 camera
🔍 magnifying glass, 🕯 candle, 💡 light bulb, 🔦 torch, 🏮 lantern, 📖 book, 📚 stack of books/stacks of books
📜 scroll, 📰 newspaper, 💰 money bag, ✉ envelope, 📦 box, ✏ pencil, 🖋 pen, 🖌 paintbrush, 📅 calendar
📎 paper clip, 📏 ruler, ✂ pair of scissors/pairs of scissors, 🗑 dustbin, 🔒 padlock, 🔑 key, 🔨 hammer, 🪓 axe
⛏ pickaxe, 🗡 dagger, 🏹 bow and arrow/bows and arrows, 🛡 shield, 🔧 spanner, 🪛 screwdriver, ⚙ gear, 🧲 magnet
🪜 ladder, 🔬 microscope, 🔭 telescope, 💉 syringe, 🚪 door, 🪟 window, 🛏 bed, 🛋 sofa, 🪑 chair, 🚽 toilet
🛁 bathtub, 🧹 broom, 🧺 basket, 🧻 roll of paper/rolls of paper, 🪣 bucket, 🪥 toothbrush, 🛒 shopping trolley
🤖 robot, 👻 ghost, 👽 alien, 💀 skull, 🧳 suitcase, ⌛ hourglass, ⌚ wristwatch, ⏰ alarm clock, 🧭 compass
"""


def nouns() -> dict[str, tuple[str, str]]:
    """Singular and plural by character."""
    table = {}
    for entry in NOUNS.strip().replace("\n", ", ").split(", "):
        character, _, words = entry.partition(" ")
        noun, _, plural = words.partition("/")
        table[character] = (noun, plural or plural_of(noun))
    return table


def pictures(files: Sequence[Path]) -> Iterator[Picture]:
    """The glyph of each noun's character."""
    from fontTools.ttLib import TTFont  # an extra: only those who build from packages need it

    font = TTFont(io.BytesIO(single(files[0], "*/NotoColorEmoji.ttf")))
    if "CBDT" not in font:
        raise PackageError(f"{files[0].name}: the font holds no bitmaps (CBDT), this version is of another kind.")
    names, bitmaps = font.getBestCmap(), font["CBDT"].strikeData[0]
    for character, (noun, plural) in nouns().items():
        glyph = names.get(ord(character))
        if glyph not in bitmaps:
            raise PackageError(f"{files[0].name}: the font has no picture of {character} ({noun}); it is too old.")
        yield Picture(noun=noun, plural=plural, image=Image.open(io.BytesIO(bitmaps[glyph].imageData)).convert("RGBA"))
