"""Captions with faults: such as clean up to the caption they were made from, and such as cannot be used."""

from __future__ import annotations

from collections.abc import Callable

SOILED: dict[str, tuple[Callable[[str], str], ...]] = {
    "html": (
        lambda text: f"<p>{text}</p>",
        lambda text: f"<div class='caption'><b>{text}</b><br/></div>",
        lambda text: f"<span>{text.replace(' ', '&nbsp;', 1)}</span>",
    ),
    "email": (
        lambda text: f"{text} anna.berg@example.org",
        lambda text: f"{text} pictures+sale@shop.example.com",
    ),
    "phone": (
        lambda text: f"{text} +49 30 90182 4455",
        lambda text: f"{text} (202) 555-0143",
    ),
    "url": (
        lambda text: f"{text} https://example.org/pictures/17?size=large",
        lambda text: f"{text} www.example.com/shop",
    ),
    "control_characters": (
        lambda text: f"\x07{text}\x1b",
        lambda text: text.replace(" ", " \x1f", 1),
        lambda text: text.replace(" ", "\u200b ", 1),
    ),
}

EMPTY = ("", " \n", "<br/>", "<p> </p>")
TOO_SHORT = ("red", "dot", "pic", "art")
TOO_LONG = tuple(
    " ".join([f"the {number}th thing to see in this picture is {what}." for number in range(40, 120)])
    for what in ("a plain shape on its background", "the even light on the paper", "how calm the colour looks")
)
WRONG_LANGUAGE = (
    "Ein kleiner Kreis, der mit Wasserfarben auf weißes Papier gemalt wurde",
    "Un petit triangle bleu que les enfants ont dessiné sur une feuille blanche",
    "Un cuadrado amarillo pintado por los niños sobre un fondo muy oscuro",
    "Красный круг нарисован на белом листе бумаги возле окна",
    "白色背景上有一个红色的圆形图案，由孩子们用水彩画成",
    "Das gelbe Dreieck steht ganz allein vor einem schwarzen Hintergrund",
    "Le carré vert se trouve au milieu de la page et il est très grand",
    "El círculo azul está en el centro de la hoja y parece bastante pequeño",
    "Жёлтый треугольник стоит на чёрном фоне и хорошо виден издалека",
    "黑色背景前面有一个很大的蓝色正方形，看起来非常安静",
)

# By drop reason; None is no caption at all.
BAD_CAPTIONS: dict[str, tuple[str | None, ...]] = {
    "missing_caption": (None,),
    "empty_caption": EMPTY,
    "wrong_language": WRONG_LANGUAGE,
    "caption_too_short": TOO_SHORT,
    "caption_too_long": TOO_LONG,
}
