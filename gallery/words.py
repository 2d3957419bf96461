"""English words that no rule makes singular or plural, and which of them "an" comes before. Both halves look them up here."""

from __future__ import annotations

import re
import unicodedata

SMALL = frozenset("a an and for from in of on or the to with".split())  # words that stay small in a headline
LINKS = frozenset("at for from in of on to with without".split())  # words that the noun stands before: cups of tea
NO_PLURALS = ("ss", "us", "is", "'s", "\N{RIGHT SINGLE QUOTATION MARK}s")  # ends of glass, cactus, iris, children's
SINGULAR = frozenset(  # other words that are singular: no rule tells Christmas from pizzas
    "christmas xmas texas kansas arkansas vegas dallas honduras douglas nicholas thomas jonas lucas judas andreas "
    "athens brussels mars hermes moses james wales naples charles jules hercules achilles socrates ramses cyclops "
    "mercedes adidas starbucks hogwarts bahamas maldives philippines seychelles netherlands angeles orleans cannes "
    "versailles pancreas kudos cosmos lagos laos ethos pathos chaos rhinoceros asbestos thermos albatros "
    "physics mathematics athletics gymnastics ceramics graphics economics politics news swiss gas lens canvas atlas "
    "bias alias series species gallows barracks crossroads headquarters corps biceps triceps molasses measles caries "
    "rabies scabies diabetes opera data agenda aries barbados pharos means".split()
)
SPECIMENS = frozenset(  # singular words in -men
    "abdomen acumen albumen amen bitumen bremen carmen cyclamen dolmen gravamen hymen lumen omen ramen regimen rumen semen "
    "specimen stamen turkmen yemen".split()
)
PLURAL_ONLY = frozenset(  # words that have no singular in the meaning that pictures show
    "trousers pants shorts jeans tights leggings pyjamas pajamas knickers panties underpants sweatpants breeches slacks "
    "dungarees overalls khakis chinos culottes clothes trunks jodhpurs leotards briefs undies lederhosen "
    "glasses eyeglasses spectacles sunglasses goggles binoculars headphones earphones earbuds "
    "scissors shears tweezers pliers pincers tongs forceps clippers nippers callipers calipers secateurs scales "
    "tapas alps andes bellows stairs suspenders braces handcuffs cattle police groceries outskirts remains thanks goods".split()
)
PLURALS = {  # the singulars of plurals that rules get wrong
    f"{word}s": word
    for word in (
        "alibi audi bikini bonsai chili chilli corgi deli emoji ferrari jedi khaki kiwi lamborghini maki martini mini "
        "nigiri okapi onigiri origami panini rabbi safari salami samurai sari ski taxi tiki tsunami wapiti wiki yeti yogi "
        "zucchini bayou caribou emu flu gnu guru haiku kudu menu thou tutu urubu zebu aussie auntie barbie beanie bestie "
        "bootie brasserie cutie dearie dixie doggie foodie hankie hippie hoodie indie kelpie onesie patisserie roadie "
        "selfie smoothie townie westie yorkie "
        "brioche cartouche cliche crèche gouache moustache mustache panache porsche ruche"
    ).split()
} | {
    plural: one
    for plural, _, one in (
        pair.partition(":")
        for pair in (
            "people:person children:child grandchildren:grandchild men:man women:woman mice:mouse mouses:mouse lice:louse geese:goose teeth:tooth "
            "feet:foot oxen:ox dice:die cacti:cactus fungi:fungus octopi:octopus nuclei:nucleus alumni:alumnus "
            "hippopotami:hippopotamus platypi:platypus radii:radius stimuli:stimulus matrices:matrix indices:index "
            "vertices:vertex vortices:vortex appendices:appendix larvae:larva nebulae:nebula antennae:antenna algae:alga "
            "formulae:formula supernovae:supernova vertebrae:vertebra stadia:stadium aquaria:aquarium bacteria:bacterium "
            "terraria:terrarium bureaux:bureau chateaux:chateau gateaux:gateau plateaux:plateau tableaux:tableau "
            "germans:German normans:Norman romans:Roman gentlemen:gentleman paparazzi:paparazzo hooves:hoof "
            "thieves:thief waltzes:waltz zeroes:zero"
        ).split()
    )
}
SPELLED = frozenset("FAQ HIV LED MOT NES RAF SNES SOS SUV".split())  # initialisms that look like words
FIRST_NUMBER = re.compile(r"\d[\d,.]*")
AN_NUMBER = re.compile(r"8.*|1[18](\d\d|(,\d{3})+|\.\d+)?[.,]?")  # eight, eleven, eighteen; 1800s


def plain_article(name: str) -> str:
    """ "a" or "an" where a number, an initialism or an accent decides: an 8-ball, an SUV, a URL, an F1 car. "" elsewhere."""
    if number := FIRST_NUMBER.match(name):
        return "an" if AN_NUMBER.fullmatch(number[0]) else "a"
    first = re.split(r"[^\w]", name, maxsplit=1)[0]
    if re.fullmatch(r"[A-Z]\w*\d\w*|[A-Z]{2,}s?", first) and first[0] == "U":
        return "a"
    if first.rstrip("s") in SPELLED or re.match(r"[AEFHILMNORSX]\d", first):
        return "an"
    if re.match(r"[B-Z]\d", first):
        return "a"
    if name[:1] and not name[0].isascii() and unicodedata.name(name[0], "").startswith("LATIN"):
        folded = unicodedata.normalize("NFKD", name[0])[0]
        return "an" if folded.lower() in "aeiouæøœ" else "a"
    return ""
