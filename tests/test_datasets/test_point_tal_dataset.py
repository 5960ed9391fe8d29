import json

import numpy as np
import pytest

from fsptal_mm.datasets import PointTALDataset
from fsptal_mm.utils.errors import InputError

PIPELINE = [dict(type='LoadSnippetFeatures'), dict(type='PointsToSnippets'), dict(type='PackPointTALInputs')]


@pytest.fixture
def root(tmp_path):
    """Two videos with points, one without; 1 s per snippet; class names not in alphabetical order."""

    def video(subset, points, segments):
        return dict(
            subset=subset,
            duration_sec=6.0,
            points=[dict(time_sec=time, label=label) for time, label in points],
            segments=[dict(start_sec=start, end_sec=end, label=label) for start, end, label in segments],
        )

    videos = dict(
        a=video('train', [(1.5, 'run'), (4.2, 'hop')], [(1, 3, 'run'), (4, 5, 'hop')]),
        b=video('train', [], [(0, 2, 'hop')]),
        c=video('test', [(2.5, 'run')], [(2, 4, 'run'), (3, 5, 'hop')]),
    )
    videos['a']['background_points_sec'] = [5.5]
    (tmp_path / 'ann.json').write_text(
        json.dumps(dict(format='fsptal_mm', version=1, classes=['run', 'hop'], videos=videos))
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


def test_a_training_video(root):
    dataset = build(root)
    assert dataset.metainfo['classes'] == ('run', 'hop')
    (item,) = [dataset[index] for index in range(len(dataset))]  # b carries no point
    sample = item['data_samples']
    assert sample.video_id == 'a'
    assert item['inputs'].shape == (6, 3)
    assert (item['inputs'] == ord('a')).all()
    assert sample.snippet_instances.argmax(0).tolist() == [1, 4]  # snippet of the point of each class
    assert (sample.snippet_instances >= 0).sum() == 2
    assert sample.background_labels.tolist() == [False] * 5 + [True]
    assert sample.gt_video_labels.tolist() == [1, 1]
    assert (sample.duration_sec, sample.grid.snippet_sec, sample.num_snippets) == (6.0, 1.0, 6)


def test_a_test_video_is_labelled_by_its_segments(root):
    (item,) = [*build(root, subset='test', test_mode=True)]
    sample = item['data_samples']
    assert sample.gt_video_labels.tolist() == [1, 1]  # its only point is of class run
    assert sample.gt_segments_sec.tolist() == [[2, 4], [3, 5]]
    assert sample.gt_segment_labels.tolist() == [0, 1]


def test_training_labels_do_not_come_from_segments(root):
    dataset = build(root, subset='test')
    assert dataset[0]['data_samples'].gt_video_labels.tolist() == [1, 0]


def test_videos_without_points_can_be_kept_as_background(root):
    dataset = build(root, pointless='background')
    samples = [dataset[index]['data_samples'] for index in range(len(dataset))]
    assert [sample.video_id for sample in samples] == ['a', 'b']
    assert samples[1].gt_video_labels.tolist() == [0, 0]


def test_no_point_at_all_is_an_error(root):
    text = json.loads((root / 'ann.json').read_text())
    text['videos']['a']['points'] = []
    (root / 'ann.json').write_text(json.dumps(text))
    with pytest.raises(InputError, match=r'ann\.json: points: found .none., expected point labels'):
        build(root)


def test_supervision_by_segments_labels_even_the_shortest(root):
    text = json.loads((root / 'ann.json').read_text())
    text['videos']['a']['segments'] = [dict(start_sec=2.6, end_sec=2.9, label='hop')]  # between the centres 2.5 and 3.5
    (root / 'ann.json').write_text(json.dumps(text))
    sample = build(root, supervision='segments')[0]['data_samples']
    assert sample.snippet_instances.tolist() == [[-1, -1]] * 2 + [[-1, 0]] + [[-1, -1]] * 3
    assert sample.background_labels.tolist() == [True, True, False, True, True, True]


def test_supervision_by_segments_labels_every_snippet(root):
    sample = build(root, supervision='segments')[0]['data_samples']
    assert sample.snippet_instances.tolist() == [[-1, -1], [0, -1], [0, -1], [-1, -1], [-1, 1], [-1, -1]]
    assert sample.background_labels.tolist() == [True, False, False, True, False, True]


@pytest.mark.parametrize(
    'wrong, field',
    [
        (dict(supervision='frames'), 'supervision'),
        (dict(pointless='keep'), 'pointless'),
        (dict(grid=dict(fps='native', snippet_frames=16)), 'fps'),  # the annotations know no frames per second
    ],
)
def test_wrong_arguments_are_named(root, wrong, field):
    with pytest.raises(InputError, match=field):
        build(root, **wrong)


def test_missing_features_name_file_and_video(root):
    (root / 'features/a.npy').unlink()
    dataset = build(root)
    with pytest.raises(InputError, match=r'a\.npy: video a: .*no such file'):
        dataset[0]


def test_annotators_are_paths_below_the_root(root):
    (root / 'one.txt').write_text('a,1.0,run\n')
    (root / 'two.txt').write_text('a,5.0,run\n')
    files = ['one.txt', 'two.txt']
    chosen = [build(root, point_file=files, annotator=number)[0]['data_samples'] for number in (0, 1)]
    assert [sample.snippet_instances[:, 0].argmax().item() for sample in chosen] == [1, 5]


@pytest.mark.parametrize('name, sec, train, test', [('gtea_spatialcnn', 1 / 3, 21, 7), ('50salads_acc', 0.6, 40, 10)])
def test_real_features_fit_their_annotations(data_root, name, sec, train, test):
    for split, count in (('train', train), ('test', test)):
        dataset = PointTALDataset(
            data_root=str(data_root / name),
            ann_file='gt.json',
            split_file=f'split_{split}.txt',
            point_file='point_labels.csv' if split == 'train' else None,
            data_prefix=dict(feature=f'features/{split}'),
            grid=dict(snippet_sec=sec),
            test_mode=split == 'test',
            pipeline=PIPELINE,
        )
        assert len(dataset) == count
        for item in dataset:
            sample = item['data_samples']
            if split == 'train':
                assert sample.snippet_instances.max() >= 0
            expected = sample.duration_sec / sample.grid.snippet_sec
            assert abs(sample.num_snippets - expected) <= 1


def test_parts_of_a_fold(root):
    def ids(part, index=0, **kwargs):
        dataset = build(root, subset=None, fold=dict(index=index, count=3, part=part), **kwargs)
        return {dataset.get_data_info(number)['video_id'] for number in range(len(dataset))}

    held_out = [ids('held_out', index, test_mode=True) for index in range(3)]
    assert sorted(map(sorted, held_out)) == [['a'], ['b'], ['c']]
    # b carries no point: it is dealt as any other, and training leaves it out.
    assert [ids('train', index) for index in range(3)] == [{'a', 'c'} - videos for videos in held_out]
    assert [ids('train', index, pointless='background') for index in range(3)] == [
        {'a', 'b', 'c'} - videos for videos in held_out
    ]


def test_classes_do_not_depend_on_the_fold(root):
    (root / 'points.txt').write_text('a,1.0,run\nb,1.0,hop\n')
    (root / 'split.txt').write_text('a\nb\n')
    for index in range(2):
        files = dict(ann_file='', split_file='split.txt', point_file='points.txt', subset=None)
        dataset = build(root, **files, fold=dict(index=index, count=2, part='train'))
        assert len(dataset) == 1
        assert dataset.metainfo['classes'] == ('hop', 'run')


def test_metainfo_orders_the_classes_and_refuses_others(root):
    dataset = build(root, metainfo=dict(classes=['hop', 'jump', 'run']))  # another order than that of the file
    assert dataset.metainfo['classes'] == ('hop', 'jump', 'run')
    assert dataset[0]['data_samples'].gt_video_labels.tolist() == [1, 0, 1]
    with pytest.raises(InputError) as error:
        build(root, metainfo=dict(classes=['run', 'jump']))
    assert (error.value.file, error.value.video) == (str(root / 'ann.json'), 'a')
    assert (error.value.field, error.value.found) == ('label', 'hop')


def test_points_travel_with_the_sample(root):
    sample = build(root)[0]['data_samples']
    assert sample.gt_point_sec.tolist() == [1.5, 4.2]
    assert sample.gt_point_labels.tolist() == [0, 1]
    assert sample.gt_point_instances.tolist() == [0, 1]


def test_real_users_of_50_salads_are_not_split(data_root):
    folds = [
        PointTALDataset(
            data_root=str(data_root / '50salads_acc'),
            ann_file='gt.json',
            split_file='split_train.txt',
            point_file='point_labels.csv',
            grid=dict(snippet_sec=0.6),
            fold=dict(index=index, count=4, part='held_out', group=r'^(\d+)-'),
        )
        for index in range(4)
    ]
    users = [{info['video_id'].split('-')[0] for info in map(fold.get_data_info, range(len(fold)))} for fold in folds]
    assert [len(fold) for fold in folds] == [10] * 4  # 20 users, two videos each
    assert [len(part) for part in users] == [5] * 4
    assert len(set().union(*users)) == 20
