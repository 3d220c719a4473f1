"""Short captions: what is English stays, what is not goes."""

from __future__ import annotations

import itertools

import pytest

from platen.components.clean_text.judging import judge
from platen.components.clean_text.language import Languages, script_share, scripts_of
from platen.components.clean_text.settings import CleanTextSettings
from platen.core.errors import SettingsError
from platen.core.words import words

TEMPLATES = ("a {} {} on a {} background", "one {} {}, {} background", "{} {} on {}", "a large {} {} on {}")
SIMPLE = [
    template.format(*words)
    for template in TEMPLATES
    for words in itertools.product(
        ("red", "green", "blue", "yellow"), ("circle", "square", "triangle"), ("white", "black")
    )
]
ENGLISH = """
two dogs
cute kitten
black cat
a photo of a cat
portrait of a woman, oil on canvas
Eiffel Tower at night, Paris
Café in Paris
Munich Oktoberfest beer tent
vintage car, BMW
Nikon D850 product shot
pizza margherita
a man riding a horse
dragon, concept art, trending on artstation
Notre Dame de Paris
Santa Maria del Fiore, Florence
Tokyo skyline
iPhone 12 case
a bowl of ramen with egg
sunset over the sea
old wooden door
kids playing football
red brick wall
a slice of cake
hot air balloon
snow on the roof
an owl in a tree
12 eggs in a box
🚀 rocket launch
""".strip().splitlines()
FOREIGN = """
ein roter Kreis auf weißem Grund
blaues Quadrat, schwarzer Hintergrund
ein kleiner Hund spielt im Garten
eine Katze auf dem Sofa
Das gelbe Dreieck steht ganz allein vor einem schwarzen Hintergrund
un cercle rouge sur fond blanc
carré bleu, fond noir
un petit chien joue dans le jardin
Le carré vert se trouve au milieu de la page et il est très grand
un círculo rojo sobre un fondo blanco
triángulo verde sobre negro
un perro pequeño juega en el jardín
un cerchio rosso su sfondo bianco
een rode cirkel op een witte achtergrond
um círculo vermelho sobre um fundo branco
en röd cirkel på en vit bakgrund
czerwone koło na białym tle
красный круг на белом фоне
круг
白色背景上的红色圆形
红色圆形
白い背景の赤い円
흰색 배경에 빨간 원
κόκκινος κύκλος
दाल चावल
""".strip().splitlines()


@pytest.fixture(scope="module")
def english() -> Languages:
    return Languages(("en",))


def verdict(languages: Languages, text: str) -> str | None:
    scores = {"words": float(len(words(text))), **languages.score(text)}
    found = judge(text, scores, CleanTextSettings(languages=languages.wanted, min_words=1))
    return found and found[0]


@pytest.mark.parametrize("texts", [SIMPLE, ENGLISH], ids=["simple", "english"])
def test_english_stays(english: Languages, texts: list[str]) -> None:
    assert [text for text in texts if verdict(english, text) is not None] == []
    assert len(texts) > 20


def test_other_languages_go(english: Languages) -> None:
    assert [text for text in FOREIGN if verdict(english, text) != "wrong_language"] == []
    assert min(english.score("a red circle on a white background").values()) < 0.1
    assert english.score("a red circle on a white background")["language_en"] > 0.9


def test_german_stays_where_it_is_wanted() -> None:
    both = Languages(("de", "en"))
    assert verdict(both, "ein roter Kreis auf weißem Grund") is None
    assert verdict(both, "a red circle on a white background") is None
    assert verdict(both, "un cercle rouge sur fond blanc") == "wrong_language"
    assert set(both.score("ein Hund")) == {"language_de", "language_en", "language_other", "script"}


def test_any_language_where_none_is_named() -> None:
    free = Languages(())
    assert free.score("un cercle rouge") == {}
    assert verdict(free, "красный круг на белом фоне") is None


def test_unknown_language() -> None:
    with pytest.raises(
        SettingsError, match=r"clean_text\.languages: 'english' is not a known language\. Accepted: .*en"
    ):
        Languages(("english",))


def test_scripts() -> None:
    assert scripts_of(("en", "de")) == {"LATIN"}
    assert scripts_of(("ja",)) == {"CJK", "HIRAGANA", "KATAKANA"}
    assert scripts_of(("sr",)) == {"CYRILLIC", "LATIN"}
    assert script_share("круг abc", frozenset({"LATIN"})) == pytest.approx(3 / 7)
    assert script_share("12 ½ !", frozenset({"LATIN"})) == 1.0
