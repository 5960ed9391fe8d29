import json

import pytest
from refusals import refused

from fsptal_mm.evaluation.label_quality import label_quality, quality_over_training


def rows(*segments):
    return [dict(label=label, segment=[start, end]) for label, start, end in segments]


def video(**changes):
    """Labels of ten snippets of half a second: jump on 2-4 and on 5, throw on 8, background on 0, 7 and 9.

    The labels of 0, 3 and 5 were given, the others were mined.
    """
    labels = dict(
        action=rows(('jump', 1, 2.5), ('jump', 2.5, 3), ('throw', 4, 4.5)),
        background=[[0, 0.5], [3.5, 4], [4.5, 5]],
        segments=rows(('jump', 1, 2.5), ('jump', 2.5, 3), ('throw', 4, 5)),
        given=[[0, 0.5], [1.5, 2], [2.5, 3]],
        edges_sec=[number / 2 for number in range(11)],
        # By the ground truth, snippets 0-3 (middles .25 ... 1.75), 5 and 6 show jump, and 7 and 8 show throw.
        gt_segments=rows(('jump', 0, 2), ('jump', 2.5, 3.5), ('throw', 3.6, 4.4)),
    )
    return labels | changes


EXPECTED = {
    # Mined pairs are jump on 2 and 4, and throw on 8; those on 2 and 8 are right. Without the given snippets 0, 3 and
    # 5, the ground truth has jump on 1, 2 and 6, and throw on 7 and 8.
    'action_precision': 2 / 3,
    'action_recall': 2 / 5,
    # Mined background is 7 and 9, of which 9 is right. By the ground truth, 4 and 9 are background.
    'background_precision': 1 / 2,
    'background_recall': 1 / 2,
    # The tIoU of [1, 2.5] and [0, 2] is 1 / 2.5, of [2.5, 3] and [2.5, 3.5] 1 / 2, of [4, 5] and [3.6, 4.4] .4 / 1.4.
    'segment_tiou': (0.4 + 0.5 + 0.4 / 1.4) / 3,
}


def test_hand_computed_figures():
    assert label_quality([video()]) == pytest.approx(EXPECTED)


def test_videos_are_pooled_and_those_without_ground_truth_passed_over():
    # In the other video, snippet 1 is mined as jump, which is right, and nothing is mined as background.
    other = dict(action=rows(('jump', 1, 2)), background=[], segments=[], given=[], edges_sec=[0, 1, 2])
    unknown, empty = video(gt_segments=[]), {key: value for key, value in video().items() if key != 'gt_segments'}
    figures = label_quality([video(), other | dict(gt_segments=rows(('jump', 1, 2))), unknown, empty])
    assert figures == pytest.approx(
        EXPECTED | {'action_precision': 3 / 4, 'action_recall': 3 / 6, 'background_recall': 1 / 3}
    )
    assert label_quality([unknown, empty]) == {}


@pytest.mark.parametrize(
    'reason, changes, expected',
    [
        ('no true one of its class: 0', dict(gt_segments=rows(('jump', 1, 2.5))), dict(segment_tiou=1 / 3)),
        (
            'two classes in one snippet are two pairs',
            dict(action=rows(('jump', 0.5, 1), ('throw', 0.5, 1)), gt_segments=rows(('jump', 0, 5)), given=[]),
            dict(action_precision=1 / 2, action_recall=1 / 10),
        ),
        ('nothing mined, no precision', dict(action=rows()), dict(action_precision=None, action_recall=0)),
    ],
)
def test_special_cases(reason, changes, expected):
    figures = label_quality([video(**changes)])
    assert {key: figures.get(key) for key in expected} == pytest.approx(expected), reason
    assert label_quality([video(given=[[0, 5]], segments=[])]) == {}  # nothing to measure


def write(folder, epoch, videos):
    path = folder / 'pseudo_labels' / f'epoch_{epoch}.json'
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(videos))


def test_epochs_come_in_order(tmp_path):
    for epoch in (10, 0, 2):
        write(tmp_path, epoch, {'v': video(segments=rows(('jump', 0, 2 - epoch / 10)))})
    (tmp_path / 'pseudo_labels/notes.json').write_text('not a pass')
    figures = quality_over_training(tmp_path)
    assert list(figures) == [0, 2, 10]
    assert [values['segment_tiou'] for values in figures.values()] == pytest.approx([1, 0.9, 0.5])


@pytest.mark.parametrize(
    'reason, content, named',
    [
        ('no dump', None, ['pseudo_labels']),
        ('no ground truth', {'v': video(gt_segments=[])}, ['pseudo_labels', 'gt_segments']),
        ('older dump', {'v': {'action': []}}, ['epoch_3.json: video v', 'edges_sec']),
        ('no object', [], ['epoch_3.json']),
        ('row of a number', {'v': video(action=[3])}, ['epoch_3.json: video v', 'found 3']),
        ('no label', {'v': video(action=[dict(segment=[0, 1])])}, ['epoch_3.json: video v: label']),
        ('no segment', {'v': video(segments=[dict(label='jump', segment=1)])}, ['video v: segment: found 1']),
        ('a word', {'v': video(gt_segments=rows(('jump', 'x', 1)))}, ["video v: gt_segments: found 'x'"]),
        ('reversed', {'v': video(gt_segments=rows(('jump', 2, 1)))}, ['video v: gt_segments: found [2, 1]']),
        ('no list', {'v': video(gt_segments={})}, ['video v: gt_segments']),
        ('no end', {'v': video(background=[[0]])}, ['video v: background: found [0]']),
        ('null', {'v': video(edges_sec=[0, None, 1])}, ['video v: edges_sec']),
    ],
)
def test_dumps_that_cannot_be_evaluated(tmp_path, reason, content, named):
    if content is not None:
        write(tmp_path, 3, content)
    with refused(*named):
        quality_over_training(tmp_path)


def test_ground_truth_of_older_dumps_is_read(tmp_path):
    older = video()
    older['true_segments'] = older.pop('gt_segments')
    write(tmp_path, 3, {'v': older})
    assert quality_over_training(tmp_path) == {3: label_quality([video()])}


def test_a_missing_folder(tmp_path):
    with refused('nowhere'):
        quality_over_training(tmp_path / 'nowhere')
