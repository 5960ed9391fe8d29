"""Words in messages."""


def counted(number: int, noun: str) -> str:
    """Write a number with its noun: ``1 point``, ``2 points``, ``0 classes``.

    Args:
        number: The number.
        noun: Noun in the singular, such as ``'test video'``; only its last word is put into the plural.
    """
    ending = '' if number == 1 else 'es' if noun.endswith('s') else 's'
    return f'{number} {noun}{ending}'
