"""The embedded (generated) dataset: properties of its annotations, and the folder that is made at first use."""

import json
import multiprocessing
import os
import signal

import numpy as np
import pytest
from refusals import refused

from fsptal_mm.datasets.annotations.records import Annotations, load_annotations
from fsptal_mm.datasets.synthetic import generator
from fsptal_mm.datasets.synthetic.features import SyntheticParams
from fsptal_mm.datasets.synthetic.generator import draw_annotations, ensure_synthetic, select_videos

# Parameters of a dataset that is generated in a fraction of a second.
SMALL = dict(train_videos=10, test_videos=10, dim=8, latent_dim=6)


def records_of(annotations, subset):
    return [record for record in annotations.videos.values() if record.subset == subset]


@pytest.fixture(scope='module')
def embedded():
    """Annotations of the generated dataset with its default parameters."""
    return draw_annotations(SyntheticParams())


def test_the_embedded_set_is_shaped_like_thumos14(embedded):
    train, test = records_of(embedded, 'train'), records_of(embedded, 'test')
    assert (len(train), len(test), len(embedded.classes)) == (60, 30, 10)
    for records in (train, test):
        assert set(np.concatenate([record.segment_labels for record in records])) == set(range(10))
    num_snippets = np.array([record.duration_sec / 0.64 for record in train + test])
    assert num_snippets.min() >= 20
    assert num_snippets.max() < 601  # at most 600 snippets, and a part of one
    assert 150 < np.median(num_snippets) < 260  # 213 in the videos of THUMOS14 of up to 400 s
    durations = np.concatenate([np.diff(record.segments_sec)[:, 0] for record in train + test]) / 0.64
    assert durations.min() >= 0.39
    assert durations.max() <= 60.01
    assert 3 < np.median(durations) < 6  # 4.8 in THUMOS14
    assert 0.01 < np.mean(durations < 1) < 0.15  # 0.03 in THUMOS14; some instances are shorter than a snippet
    counts = np.array([len(record.segments_sec) for record in train + test])
    assert counts.min() == 1  # THUMOS14, too, has videos of a single instance
    assert counts.max() > 30  # THUMOS14 has videos of more than a hundred instances
    for record in train + test:
        assert record.segments_sec.min() >= 0
        assert record.segments_sec.max() <= record.duration_sec


def test_related_classes(embedded):
    pairs = [np.unique(r.segment_labels) for r in embedded.videos.values() if len(np.unique(r.segment_labels)) > 1]
    assert 5 <= len(pairs) <= 25  # of 90 videos; in THUMOS14, 61 of 410
    assert all(len(pair) == 2 and pair[0] // 2 == pair[1] // 2 for pair in pairs)
    # Every cliff dive is also a dive, with the same point. Each of the 10 classes has 6 of the 60 training videos.
    dive, cliff = embedded.classes.index('dive'), embedded.classes.index('cliff_dive')
    videos = [record for record in records_of(embedded, 'train') if cliff in record.segment_labels]
    assert len(videos) == 6
    for record in videos:
        of_class = [record.segments_sec[record.segment_labels == label] for label in (cliff, dive)]
        clicks = [record.point_sec[record.point_labels == label] for label in (cliff, dive)]
        np.testing.assert_array_equal(*of_class)
        np.testing.assert_array_equal(*clicks)


@pytest.mark.parametrize(
    'style, spread, tolerance',
    [
        ('gaussian', 1 / 6, 0.015),  # the standard deviation of points in the normalised segments
        ('uniform', 1 / 12**0.5, 0.02),  # the standard deviation of a uniform distribution
    ],
)
def test_each_training_instance_has_one_point_inside(embedded, style, spread, tolerance):
    annotations = draw_annotations(SyntheticParams(), style)
    positions = []
    for record in records_of(annotations, 'train'):
        start, end = record.segments_sec.T
        np.testing.assert_array_equal(record.point_labels, record.segment_labels)
        assert len(set(record.point_instances.tolist())) == len(start)
        positions.append((record.point_sec - start) / (end - start))
    positions = np.concatenate(positions)
    assert positions.min() > 0
    assert positions.max() < 1
    assert abs(positions.mean() - 0.5) < 0.03
    assert abs(positions.std() - spread) < tolerance
    assert all(len(record.point_sec) == 0 for record in records_of(annotations, 'test'))
    for video_id, record in embedded.videos.items():  # the style changes nothing but the points
        np.testing.assert_array_equal(record.segments_sec, annotations.videos[video_id].segments_sec)
        assert record.duration_sec == annotations.videos[video_id].duration_sec


def test_the_folder_holds_what_the_dataset_class_reads(tmp_path):
    root = ensure_synthetic(tmp_path / 'data' / 'set', **SMALL)
    annotations = load_annotations(root / 'annotations.json', subset='train')
    assert list(annotations.videos) == (root / 'split_train.txt').read_text().split()
    drawn = draw_annotations(SyntheticParams(**SMALL))
    manual = load_annotations(root / 'annotations_manual.json', split_file=root / 'split_train.txt')
    assert annotations.classes == manual.classes == drawn.classes
    for video_id, record in annotations.videos.items():
        features = np.load(root / 'features' / 'train' / f'{video_id}.npy', allow_pickle=False)
        assert features.shape == (int(record.duration_sec / 0.64 + 1e-6), 8)
        np.testing.assert_allclose(record.segments_sec, drawn.videos[video_id].segments_sec)
        assert len(record.point_sec) == len(manual.videos[video_id].point_sec)
        assert not np.array_equal(record.point_sec, manual.videos[video_id].point_sec)
    assert len(list((root / 'features' / 'test').iterdir())) == 10
    assert sorted(path.name for path in root.parent.iterdir()) == ['.set.lock', 'set']  # no half-written folder is left


def stamps(root):
    return {str(path): (path.stat().st_ino, path.stat().st_mtime_ns) for path in root.rglob('*') if path.is_file()}


def test_a_folder_is_used_again_until_its_parameters_or_its_generator_change(tmp_path, monkeypatch):
    root = ensure_synthetic(tmp_path / 'set', **SMALL)
    before = stamps(root)
    ensure_synthetic(root, **SMALL)
    assert stamps(root) == before
    ensure_synthetic(root, **{**SMALL, 'dim': 4})
    assert np.load(root / 'features' / 'train' / 'train_000.npy').shape[1] == 4
    assert json.loads((root / 'meta.json').read_text())['params']['dim'] == 4
    before = stamps(root)
    monkeypatch.setattr(generator, 'GENERATOR_VERSION', generator.GENERATOR_VERSION + 1)
    ensure_synthetic(root, **{**SMALL, 'dim': 4})
    assert not set(stamps(root).values()) & set(before.values())


def test_a_folder_of_the_user_is_left_alone(tmp_path):
    (tmp_path / 'set').mkdir()
    (tmp_path / 'set' / 'precious.npy').write_text('mine')
    with refused('meta.json'):
        ensure_synthetic(tmp_path / 'set', **SMALL)
    assert (tmp_path / 'set' / 'precious.npy').read_text() == 'mine'
    with refused("generator: found ['dims']"):
        ensure_synthetic(tmp_path / 'other', dims=3)
    assert not (tmp_path / 'other').exists()


def in_process(target, *args, **kwargs):
    process = multiprocessing.get_context('fork').Process(target=target, args=args, kwargs=kwargs)
    process.start()
    return process


def generate(root, report):
    ensure_synthetic(root, **SMALL)
    report.write_text(json.dumps(stamps(root)))


@pytest.mark.processes
def test_several_processes_may_ask_at_once(tmp_path):
    workers = [in_process(generate, tmp_path / 'set', tmp_path / f'{number}.json') for number in (0, 1)]
    for worker in workers:
        worker.join(300)
    assert [worker.exitcode for worker in workers] == [0, 0]
    first, second = (json.loads((tmp_path / f'{number}.json').read_text()) for number in (0, 1))
    assert first == second  # one process made the folder, and both have read it
    assert len(first) == 20 + 5


def generate_until_killed(root):
    """Generate the dataset in this process, and kill it while it writes the third file of features."""
    save, saved = np.save, []

    def save_or_die(*args):
        saved.append(args)
        if len(saved) == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        save(*args)

    np.save = save_or_die
    ensure_synthetic(root, **SMALL)


@pytest.mark.kills
def test_a_killed_generation_is_done_again(tmp_path):
    root = tmp_path / 'set'
    worker = in_process(generate_until_killed, root)
    worker.join(300)
    assert worker.exitcode == -signal.SIGKILL
    partial = tmp_path / '.set.partial' / 'features' / 'train'
    assert len(list(partial.glob('train_*.npy'))) == 2  # the process was killed while it wrote the third file
    assert not root.exists()  # so the folder is not at its final path
    ensure_synthetic(root, **SMALL)
    # The lock was free, and no file of the killed process is left.
    assert len(list((root / 'features' / 'train').iterdir())) == 10
    assert not (tmp_path / '.set.partial').exists()


def test_select_videos_shows_every_class(embedded):
    train = Annotations(embedded.classes, {record.video_id: record for record in records_of(embedded, 'train')})
    chosen = select_videos(train, 12, max_sec=200, seed=3)
    assert len(chosen.videos) == 12
    assert all(record.duration_sec <= 200 for record in chosen.videos.values())
    assert set(np.concatenate([record.segment_labels for record in chosen.videos.values()])) == set(range(10))
    assert list(chosen.videos) == sorted(chosen.videos)  # in the given order
    assert list(select_videos(train, 12, max_sec=200, seed=4).videos) != list(chosen.videos)
    with refused('5 videos'):  # nine videos are needed for ten classes
        select_videos(train, 5)
