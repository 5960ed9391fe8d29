"""Mistakes of a user: every tool names the mistake in one line, and writes no file."""

import json
import re
import runpy
import shlex

import pytest
from small_sets import ROOT, save_untrained, small_config


def annotation(label, start, end, **more):
    return dict(label=label, segment=[start, end], **more)


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Good and bad files of every kind, with the names that the table below uses."""
    folder = tmp_path_factory.mktemp('mistakes')
    truth = [annotation('Run', 1, 5), annotation('Hop', 6, 8)]
    database = {
        'a': dict(subset='test', duration=20, fps=10, annotations=truth),
        'b': dict(subset='train', duration=20, annotations=truth),
        'c': dict(subset='test', duration=20, annotations=[]),
    }
    contents = {
        'gt': dict(database=database),
        'reversed': dict(database=dict(a=dict(annotations=[annotation('Run', 3, 1)]))),
        'found': dict(results=dict(a=[annotation('Run', 1, 5, score=0.5)])),
        'unknown': dict(results=dict(a=[annotation('Sleep', 1, 5, score=0.5)])),
        'other': dict(results=dict(other=[])),
        'none': dict(results={}),
    }
    for name, content in contents.items():
        (folder / f'{name}.json').write_text(json.dumps(content))
    texts = {'torn.json': '{', 'nowhere.txt': 'nowhere', 'c.txt': 'c'}
    for name, text in texts.items():
        (folder / name).write_text(text)
    (folder / 'empty').mkdir()
    config = small_config(folder, 'fsptal_tuned/fsptal-tuned_synthetic')
    config.dump(folder / 'config.py')
    save_untrained(config, folder / 'model.pth')
    save_untrained(small_config(folder, 'lacp/lacp_synthetic'), folder / 'lacp.pth')
    small_config(folder, 'fsptal_tuned/fsptal-tuned_synthetic_fold').dump(folder / 'fold.py')
    return folder


# The tool, its arguments, and a text that the error line must contain.
MISTAKES = [
    ('analysis_tools/eval_tal', 'torn.json gt.json', 'torn.json'),
    ('analysis_tools/eval_tal', 'missing.json gt.json', 'missing.json: found .no such file'),
    ('analysis_tools/eval_tal', 'found.json torn.json', 'torn.json'),
    ('analysis_tools/eval_tal', 'found.json gt.json --split nowhere.txt', 'nowhere.txt'),
    ('analysis_tools/eval_tal', 'found.json gt.json --split c.txt', 'gt.json: found .none'),  # the video has no segment
    ('analysis_tools/eval_tal', 'other.json gt.json', 'other.json'),  # results of no video of the ground truth
    ('analysis_tools/eval_tal', 'none.json gt.json', 'none.json: found .none'),
    ('analysis_tools/eval_tal', 'unknown.json gt.json', 'unknown.json: found .none'),
    ('analysis_tools/eval_tal', 'found.json gt.json --tiou 50', 'tiou_thresholds'),
    ('analysis_tools/diagnose', 'found.json found.json gt.json -o out', '--names'),
    ('analysis_tools/diagnose', 'found.json none.json gt.json -o out --names one', '--names'),
    ('analysis_tools/diagnose', 'gt.json gt.json -o out', 'gt.json: results'),
    ('analysis_tools/diagnose', 'found.json gt.json -o out --subset nothing', 'subset'),
    ('analysis_tools/diagnose', 'found.json gt.json -o out --alpha 0', 'tiou_thresholds'),
    ('analysis_tools/plot_timeline', '--results missing.json', 'missing.json'),
    ('analysis_tools/plot_timeline', '', '--results'),
    ('analysis_tools/plot_timeline', 'config.py', 'pairs'),
    ('analysis_tools/plot_timeline', 'config.py model.pth --out {video}.jpg', '--out'),
    ('analysis_tools/plot_timeline', 'config.py model.pth --out all.png', '--out'),  # one picture for several videos
    ('analysis_tools/plot_timeline', 'config.py model.pth --videos nowhere', 'videos: found .*nowhere'),
    ('analysis_tools/plot_timeline', 'config.py model.pth --names x y', '--names'),
    ('analysis_tools/plot_timeline', 'config.py model.pth config.py model.pth --names x x', '--names'),
    ('analysis_tools/plot_timeline', 'config.py lacp.pth', 'lacp.pth'),  # weights of another model
    ('analysis_tools/plot_timeline', '--results found.json --max-classes -1', '--max-classes'),
    ('analysis_tools/plot_timeline', '--results found.json --max-proposals -1', '--max-proposals'),
    ('analysis_tools/pseudo_label_quality', 'empty', 'empty/pseudo_labels'),
    ('analysis_tools/pseudo_label_quality', 'empty --names x y', 'names'),
    ('analysis_tools/pseudo_label_quality', 'empty --plot a.jpg', '--plot'),
    ('analysis_tools/rank_checkpoints', 'fold.py missing.pth --points-only', 'missing.pth'),
    ('analysis_tools/rank_checkpoints', 'fold.py lacp.pth --points-only', 'lacp.pth'),
    (
        'analysis_tools/rank_checkpoints',
        'fold.py model.pth --points-only --cfg-options train_dataloader.dataset.fold=None',
        'val_dataloader.dataset: .*train_dataloader',
    ),
    ('analysis_tools/report', 'nowhere -o new.html', 'nowhere'),
    ('analysis_tools/report', '. . -o new.html', 'different work directories'),
    (
        'data/convert_annotations',
        'new.json --ann-file reversed.json',
        r'reversed.json: video a: annotations\[0\].segment',
    ),
    ('data/export_pseudo_segments', 'config.py missing.pth new.json', 'missing.pth'),
    ('data/export_pseudo_segments', 'config.py lacp.pth new.json', 'lacp.pth'),
    ('data/export_pseudo_segments', 'config.py model.pth new.json --format opentad --fps -3', '--fps'),
    ('data/make_points', 'reversed.json new.json', r'reversed.json: video a: annotations\[0\].segment'),
    ('data/make_points', 'gt.json new.txt', 'out'),
    ('data/make_points', 'gt.json new.json --per-instance 0', '--per-instance'),
    ('data/make_points', 'gt.json new.json --seed -1', 'seed'),
    # A csv file counts frames, so it needs a frame rate.
    ('data/make_points', 'gt.json new.csv', 'new.csv: video b: fps'),
    ('data/make_synthetic', 'new --ann-file gt.json --count 1 --max-sec 5', '1 video'),  # no video is that short
    ('docs/plot_modules', 'none.py model.pth model.pth --video train_003', 'none.py'),
    # A model without the paper's modules.
    ('docs/plot_modules', 'base_synthetic model.pth model.pth --video train_003', 'base_synthetic'),
    ('docs/plot_modules', 'bmn_synthetic model.pth model.pth --video train_003', 'bmn_synthetic'),
    ('docs/plot_modules', 'config.py model.pth model.pth --video test_000', '--video: found .*test_000'),
    ('experiments/ablation', 'comparison --data elsewhere --work-dir new', 'fsptal-tuned_elsewhere.py'),
    ('experiments/ablation', 'modules --jobs 0', '--jobs: found 0'),
    ('experiments/ablation', 'modules --seeds -1', '--seeds: found -1'),
    ('experiments/ablation', 'modules --work-dir new --cfg-options model.head.num_classes', 'cfg-options'),
    (
        'experiments/ablation',
        'modules --work-dir new --cfg-options train_dataloader.dataset.pipeline.9.x=1',
        'cfg-options',
    ),
    ('experiments/compare', '--jobs -1', '--jobs: found -1'),
    ('experiments/compare', '--data elsewhere --work-dir new', 'elsewhere'),
]


@pytest.mark.parametrize('tool, arguments, expected', MISTAKES)
def test_a_mistake_is_one_line(tool, arguments, expected, folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    script = ROOT / f'tools/{tool}.py'
    monkeypatch.syspath_prepend(script.parent)
    monkeypatch.setattr('sys.argv', [str(script), *shlex.split(arguments)])
    before = {*folder.glob('[!.]*'), folder / 'set'}  # folder/set: the generated dataset is written at its first use
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(script), run_name='__main__')
    line = end.value.code if isinstance(end.value.code, str) else capsys.readouterr().err.splitlines()[-1]
    assert 'error: ' in line
    assert '\n' not in line
    assert re.search(expected, line), line
    assert {*folder.glob('[!.]*')} <= before
