"""Tables of markdown pages, for tests of what they say."""


def rows(text):
    """Cells of all rows of tables."""
    return [[cell.strip() for cell in line.strip('|').split('|')] for line in text.splitlines() if line.startswith('|')]
