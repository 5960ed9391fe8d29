"""The tables of ablation.py: every row can be built, and changes what its label says."""

import importlib

import pytest
from mmaction.registry import HOOKS, MODELS, TRANSFORMS
from mmengine.config import Config
from small_sets import ROOT


@pytest.fixture(scope='module')
def tool():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / 'tools/experiments')
        yield importlib.import_module('ablation')


def plan(tool, name, data, options=(), form='tuned'):
    return tool.plan(tool.TABLES[name], [data], None, options, 'tables', form)


@pytest.mark.parametrize('name', ['modules', 'oic', 'labels', 'label_extension', 'thresholds', 'separation'])
def test_every_row_changes_what_it_says_and_can_be_built(name, tool):
    table = tool.TABLES[name]
    assert table.reference in [row.label for row in table.rows]
    for entry in plan(tool, name, 'synthetic'):
        plain = Config.fromfile(entry.experiment.config_file)
        MODELS.build(entry.experiment.config.model)
        for key in entry.row.options:  # a misspelt option is no field of the config
            value = plain
            for part in key.split('.'):
                value = value[int(part) if isinstance(value, (list, tuple)) else part]


@pytest.mark.parametrize('name', ['choices', 'trunk', 'separation_form'])
def test_every_variant_differs_and_can_be_built(name, tool):
    entries = plan(tool, name, tool.TABLES[name].data[0])
    assert len({entry.experiment.fingerprint for entry in entries}) == len(entries)
    for entry in entries:
        config = entry.experiment.config
        MODELS.build(config.model)
        TRANSFORMS.build(config.train_dataloader.dataset.pipeline[2])
        for hook in config.get('custom_hooks', ()):
            HOOKS.build(hook)


def test_tables_run_in_either_form(tool):
    def folders(name, data, form):
        return {entry.experiment.config_file.parent.name for entry in plan(tool, name, data, form=form)}

    assert folders('oic', 'acc_50salads', 'tuned') == {'fsptal_tuned'}
    assert folders('oic', 'acc_50salads', 'paper') == {'fsptal'}
    for form in ('tuned', 'paper'):  # tables that compare both forms have both, whatever --form
        assert {'fsptal', 'fsptal_tuned'} < folders('comparison', 'synthetic', form)


def test_modules_are_off(tool):
    full, without_a, without_b, without_c, without_d, without_margin, base = (
        entry.experiment.config for entry in plan(tool, 'modules', 'synthetic')
    )
    paper_without_d = plan(tool, 'modules', 'synthetic', form='paper')[4].experiment.config
    assert type(MODELS.build(paper_without_d.model).embedding).__name__ == 'SnippetEmbedding'
    step = without_a.train_dataloader.dataset.pipeline[2]
    assert (step.label_weight, step.neighbour_weight) == (1, 1)
    assert full.train_dataloader.dataset.pipeline[2].label_weight > 1
    assert full.model.head.background_margin > 0
    assert without_margin.model.head.pop('background_margin') is None
    assert without_margin.model.head.score_loss == full.model.head.score_loss
    miner = without_b.model.head.miner
    assert (miner.background_threshold, miner.action_threshold) == (None, None)
    assert without_c.model.head.score_loss is None
    assert without_d.model.head.separation_loss is None
    assert without_d.model.embedding.type == 'SnippetEmbedding'
    assert base.model.head.type == 'PointTALHead'


def test_a_row_wins_over_options_for_all_rows(tool):
    psi_same = 'model.head.separation_loss.psi_same'
    entries = plan(tool, 'modules', 'synthetic', options=[f'{psi_same}=0.5'])
    assert entries[0].experiment.config.model.head.separation_loss.psi_same == 0.5
    assert entries[4].experiment.config.model.head.separation_loss is None


def test_rows_that_state_the_default_share_the_runs_of_the_full_model(tool):
    full = plan(tool, 'modules', 'synthetic')[0].experiment
    step = full.config.train_dataloader.dataset.pipeline[2]
    assert step.type == 'ExtendPointLabels'
    place = 'train_dataloader.dataset.pipeline.2'
    stated = [f'{place}.label_weight={step.label_weight}', f'{place}.neighbour_weight={step.neighbour_weight}']
    assert plan(tool, 'modules', 'synthetic', options=stated)[0].experiment.folder == full.folder
    changed = [f'{place}.label_weight={step.label_weight + 1}']
    assert plan(tool, 'modules', 'synthetic', options=changed)[0].experiment.folder != full.folder


def test_a_set_without_manual_points_says_so(tool):
    automatic, manual = plan(tool, 'labels', 'acc_50salads')
    assert automatic.experiment is not None
    assert manual.experiment is None
    assert manual.row.absent


def test_the_manual_points_of_thumos_are_sf_nets(tool, data_root):
    _, manual = plan(tool, 'labels', 'i3d_thumos14', form='paper')
    for path in manual.experiment.config.train_dataloader.dataset.point_file:
        assert (data_root / 'thumos14' / path).is_file()


@pytest.mark.parametrize('data', ['spatialcnn_gtea', 'acc_50salads', 'thumos14shaped', 'synthetic'])
def test_methods_are_compared_on_equal_terms(tool, data):
    first, paper, *others = (entry.experiment.config.model for entry in plan(tool, 'comparison', data))
    assert len(others) == 3
    assert paper.embedding.get('kernel_size', 3) == 3  # the paper's form keeps its own kernel size
    assert all(model.embedding == first.embedding for model in others)
    for model in (paper, *others):
        assert model.head.dropout == first.head.dropout
        assert model.head.proposals.nms == first.head.proposals.nms
        built = MODELS.build(model).head.proposals
        assert vars(built) == vars(MODELS.build(first).head.proposals)


@pytest.mark.parametrize('name', ['comparison', 'literature'])
def test_methods_are_compared_with_fsptal_tuned(name, tool):
    entries = {entry.row.label: entry for entry in plan(tool, name, 'acc_50salads')}
    assert next(iter(entries)) == tool.TABLES[name].reference == 'FS-PTAL tuned'
    assert entries['FS-PTAL tuned'].seeds == ((0, 1, 2, 3, 4) if name == 'comparison' else (0, 1, 2))
    for label, entry in entries.items():
        assert entry.seeds == ((0,) if label == "FS-PTAL (paper's form)" else entries['FS-PTAL tuned'].seeds)
