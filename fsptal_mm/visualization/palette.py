"""Colours of classes, models and error types."""

from dataclasses import dataclass

# Okabe and Ito's, which colour-blind people can tell apart; without their black.
ORANGE, SKY_BLUE, GREEN, YELLOW, BLUE, VERMILION, PURPLE = OKABE_ITO = (
    '#e69f00', '#56b4e9', '#009e73', '#f0e442', '#0072b2', '#d55e00', '#cc79a7',
)  # fmt: skip
INK, PAPER = '#1b1f24', '#fefefe'  # of writing and behind it: a page in dark colours finds and replaces them
_HATCHES = ('', '////', '----', 'xxxx')
_LUMINANCE = (0.299, 0.587, 0.114)
_DARK = 140  # of 255: white letters are legible below


def to_rgb(color: str) -> tuple[int, ...]:
    """Red, green and blue of ``'#rrggbb'``, 0 to 255."""
    return tuple(bytes.fromhex(color[1:]))


def text_color(color: str) -> str:
    """``'white'`` or ``'black'``, whichever is legible on ``'#rrggbb'``."""
    luminance = sum(weight * value for weight, value in zip(_LUMINANCE, to_rgb(color)))
    return 'white' if luminance < _DARK else 'black'


@dataclass(frozen=True)
class Look:
    """Colour and hatching of a class; colours repeat after seven classes, with another hatching.

    Attributes:
        color: Colour, ``'#rrggbb'``.
        hatch: Hatching of matplotlib.
        text_color: Colour of text on it.
    """

    color: str
    hatch: str
    text_color: str

    @classmethod
    def of_number(cls, number: int) -> 'Look':
        """Look of the n-th class: that of its index in every picture, annotated video and in the annotator."""
        color = OKABE_ITO[number % len(OKABE_ITO)]
        hatch = _HATCHES[number // len(OKABE_ITO) % len(_HATCHES)]
        return cls(color, hatch, text_color(color))
