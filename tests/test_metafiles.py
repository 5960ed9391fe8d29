"""Metafiles and method pages below configs/: complete, and with the figures of the benchmarks."""

import re
from pathlib import Path

import pytest
import yaml
from markdown_tables import rows

ROOT = Path(__file__).parents[1]
CONFIGS = sorted(path for path in (ROOT / 'configs').rglob('*.py') if '_base_' not in path.parts)
METAFILES = {
    name: yaml.safe_load((ROOT / name).read_text())
    for name in sorted(yaml.safe_load((ROOT / 'model-index.yml').read_text())['Import'])
}
MODELS = {model['Name']: model for metafile in METAFILES.values() for model in metafile['Models']}
METHODS = {
    'asmloc': 'ASM-Loc, base model',
    'asmloc-full': 'ASM-Loc',
    'backtal': 'BackTAL',
    'base': 'base',
    'base-refined': 'base refined',
    'delu': 'DELU',
    'fsptal': "FS-PTAL (paper's form)",
    'fsptal-refined': 'FS-PTAL refined',
    'fsptal-tuned': 'FS-PTAL tuned',
    'hrpro': 'HR-Pro, stage 1',
    'hrpro-full': 'HR-Pro, both of its stages',
    'hrpro-refined': 'HR-Pro refined',
    'lacp': 'LACP',
    'lacp-refined': 'LACP refined',
    'mil': 'MIL',
    'sfnet': 'SF-Net',
    'sfnet-refined': 'SF-Net refined',
}
AVERAGE, SINGLE = 'mAP@0.1-0.7', '@0.5'


def guide():
    """Rows of the benchmarks by data and method, as dicts from column to cell; the first row of a pair counts."""
    found, head = {}, None
    for row in rows((ROOT / 'docs/guides/benchmarks.md').read_text()):
        if row[:2] == ['data', 'row']:
            head = row
        elif head and len(row) == len(head) and AVERAGE in head:
            found.setdefault((row[0], row[1]), dict(zip(head, row)))
    return found


GUIDE = guide()


def of_guide(name):
    """Row of the benchmarks that was measured with a config, or ``None``."""
    method, _, data = name.partition('_')
    return GUIDE.get((data, METHODS.get(method)))


def test_every_config_is_indexed_and_described():
    listed = []
    for name, metafile in METAFILES.items():
        collections = {collection['Name'] for collection in metafile['Collections']}
        assert {model['In Collection'] for model in metafile['Models']} <= collections
        listed += [model['Config'] for model in metafile['Models']]
        for collection in metafile['Collections']:
            assert collection['README'] == str(Path(name).with_name('README.md'))
            assert (ROOT / collection['README']).is_file()
            if 'Code' in collection:
                assert (ROOT / collection['Code']['URL'].partition('/blob/main/')[2]).is_file()
    assert sorted(listed) == sorted(str(path.relative_to(ROOT)) for path in CONFIGS)
    assert all(Path(model['Config']).stem == name for name, model in MODELS.items())


def test_results_are_those_of_the_benchmarks():
    for name, model in MODELS.items():
        row, results = of_guide(name), model.get('Results')
        assert (results is None) == (row is None), name
        if row:
            (result,) = results
            assert result['Task'] == 'Temporal Action Localization'
            assert result['Dataset'] == model['Metadata']['Training Data']
            figures = {AVERAGE: float(row[AVERAGE].split()[0]), f'mAP{SINGLE}': float(row[SINGLE])}
            assert result['Metrics'] == figures, name
    assert {name.partition('_')[0] for name in MODELS if of_guide(name)} == set(METHODS)


@pytest.mark.parametrize(
    'page', sorted({path.with_name('README.md') for path in CONFIGS}), ids=lambda path: path.parent.name
)
def test_pages_list_their_configs_with_the_figures_of_the_benchmarks(page):
    figures = {}
    for row in rows(page.read_text()):
        if row[0] == 'config':
            head = row
        elif names := re.findall(r'`([\w-]+)\.py`', row[0]):
            for name in names:
                figures[name] = row[head.index(AVERAGE)] if AVERAGE in head else ''
    for name, figure in figures.items():
        row = of_guide(name)
        assert figure == (row[AVERAGE] if row else ''), name
    assert sorted(figures) == sorted(path.stem for path in page.parent.glob('*.py'))
