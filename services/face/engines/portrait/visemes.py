"""What the mouth does for each speech sound: targets on ARKit channels, and how strongly and how far each sound insists."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.face.engines.portrait.expression import CHANNELS, channel, sided

#: Columns after the ARKit channels.
SEAL: Final = CHANNELS
TONGUE: Final = CHANNELS + 1
SHAPE: Final = CHANNELS + 2

#: Articulators: each follows its own mixture of the sounds around.
JAW, LIPS, SEALING, TIP = 0, 1, 2, 3

_PAIRS = ("mouthSmile", "mouthStretch", "mouthPress", "mouthLowerDown", "mouthUpperUp", "mouthDimple")

#: name -> targets; those of `_PAIRS` hold for both sides.
_TARGETS: Final[dict[str, dict[str, float]]] = {
    "sil": {},
    "PP": {"mouthPress": 0.30, "mouthRollLower": 0.22, "mouthRollUpper": 0.15, "seal": 1.0},
    "FF": {"jawOpen": 0.05, "mouthRollLower": 0.50, "mouthUpperUp": 0.22, "seal": 0.20},
    "TH": {"jawOpen": 0.15, "mouthLowerDown": 0.22, "mouthUpperUp": 0.10, "tongue": 1.0},
    "DD": {"jawOpen": 0.13, "mouthLowerDown": 0.24, "mouthUpperUp": 0.12, "mouthStretch": 0.08, "tongue": 0.8},
    "LL": {"jawOpen": 0.20, "mouthLowerDown": 0.20, "mouthUpperUp": 0.10, "tongue": 1.0},
    "kk": {"jawOpen": 0.18, "mouthLowerDown": 0.16, "mouthUpperUp": 0.06},
    "CH": {"jawOpen": 0.10, "mouthFunnel": 0.52, "mouthPucker": 0.20, "mouthLowerDown": 0.18, "mouthUpperUp": 0.20},
    "SS": {"jawOpen": 0.05, "mouthStretch": 0.24, "mouthLowerDown": 0.34, "mouthUpperUp": 0.18, "mouthSmile": 0.08},
    "RR": {"jawOpen": 0.12, "mouthPucker": 0.32, "mouthFunnel": 0.26},
    "aa": {"jawOpen": 0.48, "mouthLowerDown": 0.22, "mouthUpperUp": 0.14, "mouthStretch": 0.08},
    "ae": {"jawOpen": 0.40, "mouthStretch": 0.20, "mouthLowerDown": 0.28, "mouthUpperUp": 0.16},
    "E": {"jawOpen": 0.29, "mouthStretch": 0.18, "mouthLowerDown": 0.27, "mouthUpperUp": 0.15, "mouthSmile": 0.10},
    "I": {"jawOpen": 0.14, "mouthStretch": 0.28, "mouthSmile": 0.20, "mouthLowerDown": 0.29, "mouthUpperUp": 0.14},
    "O": {"jawOpen": 0.33, "mouthFunnel": 0.42, "mouthPucker": 0.30},
    "U": {"jawOpen": 0.13, "mouthPucker": 0.64, "mouthFunnel": 0.30},
    "ah": {"jawOpen": 0.25, "mouthLowerDown": 0.16, "mouthUpperUp": 0.08},
}

_SOUNDS: Final[dict[str, str]] = {
    "PP": "pbmɓʙ",
    "FF": "fvɸβʋɱ",
    "TH": "θð",
    "DD": "tdnɾɖʈɳɗ",
    "LL": "lɫɭʎɬɮ",
    "kk": "kɡgŋxɣhɦqχʁħʔcɟɲç",
    "CH": "ʃʒɕʑʂʐ",
    "SS": "szʦʣ",
    "RR": "ɹrɻʀɚɝɽ",
    "aa": "ɑaɒɐ",
    "ae": "æ",
    "E": "ɛeœø",
    "I": "iɪjᵻɨ",
    "O": "ɔoɤ",
    "U": "uʊwʉyʏɥʍ",
    "ah": "əʌɜɘɵ",
}

NAMES: Final = tuple(_TARGETS)
_OF_SOUND: Final = {sound: name for name, sounds in _SOUNDS.items() for sound in sounds}
_OF_SOUND.update({"ʤ": "CH", "ʧ": "CH"})
#: Marks that change nothing one can see.
_MARKS: Final = frozenset("ˈˌːˑ̯̩̃̚ʰʲʷˠ͡‿.ˀ̥̬")
VOWELS: Final = frozenset({"aa", "ae", "E", "I", "O", "U", "ah"})


@dataclass(frozen=True)
class Dominance:
    """Strength of a sound for one articulator, and its reach in seconds before and after the sound."""

    strength: float
    before_s: float
    after_s: float


_D = Dominance
_DEFAULT: Final = (_D(1.1, 0.060, 0.060), _D(1.0, 0.070, 0.070), _D(1.0, 0.050, 0.050), _D(1.0, 0.045, 0.045))
#: Rounded lips start about 100 ms early; p, b, m own the closure; t, d, n, k hardly touch the lips.
_DOMINANCE: Final[dict[str, tuple[Dominance, Dominance, Dominance, Dominance]]] = {
    "PP": (_D(1.2, 0.045, 0.045), _D(0.35, 0.050, 0.050), _D(6.0, 0.032, 0.032), _D(0.3, 0.045, 0.045)),
    "FF": (_D(1.3, 0.050, 0.050), _D(1.6, 0.050, 0.050), _D(4.0, 0.035, 0.035), _D(0.5, 0.045, 0.045)),
    "U": (_D(0.8, 0.060, 0.060), _D(2.2, 0.110, 0.080), _DEFAULT[2], _DEFAULT[3]),
    "O": (_D(1.0, 0.060, 0.060), _D(1.8, 0.100, 0.080), _DEFAULT[2], _DEFAULT[3]),
    "CH": (_D(1.2, 0.050, 0.050), _D(2.0, 0.090, 0.070), _DEFAULT[2], _DEFAULT[3]),
    "RR": (_D(0.5, 0.050, 0.050), _D(1.1, 0.070, 0.060), _DEFAULT[2], _DEFAULT[3]),
    "SS": (_D(1.6, 0.050, 0.050), _D(0.8, 0.050, 0.050), _DEFAULT[2], _DEFAULT[3]),
    "DD": (_D(0.6, 0.045, 0.045), _D(0.35, 0.050, 0.050), _D(1.0, 0.045, 0.045), _D(2.5, 0.040, 0.035)),
    "LL": (_D(0.6, 0.045, 0.045), _D(0.35, 0.050, 0.050), _D(1.0, 0.045, 0.045), _D(2.5, 0.045, 0.040)),
    "TH": (_D(0.7, 0.045, 0.045), _D(0.5, 0.050, 0.050), _DEFAULT[2], _D(3.0, 0.050, 0.040)),
    "kk": (_D(0.35, 0.050, 0.050), _D(0.2, 0.050, 0.050), _DEFAULT[2], _D(0.4, 0.045, 0.045)),
    "sil": (_D(1.0, 0.070, 0.070), _D(1.0, 0.090, 0.090), _D(0.6, 0.070, 0.070), _D(1.0, 0.070, 0.070)),
}


def visemes_of(symbol: str) -> tuple[str, ...]:
    """The visemes of an IPA symbol, one after the other: two for a diphthong. Empty and punctuation are silence."""
    found: list[str] = []
    for sound in symbol:
        if sound in _MARKS:
            continue
        name = _OF_SOUND.get(sound, "ah" if sound.isalpha() else "sil")
        if not found or found[-1] != name:
            found.append(name)
    return tuple(found) or ("sil",)


def _shapes() -> NDArray[np.float64]:
    shapes = np.zeros((len(NAMES), SHAPE))
    for row, targets in enumerate(_TARGETS.values()):
        for name, value in targets.items():
            columns = (SEAL,) if name == "seal" else (TONGUE,) if name == "tongue" else _columns(name)
            shapes[row, list(columns)] = value
    return shapes


def _columns(name: str) -> tuple[int, ...]:
    return sided(name) if name in _PAIRS else (channel(name),)


def _articulated() -> dict[str, tuple[int, ...]]:
    names = dict.fromkeys(name for targets in _TARGETS.values() for name in targets if name not in ("seal", "tongue"))
    return {name: _columns(name) for name in names} | {"seal": (SEAL,), "tongue": (TONGUE,)}


def _articulators() -> NDArray[np.intp]:
    owner = np.full(SHAPE, LIPS)
    owner[[channel("jawOpen")]], owner[SEAL], owner[TONGUE] = JAW, SEALING, TIP
    return owner


#: What speech moves: name -> the columns of a shape that it moves alike.
ARTICULATED: Final = _articulated()
INDEX: Final = {name: row for row, name in enumerate(NAMES)}
#: [visemes, SHAPE]
SHAPES: Final = _shapes()
#: [visemes, articulators, (strength, before_s, after_s)]
DOMINANCE: Final = np.array(
    [[(d.strength, d.before_s, d.after_s) for d in _DOMINANCE.get(name, _DEFAULT)] for name in NAMES], np.float64
)
#: [SHAPE]: the articulator that each column belongs to.
ARTICULATOR: Final = _articulators()
