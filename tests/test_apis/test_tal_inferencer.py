import copy
import csv
import itertools
import json
import os
import subprocess
import sys

import h5py
import mmaction
import numpy as np
import pytest
import torch
from localizers import CLASSES, ROOT, make_localizer
from mmaction.registry import MODELS
from mmengine.config import Config
from mmengine.registry import DefaultScope
from tool_modules import load_tool

from fsptal_mm.apis import TALInferencer
from fsptal_mm.apis.input_pipeline import ModelInputs
from fsptal_mm.datasets.feature_settings import SIDE_FILE, keep_settings
from fsptal_mm.datasets.synthetic import generator
from fsptal_mm.evaluation import read_results
from fsptal_mm.utils.errors import InputError


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """A localizer on features of dimension 6, and features of three videos."""
    folder = tmp_path_factory.mktemp('inference')
    make_localizer(folder)
    rng = np.random.default_rng(0)
    (folder / 'features').mkdir()
    for name, length in (('a', 40), ('b', 25), ('c', 60)):
        np.save(folder / f'features/{name}.npy', rng.normal(size=(length, 6)).astype(np.float32))
    return folder


@pytest.fixture(scope='module')
def inferencer(folder):
    return TALInferencer(folder / 'model.py', folder / 'model.pth', 'cpu')


@pytest.fixture(scope='module')
def demo():
    return load_tool('demo')


def run(code, *arguments, cwd):
    """Run Python in a process and a folder of its own, on the repository's package."""
    environment = os.environ | dict(
        PYTHONPATH=str(ROOT), FSPTAL_DATA_ROOT=str(cwd), OMP_NUM_THREADS='1', CUDA_VISIBLE_DEVICES=''
    )
    command = [sys.executable, *code, *map(str, arguments)]
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


@pytest.mark.processes
def test_three_lines_give_what_the_test_script_writes(tmp_path):
    config, checkpoint = tmp_path / 'config.py', tmp_path / 'model.pth'
    config.write_text(
        f'_base_ = {str(ROOT / "configs/base/base_synthetic.py")!r}\n'
        'test_dataloader = dict(num_workers=0, persistent_workers=False,\n'
        '    dataset=dict(generator=dict(train_videos=12, test_videos=10)))\n'
    )
    make = (
        'import sys, torch\n'
        'from mmaction.registry import DATASETS, MODELS\n'
        'from mmengine.config import Config\n'
        'config = Config.fromfile(sys.argv[1])\n'
        'meta = dict(dataset_meta=DATASETS.build(config.test_dataloader.dataset).metainfo)\n'
        'torch.manual_seed(0)\n'
        'model = MODELS.build(config.model)\n'
        'model.head.classifier.weight.data.mul_(20)\n'
        'torch.save(dict(state_dict=model.state_dict(), meta=meta), sys.argv[2])\n'
    )
    run(['-c', make], config, checkpoint, cwd=tmp_path)
    host = os.path.join(mmaction.__path__[0], '.mim/tools/test.py')
    run([host], config, checkpoint, '--work-dir', 'work', cwd=tmp_path)
    lines = (
        'from fsptal_mm.apis import TALInferencer\n'
        f'inferencer = TALInferencer({str(config)!r}, {str(checkpoint)!r})\n'
        'result = inferencer("synthetic/features/test", out_dir="mine")\n'
        'from mmengine.registry import DefaultScope\n'
        'print(len(result["predictions"]), DefaultScope.get_current_instance())'
    )
    assert run(['-c', lines], cwd=tmp_path).splitlines()[-1] == '10 None'
    expected, found = (json.loads((tmp_path / name / 'results.json').read_text()) for name in ('work', 'mine'))
    assert found['results'] == expected['results']
    assert sum(map(len, found['results'].values())) > 100
    assert len({entry['label'] for entries in found['results'].values() for entry in entries}) > 1


def test_a_name_of_the_index_is_found_in_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _, checkpoint = make_localizer(tmp_path, dim=64, classes=generator.CLASSES)
    with pytest.raises(InputError, match=r'embedding\.conv\.weight.*expected the weights of'):  # 16 channels, not 256
        TALInferencer('base_synthetic', checkpoint)
    options = {'model.embedding.out_channels': 16, 'model.head.in_channels': 16}
    found = TALInferencer('base_synthetic', checkpoint, cfg_options=options)
    assert found.classes == generator.CLASSES


@pytest.mark.parametrize(
    'model, expected',
    [
        ('fsptal_syntetic', "found 'fsptal_syntetic'.*such as fsptal_synthetic"),
        ('configs/none.py', 'configs/none.py: found .no such file., expected a config file'),
        ('none.py', 'none.py: found .no such file'),
    ],
)
def test_unknown_models(folder, model, expected):
    with pytest.raises(InputError, match=expected):
        TALInferencer(model, folder / 'model.pth')


def test_a_trunk_and_a_neck_behind_it(folder):
    config = Config.fromfile(folder / 'model.py')
    config.model.embedding = [config.model.embedding, dict(type='SnippetEmbedding', in_channels=16)]
    with DefaultScope.overwrite_default_scope('mmaction'):
        assert ModelInputs(config).feature_dim == 6


def test_models_without_an_embedding(folder):
    config = Config.fromfile(folder / 'model.py')
    config.model = dict(type='BMN', temporal_dim=64)
    with pytest.raises(InputError, match=r'model\.py: model\.type: found .BMN., expected a model with an embedding'):
        TALInferencer(config, folder / 'model.pth', 'cpu')


@pytest.mark.parametrize('device', ['nosuch', 'cuda:99', 3.5])
def test_devices_that_are_not_there(folder, device):
    with pytest.raises(InputError, match=f"device: found '{device}', expected a device of this machine"):
        TALInferencer(folder / 'model.py', folder / 'model.pth', device)


@pytest.mark.parametrize('checkpoint', ['none.pth', 'https://example.com/model.pth', 'torchvision://resnet18'])
def test_checkpoints_are_local_files(folder, checkpoint):
    with pytest.raises(InputError, match='expected a local checkpoint'):
        TALInferencer(folder / 'model.py', checkpoint)


def test_checkpoint_of_other_classes(folder, tmp_path):
    _, other = make_localizer(tmp_path, classes=('run', 'jump'))
    with pytest.raises(InputError, match=r'classes of the checkpoint: found .2 \(run, jump\)., expected 3, the num_c'):
        TALInferencer(folder / 'model.py', other)
    with pytest.raises(InputError, match=r"of the argument classes: found .1 that differ: 'sit' and 'swim'"):
        TALInferencer(folder / 'model.py', folder / 'model.pth', classes=['run', 'jump', 'swim'])
    config = Config.fromfile(folder / 'model.py')
    config.test_dataloader.dataset.metainfo = dict(classes=['jump', 'run', 'sit'])
    with pytest.raises(InputError, match=r"the config: found .2 that differ: 'run' and 'jump', 'jump' and 'run'"):
        TALInferencer(config, folder / 'model.pth')


def test_checkpoint_without_names(tmp_path):
    config, checkpoint = make_localizer(tmp_path, classes=None)
    with pytest.raises(InputError, match='expected the names of 3 classes, from the checkpoint, the config, the arg'):
        TALInferencer(config, checkpoint)
    (tmp_path / 'classes.txt').write_text('one\ntwo\nthree\n')
    assert TALInferencer(config, checkpoint, classes=tmp_path / 'classes.txt').classes == ('one', 'two', 'three')


def test_checkpoints_that_are_none(folder, tmp_path):
    (tmp_path / 'text.pth').write_text('no checkpoint')
    torch.save([1, 2], tmp_path / 'list.pth')
    for name, expected in (('text.pth', 'undamaged checkpoint'), ('list.pth', 'a checkpoint with a state_dict')):
        with pytest.raises(InputError, match=f'{name}.*{expected}'):
            TALInferencer(folder / 'model.py', tmp_path / name)


def test_every_kind_of_input_gives_the_same(folder, inferencer, tmp_path):
    features = np.load(folder / 'features/a.npy')
    np.savez(tmp_path / 'z.npz', features)
    np.savetxt(tmp_path / 'text.csv', features, delimiter=',', header='f', comments='', fmt='%.9g')
    with h5py.File(tmp_path / 'many.h5', 'w') as file:
        file['first'], file['second'] = features, features[:20]
    inputs = [
        folder / 'features/a.npy',
        str(tmp_path / 'z.npz'),
        tmp_path / 'text.csv',
        tmp_path / 'many.h5',
        features,
        torch.from_numpy(features),
        dict(features=features, video_id='mine'),
    ]
    predictions = inferencer(inputs)['predictions']
    assert list(predictions) == ['a', 'z', 'text', 'first', 'second', 'array_4', 'array_5', 'mine']
    second = predictions.pop('second')
    assert len(predictions['a']) > 5
    assert all(found == predictions['a'] for found in predictions.values())
    assert max(found.end_sec for found in second) <= 20 * 0.64 < max(found.end_sec for found in predictions['a'])


def test_detections_are_what_they_say(folder, inferencer):
    found = inferencer(folder / 'features')
    assert sorted(found['predictions']) == ['a', 'b', 'c']
    assert found['failures'] == found['visualization'] == []
    for video, length in (('a', 40), ('b', 25), ('c', 60)):
        detections = found['predictions'][video]
        assert all(0 <= start < end <= length * 0.64 + 1e-9 for start, end, _, _ in detections)
        assert {label for _, _, label, _ in detections} <= set(CLASSES)
        scores = [detection.score for detection in detections]
        assert scores == sorted(scores, reverse=True)


def test_durations_end_detections(folder, inferencer):
    features = np.load(folder / 'features/a.npy')
    (found,) = inferencer(dict(features=features, duration_sec=25.1))['predictions'].values()  # 25.6 s of features
    assert max(detection.end_sec for detection in found) == 25.1
    with pytest.raises(InputError, match=r'number of snippets: found 40, expected about 15\.6'):
        inferencer(dict(features=features, duration_sec=10.0))


def test_streams_are_joined_in_the_order_of_the_config(folder, tmp_path, inferencer):
    features = np.load(folder / 'features/a.npy')
    for stream, part in (('rgb', features[:, :4]), ('flow', features[:, 4:])):
        (tmp_path / stream).mkdir()
        np.save(tmp_path / stream / 'a.npy', part)
    config = Config.fromfile(folder / 'model.py')
    config.test_dataloader.dataset.data_prefix = dict(rgb='features/rgb', flow='features/flow')
    both = TALInferencer(config, folder / 'model.pth')
    expected = inferencer(features)['predictions']['array_0']
    files = {stream: str(tmp_path / stream / 'a.npy') for stream in ('rgb', 'flow')}
    assert both(tmp_path)['predictions']['a'] == both(dict(features=files))['predictions']['a'] == expected
    assert both(folder / 'features/a.npy')['predictions']['a'] == expected  # joined before


def test_grid_of_the_argument_and_of_side_files(folder, tmp_path, inferencer):
    features = np.load(folder / 'features/a.npy')
    expected = [(start, end) for start, end, *_ in inferencer(features)['predictions']['array_0']]
    twice = TALInferencer(folder / 'model.py', folder / 'model.pth', grid=dict(snippet_sec=1.28))
    found = [(start, end) for start, end, *_ in twice(features)['predictions']['array_0']]
    assert found == pytest.approx(np.array(expected) * 2)

    config, checkpoint = make_localizer(tmp_path, grid='None')
    with pytest.raises(InputError, match='grid: expected a grid, since no'):
        TALInferencer(config, checkpoint)
    keep_settings(tmp_path / 'features', dict(grid=dict(fps=25, snippet_frames=32)))
    found = [(start, end) for start, end, *_ in TALInferencer(config, checkpoint)(features)['predictions']['array_0']]
    assert found == pytest.approx(np.array(expected) * 2)
    np.save(tmp_path / 'features/a.npy', features)
    with pytest.raises(InputError, match=f'{SIDE_FILE}: video a: seconds per snippet: found 1.28, expected 0.64 s'):
        inferencer(tmp_path / 'features/a.npy')


def test_thresholds_and_suppression(folder, inferencer):
    path = folder / 'features/a.npy'
    every = inferencer(path)['predictions']['a']
    middle = every[len(every) // 2].score
    assert inferencer(path, score_threshold=middle)['predictions']['a'] == [d for d in every if d.score >= middle]
    assert inferencer(path, top_k=3)['predictions']['a'] == every[:3]
    strict = TALInferencer(folder / 'model.py', folder / 'model.pth', nms=dict(type='nms', iou_threshold=0.1))
    kept = strict(path)['predictions']['a']
    assert 0 < len(kept) < len(every)
    assert kept[0] == every[0]
    for first, second in itertools.combinations(kept, 2):
        shared = min(first.end_sec, second.end_sec) - max(first.start_sec, second.start_sec)
        union = max(first.end_sec, second.end_sec) - min(first.start_sec, second.start_sec)
        assert first.label != second.label or shared < 0.1 * union


def test_suppression_takes_the_place_of_one_that_is_not_installed(folder):
    config = Config.fromfile(folder / 'model.py')
    config.model.head.proposals = dict(type='ProposalGenerator', nms=dict(type='mmcv.no_such_nms', iou_threshold=0.5))
    with pytest.raises(InputError, match='no_such_nms'):
        TALInferencer(copy.deepcopy(config), folder / 'model.pth', 'cpu')
    inferencer = TALInferencer(config, folder / 'model.pth', 'cpu', nms=dict(type='nms', iou_threshold=0.1))
    assert inferencer(folder / 'features/a.npy', top_k=np.int64(2), score_threshold=-np.inf)['predictions']['a']


def test_suppression_that_no_head_uses(folder, monkeypatch):
    class Bare(torch.nn.Module):
        num_classes = 3

        def __init__(self):
            super().__init__()
            self.classifier = torch.nn.Linear(16, 4, bias=False)

    monkeypatch.setitem(MODELS.module_dict, 'Bare', Bare)
    config = Config.fromfile(folder / 'model.py')
    config.model.head = dict(type='Bare')
    nms = dict(type='nms', iou_threshold=0.1)
    with pytest.raises(InputError, match="nms: found 'a model with Bare', expected a model whose head has a Pro"):
        TALInferencer(config, folder / 'model.pth', 'cpu', nms=nms)
    config.model = dict(type='BMN', temporal_dim=64)
    with pytest.raises(InputError, match=r'model\.type: found .BMN., expected a model with an embedding'):
        TALInferencer(config, folder / 'model.pth', 'cpu', nms=nms)
    with pytest.raises(InputError, match="nms: found 'soft', expected a dict with a type"):
        TALInferencer(folder / 'model.py', folder / 'model.pth', 'cpu', nms='soft')


@pytest.mark.parametrize('batch_size', [2, 3, 8])
def test_batches_change_no_prediction(folder, inferencer, batch_size, monkeypatch):
    batches, forward = [], inferencer.forward
    monkeypatch.setattr(inferencer, 'forward', lambda data, **kwargs: batches.append(data) or forward(data, **kwargs))
    expected = inferencer(folder / 'features', top_k=20)['predictions']
    batches.clear()
    found = inferencer(folder / 'features', batch_size=batch_size, top_k=20)['predictions']
    assert [len(batch['inputs']) for batch in batches] == {2: [2, 1], 3: [3], 8: [3]}[batch_size]
    assert list(found) == list(expected)
    for video, detections in expected.items():
        assert len(detections) > 5
        assert [detection.label for detection in found[video]] == [detection.label for detection in detections]
        for start, end, label, score in detections:
            near = min(found[video], key=lambda other: (other.label != label, abs(other.score - score)))
            assert (near.start_sec, near.end_sec, near.score) == pytest.approx((start, end, score), abs=1e-4)


def test_the_steps_of_the_host_give_what_a_call_gives(folder, inferencer):
    videos = inferencer._inputs_to_list(folder / 'features')
    samples = [
        sample
        for _, data in inferencer.preprocess(videos, batch_size=2)
        for sample in inferencer.forward(data, top_k=3)
    ]
    found = inferencer.postprocess(samples, inferencer.visualize(videos, samples))
    expected = inferencer(folder / 'features', batch_size=2, top_k=3)
    assert found == {name: expected[name] for name in ('predictions', 'visualization')}
    with pytest.raises(InputError, match=r'none\.npy: video none'):
        list(inferencer.preprocess(inferencer._inputs_to_list('none.npy')))
    with pytest.raises(ValueError, match='topk'):
        inferencer(folder / 'features', topk=3)


def test_data_samples_hold_all_proposals(folder, inferencer):
    sample = inferencer(folder / 'features/a.npy', return_datasamples=True, top_k=1)['predictions']['a']
    assert len(sample.pred_segments.segments_sec) > 5
    assert sample.pred_scores.shape == (3,)
    (best,) = inferencer(folder / 'features/a.npy', top_k=1)['predictions']['a']
    assert sample.detections.segments.tolist() == [[best.start_sec, best.end_sec]]
    assert sample.detections.scores.tolist() == [best.score]


@pytest.mark.parametrize(
    'features, expected',
    [
        (np.zeros((9, 5), np.float32), 'array: video array_0: dimension of the snippet features: found 5, expected 6'),
        (np.zeros(9), 'numbers of shape'),
        (np.zeros((2, 9, 6)), 'numbers of shape'),
        (np.full((9, 6), np.nan), 'NaN or Inf in snippet 0'),
        (np.zeros((0, 6)), 'at least one snippet'),
        (np.full((9, 6), 'x'), 'numbers of shape'),
        (7, 'inputs: found .int., expected a path'),
        (dict(path='x.npy'), 'inputs: found .*path'),
        ('none.npy', 'none.npy: video none: found .no such file'),
        ('readme.txt', 'readme.txt: video readme: suffix: found'),
        ('none.mp4', 'none.mp4: .*no such file'),
    ],
)
def test_wrong_inputs(inferencer, features, expected):
    with pytest.raises(InputError, match=expected):
        inferencer(features)


@pytest.mark.parametrize(
    'thinning, expected',
    [
        (dict(top_k=-1), 'TALInferencer.top_k: found -1, expected None or a whole number >= 1'),
        (dict(top_k=2.5), 'top_k: found 2.5'),
        (dict(batch_size=0), 'batch_size: found 0'),
        (dict(score_threshold=float('nan')), 'TALInferencer.score_threshold: found nan, expected None or a number'),
        (dict(score_threshold='high'), 'score_threshold: found .high'),
    ],
)
def test_wrong_numbers(folder, inferencer, thinning, expected):
    with pytest.raises(InputError, match=expected):
        inferencer(folder / 'features/a.npy', **thinning)


def test_folder_without_inputs(inferencer, tmp_path):
    (tmp_path / 'readme.txt').write_text('nothing')
    with pytest.raises(InputError, match=r'found .a folder without any'):
        inferencer(tmp_path)


def test_pictures_need_a_folder(inferencer, folder):
    with pytest.raises(InputError, match='out_dir: expected a folder for the pictures'):
        inferencer(folder / 'features/a.npy', timeline=True)


@pytest.fixture
def partly_broken(folder, tmp_path):
    """A folder of four files: one good, one of another dimension, one damaged, one of a name that is there twice."""
    target = tmp_path / 'inputs'
    target.mkdir()
    features = np.load(folder / 'features/a.npy')
    np.save(target / 'good.npy', features)
    np.save(target / 'narrow.npy', features[:, :5])
    (target / 'damaged.npy').write_bytes(b'\x93NUMPY')
    np.savez(target / 'good.npz', features)
    return target


@pytest.mark.parametrize('batch_size', [1, 4])
def test_broken_inputs_take_nothing_from_the_others(partly_broken, inferencer, tmp_path, batch_size):
    result = inferencer(partly_broken, batch_size=batch_size, out_dir=tmp_path / 'out')
    assert list(result['predictions']) == ['good']
    messages = [str(failure) for failure in result['failures']]
    assert [failure.video for failure in result['failures']] == ['damaged', 'good', 'narrow']
    for message, name in zip(messages, ('damaged.npy', 'good.npz', 'narrow.npy')):
        assert name in message
    assert 'inputs of different names' in messages[1]
    assert 'found 5, expected 6' in messages[2]
    written = json.loads((tmp_path / 'out/results.json').read_text())
    assert list(written['results']) == ['good']
    assert written['failures'] == messages


def test_demo_reports_and_keeps(partly_broken, folder, demo, tmp_path, capsys):
    arguments = [str(folder / 'model.py'), str(folder / 'model.pth'), str(partly_broken), '--show', '2']
    with pytest.raises(SystemExit) as end:
        demo.main([*arguments, '--out-dir', str(tmp_path / 'out'), '--timeline', '--top-k', '4'])
    assert end.value.code == 1
    printed = capsys.readouterr().out
    assert sum(line.startswith('error: ') for line in printed.splitlines()) == 3
    assert sum('good ' in line for line in printed.splitlines()) == 2
    assert len(read_results(tmp_path / 'out/results.json')['good']['labels']) == 4
    assert (tmp_path / 'out/timelines/good.png').is_file()
    (partly_broken / 'narrow.npy').unlink()
    (partly_broken / 'damaged.npy').unlink()
    (partly_broken / 'good.npz').unlink()
    with pytest.raises(SystemExit) as end:
        demo.main([*arguments, '--out-dir', str(tmp_path / 'out')])
    assert end.value.code == 0
    with pytest.raises(SystemExit) as end:
        demo.main(['no_such_name', *arguments[1:]])
    assert 'no_such_name' in end.value.code
    with pytest.raises(SystemExit) as end:
        demo.main([*arguments[:3], '--show', '-1'])
    assert end.value.code == 2
    assert 'argument --show: found -1, expected at least 0' in capsys.readouterr().err


def test_files_hold_the_predictions(folder, inferencer, tmp_path):
    predictions = inferencer(folder / 'features', out_dir=tmp_path)['predictions']
    from_json = {
        video: list(zip(*found['segments_sec'].T.tolist(), found['labels'], found['scores'].tolist()))
        for video, found in read_results(tmp_path / 'results.json').items()
    }
    assert from_json == predictions
    with open(tmp_path / 'results.csv', newline='') as file:
        rows = list(csv.reader(file))
    assert rows[0] == ['video', 'start_sec', 'end_sec', 'label', 'score']
    flat = [(video, *found) for video, detections in predictions.items() for found in detections]
    assert [(v, float(start), float(end), label, float(score)) for v, start, end, label, score in rows[1:]] == flat


def test_what_was_found_before_an_interruption_is_written(folder, inferencer, tmp_path, monkeypatch):
    forward, calls = inferencer.forward, []

    def interrupted(inputs, **kwargs):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return forward(inputs, **kwargs)

    monkeypatch.setattr(inferencer, 'forward', interrupted)
    with pytest.raises(KeyboardInterrupt):
        inferencer(folder / 'features', out_dir=tmp_path)
    assert list(read_results(tmp_path / 'results.json')) == ['a', 'b']


def test_scope_of_the_user_stays(folder):
    before = DefaultScope.get_instance('mine', scope_name='mmengine')
    TALInferencer(folder / 'model.py', folder / 'model.pth')(folder / 'features/b.npy')
    assert DefaultScope.get_current_instance().scope_name == before.scope_name


def test_a_picture_that_cannot_be_made_takes_nothing_from_the_others(folder, inferencer, tmp_path):
    features = np.load(folder / 'features/a.npy')
    inputs = [dict(features=features, video_id=name) for name in ('first', 'second')]
    (tmp_path / 'timelines/first.png').mkdir(parents=True)  # where a picture should go
    result = inferencer(inputs, out_dir=tmp_path, timeline=True)
    assert list(result['predictions']) == ['first', 'second']
    assert result['visualization'] == [str(tmp_path / 'timelines/second.png')]
    assert [failure.video for failure in result['failures']] == ['first']
    assert 'first.png' in str(result['failures'][0])
    assert (tmp_path / 'results.json').is_file()


@pytest.mark.parametrize('left', ['epoch_3.pth', 'last_checkpoint', '20260101_000000/vis_data/config.py'])
def test_demo_writes_into_no_folder_of_a_run(folder, demo, tmp_path, left):
    (tmp_path / left).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / left).touch()
    (tmp_path / 'results.json').write_text('of the run')
    inputs = [str(folder / name) for name in ('model.py', 'model.pth', 'features/a.npy')]
    with pytest.raises(SystemExit, match='--out-dir') as end:
        demo.main([*inputs, '--out-dir', str(tmp_path)])
    assert str(end.value).startswith('error: ')
    assert (tmp_path / 'results.json').read_text() == 'of the run'
