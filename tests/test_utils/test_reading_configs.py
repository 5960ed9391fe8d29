"""Mistakes in configs and options are named, and ``data_root`` reaches every path."""

from pathlib import Path

import pytest
from mmaction.registry import MODELS, TASK_UTILS, TRANSFORMS
from mmengine.config import Config, ConfigDict
from mmengine.registry import DefaultScope
from refusals import refused

from fsptal_mm.utils.configs import merge_options, naming_types, read_config, read_options
from fsptal_mm.utils.errors import InputError

ROOT = Path(__file__).parents[2]
GOOD = ROOT / 'configs/fsptal_tuned/fsptal-tuned_synthetic.py'


@pytest.mark.parametrize(
    'text, message',
    [
        pytest.param('a = 1\nb = (2\n', r'config\.py:2: ', id='syntax'),
        pytest.param('_base_ = ["half.py"]\n', r'/half\.py:3: ', id='syntax of a base'),
        pytest.param('_base_ = ["middle.py"]\n', r'/half\.py:3: ', id='syntax of a base of a base'),
        pytest.param('a = 1\n_base_ = ["gone.py"]\n', r'config\.py:2: _base_: .*gone\.py', id='base'),
        pytest.param('a = "\0"\n', r'config\.py', id='null bytes'),
        pytest.param(b'\xff\xfe', r'config\.py', id='bytes'),
        pytest.param(None, r'config\.py', id='no file'),
    ],
)
def test_files_that_cannot_be_read_are_named(text, message, tmp_path):
    (tmp_path / 'half.py').write_text('a = 1\n\nb = dict(\n')
    (tmp_path / 'middle.py').write_text('_base_ = ["half.py"]\n')
    if text is not None:
        (tmp_path / 'config.py').write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError, match=rf'^{tmp_path}.*{message}'):
        read_config(tmp_path / 'config.py')


@pytest.mark.parametrize(
    'text, error',
    [
        ('a = 1\nb = a + c\n', NameError),
        ('_base_ = ["fails.py"]\n', ZeroDivisionError),
        ('custom_imports = dict(imports=["broken_plugin"])\n', ZeroDivisionError),
    ],
)
def test_errors_of_what_a_config_runs_stay_as_they_are(text, error, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / 'broken_plugin.py').write_text('1 / 0\n')
    (tmp_path / 'fails.py').write_text('a = 0\nb = 1 / a\n')
    (tmp_path / 'config.py').write_text(text)
    with pytest.raises(error) as caught:
        read_config(tmp_path / 'config.py')
    assert not isinstance(caught.value, InputError)


@pytest.mark.parametrize(
    'line, message',
    [
        ("model = dict(type='PointTALL')", r"config\.py:2: type: found 'PointTALL', .*PointTAL\b"),
        ("model = dict(head=dict(type='Xyzzy'))", r"config\.py:2: type: found 'Xyzzy', .*custom_imports"),
        # A type of mmengine or mmaction2.
        ("model = dict(type='ActionDataPreprocesor')", r'type: found .*, .*ActionDataPreprocessor\b'),
    ],
)
def test_types_that_nobody_registered(line, message, tmp_path):
    path = tmp_path / 'config.py'
    path.write_text(f'_base_ = {str(GOOD)!r}\n{line}\n')
    config = read_config(path)
    with (
        pytest.raises(InputError, match=message),
        naming_types(path),
        DefaultScope.overwrite_default_scope('mmaction'),
    ):
        MODELS.build(config.model)


@pytest.mark.parametrize(
    'registry, config, successor',
    [
        (TASK_UTILS, dict(type='SegmentSearcher', beam_width=25), 'num_places'),
        (TASK_UTILS, dict(type='SegmentSearcher', max_combinations=25), 'num_rounds'),
        (MODELS, dict(type='RefinementHead', num_classes=3, max_proposals=9), 'max_proposals_per_class'),
        (TRANSFORMS, dict(type='LoadSnippetClips', decoder='decord'), 'PyAV'),
    ],
)
def test_arguments_of_older_configs_name_their_successors(registry, config, successor, tmp_path):
    old = list(config)[-1]
    (tmp_path / 'config.py').write_text(f'a = 1\n{old} = 2\n')
    with refused(f'config.py:2: {config["type"]}: found {old!r}', successor), naming_types(tmp_path / 'config.py'):
        registry.build(config)


def test_a_misspelt_argument_keeps_its_traceback():
    with pytest.raises(TypeError), naming_types():
        TASK_UTILS.build(dict(type='SegmentSearcher', num_place=3))


@pytest.mark.parametrize('error', [KeyError('x'), KeyError(), KeyError(3), ValueError('rows'), InputError('more')])
def test_other_errors_of_building_stay_as_they_are(error):
    with pytest.raises(type(error)) as caught, naming_types():
        raise error
    assert caught.value is error


@pytest.mark.parametrize('wrong', ['nothing', 'a=[1,', 'a=[dict(x=1),dict(y=2)]', 'a=dict(x=1)', 'a=[{x:1},{y:2}]'])
def test_what_is_no_option_is_named(wrong):
    assert read_options(['a.b=1', 'c=x,y']) == {'a.b': 1, 'c': ['x', 'y']}
    with refused('--grid', wrong):
        read_options(['a.b=1', wrong], '--grid')


def dataset_config(root='data/set', **top):
    dataset = dict(type='D', data_root=root, ann_file=f'{root}/gt.json', prefix=[f'{root}/rgb', (f'{root}/flow', 3)])
    return Config(
        dict(data_root=root, train=dict(dataset=dataset), val=[dict(evaluator=dict(gt=f'{root}/gt.json'))], **top)
    )


def test_data_root_reaches_every_depth():
    cfg = dataset_config(work_dir='work', other='data/set2/x')
    merge_options(cfg, dict(data_root='/new'))
    assert cfg.data_root == cfg.train.dataset.data_root == '/new'
    assert cfg.train.dataset.ann_file == '/new/gt.json'
    assert cfg.train.dataset.prefix == ['/new/rgb', ('/new/flow', 3)]
    assert cfg.val[0].evaluator.gt == '/new/gt.json'
    # Not moved: another folder whose name begins in the same way.
    assert (cfg.work_dir, cfg.other) == ('work', 'data/set2/x')
    assert isinstance(cfg.train.dataset, ConfigDict)
    assert isinstance(cfg.val[0].evaluator, ConfigDict)


@pytest.mark.parametrize(
    'options, found',
    [
        ({'train.dataset.data_root': 'mine'}, ('mine', '/new/gt.json')),  # an option given beside data_root is kept
        ({'train.dataset.data_root': 'data/set'}, ('data/set', '/new/gt.json')),  # kept even if it is the old value
        ({'train': dict(dataset=dict(ann_file='data/set/b.json'))}, ('/new', 'data/set/b.json')),  # given as a dict
        ({'val.0.evaluator.gt': 'data/set/c'}, ('/new', '/new/gt.json')),  # in an element of a list
    ],
)
@pytest.mark.parametrize('order', [1, -1])  # --cfg-options may name them in any order
def test_explicit_options_have_the_last_word(options, found, order):
    cfg = dataset_config()
    merge_options(cfg, dict(list({'data_root': '/new', **options}.items())[::order]))
    assert (cfg.train.dataset.data_root, cfg.train.dataset.ann_file) == found
    assert cfg.val[0].evaluator.gt == options.get('val.0.evaluator.gt', '/new/gt.json')


@pytest.mark.parametrize(
    'old, options, path, expected',
    [
        ('data', dict(data_root='X/'), 'data/a', 'X/a'),  # no double slash
        ('data/', dict(data_root='X'), 'data/a', 'X/a'),
        ('data/', dict(data_root='X/'), 'data/', 'X/'),
        ('data', dict(data_root='/'), 'data/a', '/a'),
        # The new root is below the old one: paths are moved only once.
        ('data', dict(data_root='data/new'), 'data/a', 'data/new/a'),
        ('', dict(data_root='X'), '/a', '/a'),  # without an old root, nothing is moved
        ('data', dict(data_root=''), 'data/a', './a'),  # the working directory, not the root of the file system
        (None, dict(data_root='X'), 'data/a', 'data/a'),
        ('data', dict(data_root=['X', 'Y']), 'data/a', 'data/a'),  # a list is no single folder
        ('data', {'nested.data_root': 'X'}, 'data/a', 'data/a'),  # not the top-level key
    ],
)
def test_what_moves_with_data_root(old, options, path, expected):
    cfg = Config(dict(data_root=old, nested=dict(path=path, data_root=old)))
    merge_options(cfg, options)
    assert cfg.nested.path == expected


def test_the_folder_that_all_datasets_share_is_moved_and_several_are_refused():
    cfg = dataset_config()
    cfg.pop('data_root')
    merge_options(cfg, dict(data_root='/new'))
    assert (cfg.train.dataset.ann_file, cfg.val[0].evaluator.gt) == ('/new/gt.json', '/new/gt.json')
    cfg = Config(dict(train=dict(data_root='a'), val=[dict(data_root='b')]))
    with pytest.raises(InputError, match='data_root'):
        merge_options(cfg, dict(data_root='/new'))


@pytest.mark.parametrize(
    'text, value',
    [
        pytest.param('/x/my data', '/x/my data', id='spaces of a path'),
        pytest.param("'/x/a, b'", '/x/a, b', id='comma in quotes'),
        pytest.param('/x/data (old)/a', '/x/data (old)/a', id='brackets in a path'),
        pytest.param('[new] data', '[new] data', id='brackets at the begin of a path'),
        pytest.param('(a, b)/x', '(a, b)/x', id='comma in brackets at the begin of a path'),
        pytest.param('/x/data (a, b)/c', '/x/data (a, b)/c', id='comma in brackets of a path'),
        pytest.param('[new] a, b', ['[new] a', 'b'], id='brackets at the begin of a name'),
        pytest.param('long jump, throw', ['long jump', 'throw'], id='spaces of names'),
        pytest.param('[long jump,  throw]', ['long jump', 'throw'], id='spaces of names in brackets'),
        pytest.param("['long, jump', 'throw']", ['long, jump', 'throw'], id='comma of a name'),
        pytest.param("'a b','c d'", ['a b', 'c d'], id='quoted names'),
        pytest.param("[{'type': 'A', 'x': 1}, {'type': 'B'}]", [dict(type='A', x=1), dict(type='B')], id='dicts'),
        pytest.param("{'a': 1}", dict(a=1), id='dict'),
        pytest.param('epoch_{}.pth', 'epoch_{}.pth', id='braces inside a text'),
        pytest.param('{source}/results.json', '{source}/results.json', id='braces at the begin of a text'),
        pytest.param('[(1, 2, 3), [a, b], c]', [(1, 2, 3), ['a', 'b'], 'c'], id="mmengine's example"),
        pytest.param('1,2', [1, 2], id='numbers'),
        pytest.param('(1)', (1,), id='tuple of one'),
        pytest.param('[true,None,1e-3]', [True, None, 0.001], id='words'),
        pytest.param('"[1,2]"', [1, 2], id='list in quotes'),
        pytest.param('', '', id='nothing'),
        pytest.param('[]', [], id='empty list'),
    ],
)
def test_values_of_options(text, value):
    assert read_options([f'a={text}']) == {'a': value}


def test_no_options_differ_from_an_empty_list_of_them():
    assert read_options(None) is None
    assert read_options([]) == {}
