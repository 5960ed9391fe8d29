"""Reading of tables of Markdown pages, for tests of their content."""


def rows(text):
    """Cells of all rows of tables."""
    return [[cell.strip() for cell in line.strip('|').split('|')] for line in text.splitlines() if line.startswith('|')]
