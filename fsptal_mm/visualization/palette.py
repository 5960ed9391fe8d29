"""Colours of classes."""

from dataclasses import dataclass

# Okabe and Ito's, which colour-blind people can tell apart, as red, green, blue; without their black.
OKABE_ITO = (
    (230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0), (204, 121, 167),
)  # fmt: skip
_HATCHES = ('', '////', '----', 'xxxx')
_LUMINANCE = (0.299, 0.587, 0.114)
_DARK = 140  # of 255: white letters are legible below


@dataclass(frozen=True)
class Look:
    """How a class is drawn: colours repeat after seven classes, with another hatching.

    Attributes:
        color: As matplotlib writes it.
        hatch: Of matplotlib.
        text_color: For letters on the colour.
    """

    color: str
    hatch: str
    text_color: str

    @classmethod
    def of_number(cls, number):
        """Look of the n-th class."""
        rgb = OKABE_ITO[number % len(OKABE_ITO)]
        luminance = sum(weight * value for weight, value in zip(_LUMINANCE, rgb))
        hatch = _HATCHES[number // len(OKABE_ITO) % len(_HATCHES)]
        return cls('#{:02x}{:02x}{:02x}'.format(*rgb), hatch, 'white' if luminance < _DARK else 'black')
