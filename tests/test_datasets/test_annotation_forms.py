"""mmaction2's annotation files, selection of some classes of a file, and wrong segments that no evaluation reads."""

import pytest
from plain_files import plain_video

from fsptal_mm.datasets import PointTALDataset
from fsptal_mm.datasets.annotations import load_annotations, save_mmaction2
from fsptal_mm.utils.errors import InputError


def flat(**changes):
    entry = dict(
        duration_second=12.5,
        duration_frame=300,
        annotations=[dict(segment=[1, 5], label='b'), dict(segment=[6.5, 8], label='a')],
        feature_frame=288,
        fps=24.0,
        rfps=24.2,
    )
    return {'v_a': {**entry, **changes}}


def test_the_flat_form_of_mmaction2(write):
    read = load_annotations(write('anet.json', flat()))
    video = read.videos['v_a']
    assert read.classes == ('a', 'b')
    assert (video.duration_sec, video.fps, video.subset) == (12.5, 24.0, None)
    assert video.segments_sec.tolist() == [[1, 5], [6.5, 8]]
    assert video.segment_labels.tolist() == [1, 0]


def test_one_video_of_mmaction2_without_a_duration_and_one_that_is_no_object(write):
    other = flat()['v_a']
    del other['duration_second'], other['feature_frame']
    read = load_annotations(write('anet.json', flat() | {'v_b': other}))
    assert [video.duration_sec for video in read.videos.values()] == [12.5, None]
    assert read.videos['v_b'].segments_sec.tolist() == [[1, 5], [6.5, 8]]
    with pytest.raises(InputError, match=r'anet\.json: video v_c: '):
        load_annotations(write('anet.json', flat() | {'v_c': None}))


def test_what_is_written_for_mmaction2_reads_back(write, tmp_path):
    read = load_annotations(write('anet.json', flat()))
    save_mmaction2(tmp_path / 'out.json', read)
    again = load_annotations(tmp_path / 'out.json')
    assert again.classes == read.classes
    assert again.videos['v_a'].segments_sec.tolist() == read.videos['v_a'].segments_sec.tolist()


@pytest.mark.parametrize('changes', [dict(duration_second=0), dict(annotations=3), dict(fps='x')])
def test_a_flat_form_that_cannot_be_read(write, changes):
    with pytest.raises(InputError, match=f'video v_a: {next(iter(changes))}'):
        load_annotations(write('anet.json', flat(**changes)))


def plain(segments=((1, 3, 'a'), (4, 6, 'c')), points=((2, 'a'), (5, 'c'), (7, 'nothing'))):
    videos = dict(v=plain_video(segments, points, subset='train', duration_sec=12.8))
    return dict(format='fsptal_mm', version=1, classes=['a', 'b', 'c'], videos=videos)


def dataset(path, **options):
    grid = dict(snippet_sec=0.64)
    return PointTALDataset(str(path), dict(f='.'), grid=grid, background_label='nothing', **options)


def test_some_of_the_classes(write, warnings):
    path = write('a.json', plain())
    with pytest.raises(InputError, match=r'label: found .c.*other_labels'):
        dataset(path, metainfo=dict(classes=('b', 'a')))
    data = dataset(path, metainfo=dict(classes=('b', 'a')), other_labels='leave out')
    info = data.get_data_info(0)
    assert data.metainfo['classes'] == ('b', 'a')
    assert (info['point_sec'].tolist(), info['point_labels'].tolist()) == ([2], [1])
    assert info['background_sec'].tolist() == [7]
    assert info['gt_segments_sec'].tolist() == [[1, 3]]
    assert any('other classes (left out): 2, in v' in warning for warning in warnings)


def test_some_of_the_classes_of_a_csv_that_numbers_all(write):
    text = 'class,class_index,video_id,point\na,0,v,1\nc,2,v,2\n'
    files = dict(
        point_file=write('p.csv', text), fps_file=write('fps.json', {'v': 1}), split_file=write('s.txt', 'v\n')
    )
    read = load_annotations(None, **files, classes=['c'], other_labels='leave out')
    assert read.videos['v'].point_labels.tolist() == [0]
    with pytest.raises(InputError, match='other_labels'):
        load_annotations(None, **files, classes=['c'], other_labels='skip')


@pytest.mark.parametrize('segment', [(5, 3, 'a'), (-1, 3, 'a')], ids=['reversed', 'negative'])
@pytest.mark.parametrize('form', ['plain', 'activitynet'])
def test_wrong_segments_are_a_warning_in_training_and_an_error_in_evaluation(write, warnings, segment, form):
    good = (4.0, 6.0, 'c')
    content = plain(segments=[segment, good])
    if form == 'activitynet':
        entries = [dict(segment=[start, end], label=label) for start, end, label in (segment, good)]
        content = dict(database=dict(v=dict(duration=12.8, subset='training', annotations=entries)))
    path = write('a.json', content)
    points = write('p.txt', 'v,2,a\n')
    options = dict(metainfo=dict(classes=['a', 'b', 'c']), point_file=str(points))
    data = dataset(path, **options)
    assert data.get_data_info(0)['gt_segments_sec'].tolist() == [[4, 6]]
    assert 'segments' in warnings[0]
    for judged in (dict(test_mode=True), dict(supervision='segments')):
        with pytest.raises(InputError, match=r'video v: (segments|annotations)\[0\]'):
            dataset(path, **options, **judged)


def test_segments_that_are_no_numbers_are_always_an_error(write):
    with pytest.raises(InputError, match=r'segments\[0\]'):
        dataset(write('a.json', plain(segments=[('x', 3, 'a')])))
