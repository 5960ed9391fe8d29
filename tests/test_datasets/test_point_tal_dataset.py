import json

import numpy as np
import pytest
from plain_files import plain_video, write_plain
from refusals import refused

from fsptal_mm.datasets import PointTALDataset
from fsptal_mm.utils.errors import InputError

PIPELINE = [dict(type='LoadSnippetFeatures'), dict(type='PointsToSnippets'), dict(type='PackPointTALInputs')]


@pytest.fixture
def root(tmp_path):
    """Two videos with points, one without; 1 s per snippet; class names not in alphabetical order."""

    points = [(1.5, 'run'), (4.2, 'hop')]
    videos = dict(
        a=plain_video([(1, 3, 'run'), (4, 5, 'hop')], points, subset='train', background_points_sec=[5.5]),
        b=plain_video([(0, 2, 'hop')], subset='train'),
        c=plain_video([(2, 4, 'run'), (3, 5, 'hop')], [(2.5, 'run')], subset='test'),
    )
    write_plain(
        tmp_path / 'ann.json', ['run', 'hop'], {name: dict(duration_sec=6.0, **videos[name]) for name in videos}
    )
    (tmp_path / 'features').mkdir()
    for name in videos:
        np.save(tmp_path / f'features/{name}.npy', np.full((6, 3), ord(name), dtype=np.float16))
    return tmp_path


def build(root, **kwargs):
    defaults = dict(
        data_root=str(root),
        ann_file='ann.json',
        subset='train',
        data_prefix=dict(feature='features'),
        grid=dict(snippet_sec=1.0),
        pipeline=PIPELINE,
    )
    return PointTALDataset(**(defaults | kwargs))


def samples(dataset):
    return [dataset[index]['data_samples'] for index in range(len(dataset))]


def ids(dataset):
    return [dataset.get_data_info(index)['video_id'] for index in range(len(dataset))]


def change(root, **fields):
    """Change fields of video a in the annotations."""
    content = json.loads((root / 'ann.json').read_text())
    content['videos']['a'].update(fields)
    (root / 'ann.json').write_text(json.dumps(content))


def test_a_training_video(root):
    dataset = build(root)
    assert dataset.metainfo['classes'] == ('run', 'hop')
    assert len(dataset) == 1  # b carries no point
    item, sample = dataset[0], dataset[0]['data_samples']
    assert sample.video_id == 'a'
    assert item['inputs'].shape == (6, 3)
    assert (item['inputs'] == ord('a')).all()
    assert sample.snippet_instances.argmax(0).tolist() == [1, 4]  # the snippets of the points of both classes
    assert (sample.snippet_instances >= 0).sum() == 2
    assert sample.background_labels.tolist() == [False] * 5 + [True]
    assert sample.gt_video_labels.tolist() == [1, 1]
    assert (sample.duration_sec, sample.grid.snippet_sec, sample.num_snippets) == (6.0, 1.0, 6)
    points = [sample.gt_point_sec, sample.gt_point_labels, sample.gt_point_instances]
    assert [values.tolist() for values in points] == [[1.5, 4.2], [0, 1], [0, 1]]


def test_only_a_test_video_is_labelled_by_its_segments(root):
    (sample,) = samples(build(root, subset='test', test_mode=True))
    assert sample.gt_video_labels.tolist() == [1, 1]  # though its only point is of class run
    assert sample.gt_segments_sec.tolist() == [[2, 4], [3, 5]]
    assert sample.gt_segment_labels.tolist() == [0, 1]
    (sample,) = samples(build(root, subset='test'))
    assert sample.gt_video_labels.tolist() == [1, 0]  # training labels do not come from segments


def test_videos_without_points(root):
    kept = samples(build(root, pointless='background'))
    assert [sample.video_id for sample in kept] == ['a', 'b']
    assert kept[1].gt_video_labels.tolist() == [0, 0]
    change(root, points=[])
    with refused('ann.json: points'):
        build(root)


def test_supervision_by_segments_labels_every_snippet(root):
    (sample, _) = samples(build(root, supervision='segments'))
    assert sample.snippet_instances.tolist() == [[-1, -1], [0, -1], [0, -1], [-1, -1], [-1, 1], [-1, -1]]
    assert sample.background_labels.tolist() == [True, False, False, True, False, True]
    # Lies between the centres of snippets, 2.5 and 3.5.
    change(root, segments=[dict(start_sec=2.6, end_sec=2.9, label='hop')])
    (sample, _) = samples(build(root, supervision='segments'))
    assert sample.snippet_instances.tolist() == [[-1, -1]] * 2 + [[-1, 0]] + [[-1, -1]] * 3
    assert sample.background_labels.tolist() == [True, True, False, True, True, True]


@pytest.mark.parametrize(
    'arguments, field',
    [
        (dict(supervision='frames'), 'supervision'),
        (dict(pointless='keep'), 'pointless'),
        (dict(grid=dict(fps='native', snippet_frames=16)), 'fps'),  # the annotations know no frames per second
    ],
)
def test_bad_arguments_are_named(root, arguments, field):
    with refused(field):
        build(root, **arguments)


def test_annotators_are_paths_below_the_root(root):
    (root / 'one.txt').write_text('a,1.0,run\n')
    (root / 'two.txt').write_text('a,5.0,run\n')
    for annotator, snippet in ((0, 1), (1, 5)):
        (sample,) = samples(build(root, point_file=['one.txt', 'two.txt'], annotator=annotator))
        assert sample.snippet_instances[:, 0].argmax() == snippet


def test_parts_of_a_fold(root):
    def part(part, index, **kwargs):
        return set(ids(build(root, subset=None, fold=dict(index=index, count=3, part=part), **kwargs)))

    held_out = [part('held_out', index, test_mode=True) for index in range(3)]
    assert sorted(map(sorted, held_out)) == [['a'], ['b'], ['c']]
    # Video b has no point. It is dealt to a fold like any other video, but training leaves it out.
    for index, videos in enumerate(held_out):
        assert part('train', index) == {'a', 'c'} - videos
        assert part('train', index, pointless='background') == {'a', 'b', 'c'} - videos


def test_metainfo_orders_the_classes_and_refuses_others(root):
    dataset = build(root, metainfo=dict(classes=['hop', 'jump', 'run']))  # the classes have another order in the file
    assert dataset.metainfo['classes'] == ('hop', 'jump', 'run')
    assert samples(dataset)[0].gt_video_labels.tolist() == [1, 0, 1]
    with refused(f'{root}/ann.json: video a: label: found', 'hop'):
        build(root, metainfo=dict(classes=['run', 'jump']))


@pytest.mark.parametrize('name, sec, train, test', [('gtea_spatialcnn', 1 / 3, 21, 7), ('50salads_acc', 0.6, 40, 10)])
def test_real_features_fit_their_annotations(data_root, name, sec, train, test):
    for split, count in (('train', train), ('test', test)):
        dataset = build(
            data_root / name,
            ann_file='gt.json',
            subset=None,
            split_file=f'split_{split}.txt',
            point_file='point_labels.csv' if split == 'train' else None,
            data_prefix=dict(feature=f'features/{split}'),
            grid=dict(snippet_sec=sec),
            test_mode=split == 'test',
        )
        assert len(dataset) == count
        for sample in samples(dataset):
            assert split == 'test' or sample.snippet_instances.max() >= 0
            assert abs(sample.num_snippets - sample.duration_sec / sample.grid.snippet_sec) <= 1


def test_supervision_by_clicks_gives_no_point(root):
    dataset = build(root, supervision='clicks')
    first, second = (dataset[index]['data_samples'] for index in range(2))
    assert not (first.snippet_instances >= 0).any()
    assert first.gt_video_labels.tolist() == [1, 1]
    assert first.background_labels.tolist() == [False] * 5 + [True]  # the click of the annotation
    # The other video has neither a click nor a point. A click is drawn after its only action, which ends at 2 s.
    assert second.gt_video_labels.tolist() == [0, 1]
    assert second.background_labels.sum() == 1
    assert second.background_labels[2:].any()
    again = build(root, supervision='clicks', seed=0)[1]['data_samples']
    assert (again.background_labels == second.background_labels).all()


def test_no_click_is_drawn_where_no_segment_is(root):
    # Video a keeps its points and loses its segments and its click; those of b stay.
    change(root, segments=[], background_points_sec=[])
    dataset = build(root, supervision='clicks')
    assert ids(dataset) == ['a', 'b']
    assert [int(sample.background_labels.sum()) for sample in samples(dataset)] == [0, 1]
    assert dataset.get_data_info(0)['video_labels'].tolist() == [0, 1]  # of its points


@pytest.mark.parametrize('pointless', ['skip', 'background'])
def test_clicks_out_of_nothing_are_refused(root, pointless):
    content = json.loads((root / 'ann.json').read_text())
    for video in content['videos'].values():
        video.update(segments=[], background_points_sec=[])
    (root / 'ann.json').write_text(json.dumps(content))
    with pytest.raises(InputError, match=r'ann.json: .*clicks.*background_file.*points'):
        build(root, supervision='clicks', pointless=pointless).full_init()
    (root / 'clicks.json').write_text(json.dumps(CLICKS))
    sample = build(root, supervision='clicks', background_file='clicks.json')[0]['data_samples']
    assert sample.background_labels.tolist() == [True] + [False] * 5


CLICKS = dict(format='fsptal_mm', version=1, classes=['run'], videos={'a': dict(background_points_sec=[0.5])})


@pytest.mark.parametrize(
    'name, content',
    [
        ('clicks.txt', '\ufeffURLID,URL,TagID,Tag,Start,End,Time,State\na,a.mp4,20,background,0.5,0.5,1,1\n'),
        ('clicks.json', json.dumps(CLICKS)),
    ],
)
def test_clicks_of_a_file_replace_those_of_the_annotation(root, name, content):
    (root / name).write_text(content, encoding='utf-8')
    sample = build(root, background_file=name)[0]['data_samples']
    assert sample.background_labels.tolist() == [True] + [False] * 5
    assert (sample.snippet_instances >= 0).sum() == 2  # the points are kept


@pytest.mark.parametrize(
    'content, field',
    [('URLID,End\na,1\n', 'Start'), ('URLID,Start\na,soon\n', 'Start'), ('URLID,Start\n,1\n', 'URLID')],
)
def test_damaged_clicks_are_refused(root, content, field):
    (root / 'clicks.csv').write_text(content)
    with pytest.raises(InputError, match=field):
        build(root, background_file='clicks.csv').full_init()
