"""Colours of classes, models and error types."""

from dataclasses import dataclass

# Palette of Okabe and Ito without its black: colour-blind people can distinguish these colours.
ORANGE, SKY_BLUE, GREEN, YELLOW, BLUE, VERMILION, PURPLE = OKABE_ITO = (
    '#e69f00', '#56b4e9', '#009e73', '#f0e442', '#0072b2', '#d55e00', '#cc79a7',
)  # fmt: skip
# Colours of text and of the space behind it in figures. The report replaces these two values in its figures by the
# colours of the page, light or dark, so no other part of a figure may have them.
INK, PAPER = '#1b1f24', '#fefefe'
_HATCHES = ('', '////', '----', 'xxxx')
_LUMINANCE = (0.299, 0.587, 0.114)  # weights of red, green and blue (ITU-R BT.601)
_DARK = 140  # luminance, from 0 to 255, below which white text is legible


def to_rgb(color: str) -> tuple[int, ...]:
    """Red, green and blue of a colour ``'#rrggbb'``, each from 0 to 255."""
    return tuple(bytes.fromhex(color[1:]))


def text_color(color: str) -> str:
    """Colour of text, ``'white'`` or ``'black'``, that is legible on a colour ``'#rrggbb'``."""
    luminance = sum(weight * value for weight, value in zip(_LUMINANCE, to_rgb(color)))
    return 'white' if luminance < _DARK else 'black'


@dataclass(frozen=True)
class Look:
    """Colour and hatching of a class. Colours repeat after seven classes, with another hatching.

    Attributes:
        color: Colour, ``'#rrggbb'``.
        hatch: Hatching, as matplotlib writes it; empty for none.
        text_color: Colour of text on ``color``, ``'white'`` or ``'black'``.
    """

    color: str
    hatch: str
    text_color: str

    @classmethod
    def of_number(cls, number: int) -> 'Look':
        """Look of the class with index ``number``: the same in all figures, annotated videos and the annotator."""
        color = OKABE_ITO[number % len(OKABE_ITO)]
        hatch = _HATCHES[number // len(OKABE_ITO) % len(_HATCHES)]
        return cls(color, hatch, text_color(color))
