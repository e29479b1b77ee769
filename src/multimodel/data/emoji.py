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
🐒 monkey, 🦍 gorilla, 🐕 dog, 🐩 poodle, 🐺 wolf/wolves, 🦊 fox, 🦝 raccoon, 🐈 cat, 🦁 lion, 🐅 tiger, 🐆 leopard
🐎 horse, 🦄 unicorn, 🦓 zebra, 🦌 deer/deer, 🦬 bison/bison, 🐂 ox/oxen, 🐄 cow, 🐖 pig, 🐗 boar, 🐏 ram
🐑 sheep/sheep, 🐐 goat, 🐪 camel, 🦙 llama, 🦒 giraffe, 🐘 elephant, 🦣 mammoth, 🦏 rhino, 🦛 hippo, 🐁 mouse/mice
🐀 rat, 🐹 hamster, 🐇 rabbit, 🐿 squirrel, 🦫 beaver, 🦔 hedgehog, 🦇 bat, 🐻 bear, 🐨 koala, 🐼 panda, 🦥 sloth
🦦 otter, 🦨 skunk, 🦘 kangaroo, 🦡 badger, 🦃 turkey, 🐓 rooster, 🐤 chick, 🐧 penguin, 🕊 dove, 🦅 eagle, 🦆 duck
🦢 swan, 🦉 owl, 🦤 dodo, 🪶 feather, 🦩 flamingo, 🦚 peacock, 🦜 parrot, 🐸 frog, 🐊 crocodile, 🐢 turtle, 🦎 lizard
🐍 snake, 🐉 dragon, 🦕 dinosaur, 🐳 whale, 🐬 dolphin, 🦭 seal, 🐟 fish/fish, 🐡 pufferfish/pufferfish, 🦈 shark
🐙 octopus, 🐚 seashell, 🐌 snail, 🦋 butterfly, 🐛 caterpillar, 🐜 ant, 🐝 bee, 🪲 beetle, 🐞 ladybird, 🦗 cricket
🕷 spider, 🕸 spider web, 🦂 scorpion, 🦟 mosquito/mosquitoes, 🪰 fly, 🪱 worm, 🦀 crab, 🦞 lobster, 🦐 shrimp
🦑 squid, 🦪 oyster, 🦴 bone, 🦷 tooth/teeth, 👁 eye
💐 bouquet, 🌹 rose, 🌺 hibiscus, 🌻 sunflower, 🌷 tulip, 🌲 fir tree, 🌳 tree, 🌴 palm tree, 🌵 cactus, 🌱 seedling
🪴 potted plant, 🍀 clover leaf/clover leaves, 🍁 maple leaf/maple leaves, 🍄 mushroom, 🌰 chestnut
🍇 bunch of grapes/bunches of grapes, 🍈 melon, 🍉 slice of watermelon/slices of watermelon, 🍊 orange, 🍋 lemon
🍌 banana, 🍍 pineapple, 🥭 mango/mangoes, 🍎 apple, 🍏 green apple, 🍐 pear, 🍑 peach, 🍓 strawberry, 🥝 kiwi
🍅 tomato/tomatoes, 🥥 coconut, 🥑 avocado, 🍆 aubergine, 🥔 potato/potatoes, 🥕 carrot, 🌽 ear of corn/ears of corn
🌶 hot pepper, 🫑 bell pepper, 🥒 cucumber, 🥬 cabbage, 🧄 bulb of garlic/bulbs of garlic, 🧅 onion, 🥜 peanut
🍞 loaf of bread/loaves of bread, 🥐 croissant, 🥖 baguette, 🥨 pretzel, 🥯 bagel, 🥞 stack of pancakes/stacks of pancakes
🧇 waffle, 🧀 piece of cheese/pieces of cheese, 🍗 chicken leg, 🥩 steak, 🍔 hamburger, 🍟 box of fries/boxes of fries
🍕 slice of pizza/slices of pizza, 🌭 hot dog, 🥪 sandwich, 🌮 taco, 🌯 burrito, 🥚 egg, 🍳 frying pan, 🥗 salad
🍿 box of popcorn/boxes of popcorn, 🍙 rice ball, 🍚 bowl of rice/bowls of rice, 🍝 plate of spaghetti/plates of spaghetti
🍦 ice cream cone, 🍩 doughnut, 🍪 cookie, 🎂 birthday cake, 🍰 slice of cake/slices of cake, 🧁 cupcake, 🥧 pie
🍫 chocolate bar, 🍭 lollipop, 🍯 honey pot, 🍼 baby bottle, 🥛 glass of milk/glasses of milk
☕ cup of coffee/cups of coffee, 🫖 teapot, 🍷 glass of wine/glasses of wine, 🍹 cocktail, 🍺 mug of beer/mugs of beer
🥄 spoon, 🔪 knife/knives, 🏺 vase
🌋 volcano/volcanoes, 🏔 mountain, 🏝 island, 🏠 house, 🏰 castle, ⛪ church, 🕌 mosque, ⛺ tent, 🎡 ferris wheel
🎪 circus tent, 🗼 tower, ⛲ fountain, 🎠 carousel, 🪦 gravestone, 🗿 stone face, 🧱 brick wall, 🪵 log, 🪨 rock
🚂 steam train, 🚌 bus, 🚑 ambulance, 🚒 fire engine, 🚓 police car, 🚕 taxi, 🚗 car, 🚚 truck, 🚜 tractor
🏎 racing car, 🏍 motorcycle, 🛵 scooter, 🚲 bicycle, 🛹 skateboard, 🛶 canoe, ⛵ sailing boat, 🚤 speedboat, 🚢 ship
✈ plane, 🚁 helicopter, 🚀 rocket, 🛸 flying saucer, 🚦 traffic light, 🛑 stop sign, ⚓ anchor, 🛰 satellite
🪂 parachute, 🎈 balloon, 🌙 moon, ☀ sun, ⭐ star, ☁ cloud, 🌈 rainbow, ⛄ snowman/snowmen, ❄ snowflake, 🔥 flame
💧 water drop, ⚡ lightning bolt, ☂ umbrella, 🌍 globe
🎃 pumpkin, 🎄 christmas tree, 🎀 ribbon, 🎁 present, 🏆 trophy/trophies, 🥇 gold medal, ⚽ football, ⚾ baseball
🏀 basketball, 🏐 volleyball, 🎾 tennis ball, 🏏 cricket bat, 🏓 table tennis bat, 🥊 boxing glove, 🎣 fishing rod
🎿 pair of skis/pairs of skis, 🛷 sled, 🎯 dartboard, 🪀 yo-yo, 🪁 kite, 🔮 crystal ball, 🎮 game controller
🎲 die/dice, 🧩 puzzle piece, 🧸 teddy bear, 🪆 nesting doll, ♟ pawn, 🎨 palette, 🧵 spool of thread/spools of thread
🧶 ball of yarn/balls of yarn, 👓 pair of glasses/pairs of glasses, 👕 shirt, 👖 pair of jeans/pairs of jeans, 🧣 scarf
🧤 pair of gloves/pairs of gloves, 🧥 coat, 🧦 pair of socks/pairs of socks, 👗 dress, 👘 kimono, 👛 purse, 👜 handbag
🎒 backpack, 👞 shoe, 👟 sneaker, 🥾 boot, 👠 high heel, 👑 crown, 👒 sun hat, 🎩 top hat, 🎓 graduation cap, 🧢 cap
⛑ helmet, 💄 lipstick, 💍 ring, 💎 diamond, 🔔 bell, 🎙 microphone, 📻 radio, 🎷 saxophone, 🪗 accordion, 🎸 guitar
🎹 piano, 🎺 trumpet, 🎻 violin, 🪕 banjo, 🥁 drum, 📱 mobile phone, ☎ telephone, 🔋 battery, 🔌 plug, 💻 laptop
🖨 printer, 🖱 computer mouse/computer mice, 💾 floppy disk, 💿 compact disc, 🧮 abacus, 🎥 film camera, 📺 television
📷 camera, 🔍 magnifying glass, 🕯 candle, 💡 light bulb, 🔦 torch, 🏮 lantern, 📔 notebook, 📖 book
📚 stack of books/stacks of books, 📜 scroll, 📰 newspaper, 💰 money bag, ✉ envelope, 📦 box, 📫 letterbox, ✏ pencil
🖋 pen, 🖌 paintbrush, 🖍 crayon, 📁 folder, 📅 calendar, 📌 pin, 📎 paper clip, 📏 ruler
✂ pair of scissors/pairs of scissors, 🗑 dustbin, 🔒 padlock, 🔑 key, 🔨 hammer, 🪓 axe, ⛏ pickaxe, 🗡 dagger
🏹 bow and arrow/bows and arrows, 🛡 shield, 🪚 saw, 🔧 spanner, 🪛 screwdriver, ⚙ gear, ⚖ pair of scales/pairs of scales
🪝 hook, 🧲 magnet, 🪜 ladder, 🧪 test tube, 🔬 microscope, 🔭 telescope, 📡 satellite dish, 💉 syringe, 💊 pill
🩹 plaster, 🩺 stethoscope, 🚪 door, 🪞 mirror, 🪟 window, 🛏 bed, 🛋 sofa, 🪑 chair, 🚽 toilet, 🪠 plunger, 🛁 bathtub
🪤 mousetrap, 🪒 razor, 🧷 safety pin, 🧹 broom, 🧺 basket, 🧻 roll of paper/rolls of paper, 🪣 bucket
🧼 bar of soap/bars of soap, 🪥 toothbrush, 🧽 sponge, 🧯 fire extinguisher, 🛒 shopping trolley, ⚰ coffin, 🤖 robot
👻 ghost, 👽 alien, 💀 skull, 🧳 suitcase, ⌛ hourglass, ⌚ wristwatch, ⏰ alarm clock, 🌡 thermometer, 🧭 compass
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
