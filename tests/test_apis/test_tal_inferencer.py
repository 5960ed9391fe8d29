import copy
import csv
import itertools
import json
import os
import re
from types import SimpleNamespace
from typing import ClassVar

import h5py
import mmaction
import numpy as np
import pytest
import torch
from localizers import CLASSES, ROOT, make_localizer, save_localizer
from mmaction.registry import MODELS
from mmengine.config import Config
from mmengine.registry import DefaultScope
from refusals import refused
from tiny_videos import write_video
from tool_modules import load_tool, run_script

from fsptal_mm.apis import TALInferencer
from fsptal_mm.apis.inference_inputs import VideoInput
from fsptal_mm.apis.input_pipeline import ModelInputs
from fsptal_mm.datasets.feature_settings import SIDE_FILE, keep_settings
from fsptal_mm.datasets.synthetic import generator
from fsptal_mm.evaluation import read_results
from fsptal_mm.structures import Instances
from fsptal_mm.utils import progress

NMS = dict(type='nms', iou_threshold=0.1)


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


@pytest.fixture
def config(folder):
    return Config.fromfile(folder / 'model.py')


def test_gives_what_the_test_script_writes(tmp_path, monkeypatch):
    monkeypatch.setenv('FSPTAL_DATA_ROOT', str(tmp_path))
    path, checkpoint = tmp_path / 'config.py', tmp_path / 'model.pth'
    path.write_text(
        f'_base_ = {str(ROOT / "configs/base/base_synthetic.py")!r}\n'
        'test_dataloader = dict(num_workers=0, persistent_workers=False,\n'
        '    dataset=dict(generator=dict(train_videos=12, test_videos=10)))\n'
    )
    save_localizer(Config.fromfile(path), checkpoint, generator.CLASSES)
    host = os.path.join(mmaction.__path__[0], '.mim/tools/test.py')
    run_script(host, path, checkpoint, '--work-dir', tmp_path / 'work')
    TALInferencer(path, checkpoint)(tmp_path / 'synthetic/features/test', out_dir=tmp_path / 'mine')
    expected, found = (
        json.loads((tmp_path / name / 'results.json').read_text())['results'] for name in ('work', 'mine')
    )
    times = [entry.pop('best_sec') for entries in found.values() for entry in entries]
    assert found == expected
    assert len(times) > 100
    assert len(found) == 10
    assert sum(map(len, found.values())) > 100
    assert len({entry['label'] for entries in found.values() for entry in entries}) > 1


def test_a_name_of_the_index_is_found_in_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _, checkpoint = make_localizer(tmp_path, dim=64, classes=generator.CLASSES)
    with refused('embedding.conv.weight'):  # the checkpoint has 16 channels, the config of the index 256
        TALInferencer('base_synthetic', checkpoint)
    options = {'model.embedding.out_channels': 16, 'model.head.in_channels': 16}
    assert TALInferencer('base_synthetic', checkpoint, cfg_options=options).classes == generator.CLASSES


@pytest.mark.parametrize(
    'arguments, named',
    [
        (dict(model='fsptal_syntetic'), ["found 'fsptal_syntetic'", 'such as fsptal_synthetic']),
        (dict(model='configs/none.py'), ['configs/none.py', 'no such file']),
        (dict(device='nosuch'), ["device: found 'nosuch'"]),
        (dict(device='cuda:99'), ["device: found 'cuda:99'"]),
        (dict(device=3.5), ["device: found '3.5'"]),
        (dict(weights='none.pth'), ['none.pth', 'local checkpoint']),
        (
            dict(weights='https://example.com/model.pth'),
            ['curl -fLO https://example.com/model.pth', 'local checkpoint'],
        ),
        (dict(classes=['run', 'jump', 'swim']), ['the argument classes', "'sit' and 'swim'"]),
        (dict(nms='soft'), ["nms: found 'soft'"]),
    ],
)
def test_bad_arguments(folder, arguments, named):
    with refused(*named):
        TALInferencer(**(dict(model=folder / 'model.py', weights=folder / 'model.pth') | arguments))


def test_checkpoints_that_do_not_fit(folder, config, tmp_path):
    (tmp_path / 'text.pth').write_text('no checkpoint')
    torch.save([1, 2], tmp_path / 'list.pth')
    make_localizer(tmp_path, classes=('run', 'jump'))
    for name, named in (('text.pth', 'undamaged'), ('list.pth', 'state_dict'), ('model.pth', '2 (run, jump)')):
        with refused(name, named):
            TALInferencer(folder / 'model.py', tmp_path / name)
    config.test_dataloader.dataset.metainfo = dict(classes=['jump', 'run', 'sit'])
    with refused('the config', "'run' and 'jump', 'jump' and 'run'"):
        TALInferencer(config, folder / 'model.pth')


def test_checkpoint_without_names(tmp_path):
    config, checkpoint = make_localizer(tmp_path, classes=None)
    with refused('names of 3 classes'):
        TALInferencer(config, checkpoint)
    (tmp_path / 'classes.txt').write_text('one\ntwo\nthree\n')
    assert TALInferencer(config, checkpoint, classes=tmp_path / 'classes.txt').classes == ('one', 'two', 'three')


def test_models_without_an_embedding_or_a_head_that_detects(folder, config, monkeypatch):
    class Bare(torch.nn.Module):
        num_classes = 3

        def __init__(self):
            super().__init__()
            self.classifier = torch.nn.Linear(16, 4, bias=False)

    monkeypatch.setitem(MODELS.module_dict, 'Bare', Bare)
    config.model.head = dict(type='Bare')
    with refused("nms: found 'a model with Bare'"):
        TALInferencer(config, folder / 'model.pth', 'cpu', nms=NMS)
    config.model = dict(type='BMN', temporal_dim=64)
    with refused("model.py: model.type: found 'BMN'"):
        TALInferencer(config, folder / 'model.pth', 'cpu', nms=NMS)


def test_the_dimension_is_that_of_the_trunk_before_a_neck(config):
    config.model.embedding = [config.model.embedding, dict(type='SnippetEmbedding', in_channels=16)]
    with DefaultScope.overwrite_default_scope('mmaction'):
        assert ModelInputs(config).feature_dim == 6


def test_every_kind_of_input_gives_the_same(folder, inferencer, tmp_path):
    features = np.load(folder / 'features/a.npy')
    np.savez(tmp_path / 'z.npz', features)
    np.savetxt(tmp_path / 'text.csv', features, delimiter=',', header='f', comments='', fmt='%.9g')
    with h5py.File(tmp_path / 'many.h5', 'w') as file:
        file['first'], file['second'] = features, features[:20]
    files = [folder / 'features/a.npy', str(tmp_path / 'z.npz'), tmp_path / 'text.csv', tmp_path / 'many.h5']
    arrays = [features, torch.from_numpy(features), dict(features=features, video_id='mine')]
    predictions = inferencer(files + arrays)['predictions']
    assert list(predictions) == ['a', 'z', 'text', 'first', 'second', 'array_4', 'array_5', 'mine']
    second = predictions.pop('second')
    assert len(predictions['a']) > 5
    assert all(found == predictions['a'] for found in predictions.values())
    assert max(found.end_sec for found in second) <= 20 * 0.64 < max(found.end_sec for found in predictions['a'])


def test_detections_are_what_they_say_and_stand_in_files(folder, inferencer, tmp_path):
    result = inferencer(folder / 'features', out_dir=tmp_path)
    predictions = result['predictions']
    assert result['failures'] == result['visualization'] == []
    for video, length in (('a', 40), ('b', 25), ('c', 60)):
        assert all(0 <= start < end <= length * 0.64 + 1e-9 for start, end, _, _ in predictions[video])
        assert {detection.label for detection in predictions[video]} <= set(CLASSES)
        scores = [detection.score for detection in predictions[video]]
        assert scores == sorted(scores, reverse=True)
    from_json = {
        video: list(zip(*found['segments_sec'].T.tolist(), found['labels'], found['scores'].tolist()))
        for video, found in read_results(tmp_path / 'results.json').items()
    }
    assert from_json == predictions
    with open(tmp_path / 'results.csv', newline='') as file:
        head, *rows = csv.reader(file)
    assert head == ['video', 'start_sec', 'end_sec', 'label', 'score']
    flat = [
        [video, f'{start:.3f}', f'{end:.3f}', label, f'{score:.4f}']
        for video, detections in predictions.items()
        for start, end, label, score in detections
    ]
    assert rows == flat, 'milliseconds, and four decimals of the scores'


def test_the_best_snippet_of_each_detection_stands_in_the_results(folder, inferencer, tmp_path):
    features = np.load(folder / 'features/a.npy')
    inferencer(folder / 'features/a.npy', out_dir=tmp_path)
    found = read_results(tmp_path / 'results.json')['a']
    model, (batch,) = inferencer.model, inferencer.preprocess(inferencer._inputs_to_list(folder / 'features/a.npy'))
    with torch.no_grad():
        inputs = model.data_preprocessor(batch[1])['inputs']
        scores = model.head.clean_scores(model.embed(inputs)).final[0].numpy()
    centres_sec = (np.arange(len(features)) + 0.5) * 0.64
    others = 0
    for (start, end), label, best_sec in zip(found['segments_sec'], found['labels'], found['best_sec']):
        inside = (centres_sec >= start) & (centres_sec < end)
        others += abs(best_sec - (start + end) / 2) > 0.64
        if inside.any():
            curve = np.where(inside, scores[:, CLASSES.index(label)], -np.inf)
            assert best_sec == pytest.approx(centres_sec[curve.argmax()])
        else:
            assert best_sec == pytest.approx((start + end) / 2)
    assert others > 5


def test_durations_end_detections(folder, inferencer):
    features = np.load(folder / 'features/a.npy')
    # The features end at 25.6 s.
    (found,) = inferencer(dict(features=features, duration_sec=25.1))['predictions'].values()
    assert max(detection.end_sec for detection in found) == 25.1
    with refused('number of snippets: found 40', '15.6'):
        inferencer(dict(features=features, duration_sec=10.0))


def test_streams_are_joined_in_the_order_of_the_config(folder, config, tmp_path, inferencer):
    features = np.load(folder / 'features/a.npy')
    for stream, part in (('rgb', features[:, :4]), ('flow', features[:, 4:])):
        (tmp_path / stream).mkdir()
        np.save(tmp_path / stream / 'a.npy', part)
    config.test_dataloader.dataset.data_prefix = dict(rgb='features/rgb', flow='features/flow')
    both = TALInferencer(config, folder / 'model.pth')
    expected = inferencer(features)['predictions']['array_0']
    files = {stream: str(tmp_path / stream / 'a.npy') for stream in ('rgb', 'flow')}
    assert both(tmp_path)['predictions']['a'] == both(dict(features=files))['predictions']['a'] == expected
    # A file in which both streams are joined already.
    assert both(folder / 'features/a.npy')['predictions']['a'] == expected


def test_grid_of_the_argument_and_of_side_files(folder, tmp_path, inferencer):
    features = np.load(folder / 'features/a.npy')

    def ends(inferencer):
        return [(start, end) for start, end, *_ in inferencer(features)['predictions']['array_0']]

    expected = pytest.approx(2 * np.array(ends(inferencer)))
    assert ends(TALInferencer(folder / 'model.py', folder / 'model.pth', grid=dict(snippet_sec=1.28))) == expected
    config, checkpoint = make_localizer(tmp_path, grid='None')
    with refused('grid'):
        TALInferencer(config, checkpoint)
    keep_settings(tmp_path / 'features', dict(grid=dict(fps=25, snippet_frames=32)))
    assert ends(TALInferencer(config, checkpoint)) == expected
    np.save(tmp_path / 'features/a.npy', features)
    with refused(f'{SIDE_FILE}: video a: seconds per snippet: found 1.28'):
        inferencer(tmp_path / 'features/a.npy')


def test_thresholds_and_nms(folder, config, inferencer):
    path = folder / 'features/a.npy'
    every = inferencer(path)['predictions']['a']
    middle = every[len(every) // 2].score
    assert inferencer(path, score_threshold=middle)['predictions']['a'] == [d for d in every if d.score >= middle]
    assert inferencer(path, top_k=3)['predictions']['a'] == every[:3]
    strict = TALInferencer(folder / 'model.py', folder / 'model.pth', nms=NMS)(path)['predictions']['a']
    assert 0 < len(strict) < len(every)
    assert strict[0] == every[0]
    for index, second in enumerate(strict):
        for first in strict[:index]:
            shared = min(first.end_sec, second.end_sec) - max(first.start_sec, second.start_sec)
            union = max(first.end_sec, second.end_sec) - min(first.start_sec, second.start_sec)
            assert first.label != second.label or shared < 0.1 * union
    # The argument nms also replaces an NMS of the config that is not installed.
    config.model.head.proposals = dict(type='ProposalGenerator', nms=dict(type='mmcv.no_such_nms', iou_threshold=0.5))
    with refused('no_such_nms'):
        TALInferencer(copy.deepcopy(config), folder / 'model.pth', 'cpu')
    other = TALInferencer(config, folder / 'model.pth', 'cpu', nms=NMS)
    assert other(path, top_k=np.int64(2), score_threshold=-np.inf)['predictions']['a']


@pytest.mark.parametrize('batch_size, sizes', [(2, [2, 1]), (8, [3])])
def test_batches_change_no_prediction(folder, inferencer, batch_size, sizes, monkeypatch):
    expected, batches, forward = inferencer(folder / 'features', top_k=20)['predictions'], [], inferencer.forward
    monkeypatch.setattr(inferencer, 'forward', lambda data, **kwargs: batches.append(data) or forward(data, **kwargs))
    found = inferencer(folder / 'features', batch_size=batch_size, top_k=20)['predictions']
    assert [len(batch['inputs']) for batch in batches] == sizes
    assert list(found) == list(expected)
    for video, detections in expected.items():
        assert len(detections) > 5
        assert [detection.label for detection in found[video]] == [detection.label for detection in detections]
        for start, end, label, score in detections:
            near = min(found[video], key=lambda other: (other.label != label, abs(other.score - score)))
            assert (near.start_sec, near.end_sec, near.score) == pytest.approx((start, end, score), abs=1e-4)


def test_the_steps_of_the_host_give_what_a_call_gives(folder, inferencer):
    videos = inferencer._inputs_to_list(folder / 'features')
    batches = inferencer.preprocess(videos, batch_size=2)
    samples = [sample for _, data in batches for sample in inferencer.forward(data, top_k=3)]
    found = inferencer.postprocess(samples, inferencer.visualize(videos, samples))
    expected = inferencer(folder / 'features', batch_size=2, top_k=3)
    assert found == {name: expected[name] for name in ('predictions', 'visualization')}
    with refused('none.npy: video none'):
        list(inferencer.preprocess(inferencer._inputs_to_list('none.npy')))
    with pytest.raises(ValueError, match='topk'):
        inferencer(folder / 'features', topk=3)


def test_a_subclass_adds_arguments_to_every_step(folder):
    class WithMore(TALInferencer):
        preprocess_kwargs: ClassVar = {'only'}
        postprocess_kwargs: ClassVar = {'note'}

        def preprocess(self, inputs, *args, only, **kwargs):
            yield from super().preprocess([video for video in inputs if video.video_id == only], *args, **kwargs)

        def postprocess(self, *args, note, **kwargs):
            return super().postprocess(*args, **kwargs) | dict(note=note)

    result = WithMore(folder / 'model.py', folder / 'model.pth', 'cpu')(folder / 'features', only='b', note='x')
    assert list(result['predictions']) == ['b']
    assert result['note'] == 'x'


def test_data_samples_hold_all_proposals(folder, inferencer):
    sample = inferencer(folder / 'features/a.npy', return_datasamples=True, top_k=1)['predictions']['a']
    assert len(sample.pred_segments.segments_sec) > 5
    assert sample.pred_scores.shape == (3,)
    (best,) = inferencer(folder / 'features/a.npy', top_k=1)['predictions']['a']
    assert sample.detections.segments.tolist() == [[best.start_sec, best.end_sec]]
    assert sample.detections.scores.tolist() == [best.score]


@pytest.mark.parametrize(
    'features, named',
    [
        (np.zeros((9, 5), np.float32), 'array: video array_0: dimension of the snippet features: found 5'),
        (np.zeros(9), 'shape'),
        (np.full((9, 6), np.nan), 'snippet 0'),
        (7, "inputs: found 'int'"),
        (dict(path='x.npy'), 'inputs: found'),
        ('none.npy', 'none.npy: video none'),
        ('readme.txt', 'readme.txt: video readme: suffix'),
        ('none.mp4', 'none.mp4: '),
    ],
)
def test_bad_inputs(inferencer, features, named):
    with refused(named):
        inferencer(features)


@pytest.mark.parametrize(
    'argument, value, field',
    [
        ('top_k', -1, 'top_k: found -1'),
        ('top_k', 2.5, 'top_k: found 2.5'),
        ('batch_size', 0, 'batch_size: found 0'),
        ('score_threshold', float('nan'), 'score_threshold: found nan'),
        ('timeline', True, 'out_dir'),  # pictures need a folder
    ],
)
def test_bad_arguments_of_a_call(folder, inferencer, argument, value, field):
    with refused(field):
        inferencer(folder / 'features/a.npy', **{argument: value})


def test_a_folder_without_inputs(inferencer, tmp_path):
    (tmp_path / 'readme.txt').write_text('nothing')
    with refused(str(tmp_path)):
        inferencer(tmp_path)


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
    for message, name in zip(messages, ('damaged.npy: video damaged', 'good.npz: video good', 'narrow.npy: video')):
        assert name in message
    assert 'found 5' in messages[2]
    written = json.loads((tmp_path / 'out/results.json').read_text())
    assert list(written['results']) == ['good']
    assert written['failures'] == messages


def test_demo_says_which_videos_were_trained_on(folder, tmp_path, capsys):
    content, checkpoint = torch.load(folder / 'model.pth'), tmp_path / 'model.pth'
    inputs = [folder / 'model.py', checkpoint, folder / 'features', '--out-dir', tmp_path / 'out']
    for trained, told in ((['v_b', 'other'], 'trained on 1 of 3 videos (b)'), (['other'], None)):
        torch.save({**content, 'meta': {**content.get('meta', {}), 'trained_videos': trained}}, checkpoint)
        with pytest.raises(SystemExit) as end:
            load_tool('demo').main(list(map(str, inputs)))
        assert not end.value.code
        warnings = [line for line in capsys.readouterr().out.splitlines() if line.startswith('warning: ')]
        assert len(warnings) == bool(told)
        assert all(told in line for line in warnings)


def test_demo_reports_and_keeps(partly_broken, folder, tmp_path, capsys):
    def status(*arguments):
        with pytest.raises(SystemExit) as end:
            load_tool('demo').main([str(argument) for argument in arguments])
        return end.value.code

    model = folder / 'model.py', folder / 'model.pth'
    options = '--show', 2, '--out-dir', tmp_path / 'out', '--timeline', '--top-k', 4
    assert status(*model, partly_broken, *options) == 1
    told = capsys.readouterr()
    printed = told.out.splitlines()
    assert sum(line.startswith('error: ') for line in printed) == 3
    assert (told.out + told.err).count('damaged.npy') == 1, 'each failure is told once'
    assert sum('good ' in line for line in printed) == 3
    assert sum('2 more' in line for line in printed) == 1
    assert len(read_results(tmp_path / 'out/results.json')['good']['labels']) == 4
    assert (tmp_path / 'out/timelines/good.png').is_file()
    (partly_broken / 'good.npy').unlink()
    (partly_broken / 'good.npz').unlink()
    assert status(*model, partly_broken, '--out-dir', tmp_path / 'none') == 1
    assert 'score' not in capsys.readouterr().out, 'no table without detections'
    assert status(*model, folder / 'features') == 0
    assert 'no_such_name' in status('no_such_name', model[1], partly_broken)
    assert status(*model, partly_broken, '--show', -1) == 2


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
    (tmp_path / 'timelines/first.png').mkdir(parents=True)  # a folder at the path of a picture
    result = inferencer(inputs, out_dir=tmp_path, timeline=True)
    assert list(result['predictions']) == ['first', 'second']
    assert result['visualization'] == [str(tmp_path / 'timelines/second.png')]
    assert [failure.video for failure in result['failures']] == ['first']
    assert 'first.png' in str(result['failures'][0])
    assert (tmp_path / 'results.json').is_file()


def test_pictures_of_one_video_say_how_far_they_are(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv('FORCE_COLOR', raising=False)  # rich would take the output for a terminal
    # Each look at the clock is 10 s later.
    monkeypatch.setattr(progress, 'time', SimpleNamespace(monotonic=itertools.count(0, 10).__next__))
    drawer = object.__new__(TALInferencer)
    drawer.classes, drawer.show_progress, drawer._allow_damaged = ('a',), True, False
    video = VideoInput('clip', (str(write_video(tmp_path / 'clip.mp4', 4.0)),))
    sample = SimpleNamespace(duration_sec=4.0, detections=Instances.of_video([[0, 1]], [0], [0.5]))
    drawer.visualize([video], [sample], out_dir=tmp_path / 'out', timeline=True, annotate=True)
    lines = capsys.readouterr().out.splitlines()
    shares = [int(re.fullmatch(r'Pictures: (\d+)%, 0/1 videos, .* left', line)[1]) for line in lines]
    assert shares == sorted(shares)
    assert sum(share < 10 for share in shares) > 2  # progress while the frames of the timeline are read
    assert sum(10 < share < 100 for share in shares) > 2  # progress while the video is copied


@pytest.mark.parametrize('left', ['epoch_3.pth', 'last_checkpoint', '20260101_000000/vis_data/config.py'])
def test_demo_writes_into_no_folder_of_a_run(folder, tmp_path, left):
    (tmp_path / left).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / left).touch()
    (tmp_path / 'results.json').write_text('of the run')
    inputs = [str(folder / name) for name in ('model.py', 'model.pth', 'features/a.npy')]
    with pytest.raises(SystemExit, match='--out-dir') as end:
        load_tool('demo').main([*inputs, '--out-dir', str(tmp_path)])
    assert str(end.value).startswith('error: ')
    assert (tmp_path / 'results.json').read_text() == 'of the run'
