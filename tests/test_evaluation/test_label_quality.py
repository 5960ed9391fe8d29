import json

import pytest

from fsptal_mm.evaluation.label_quality import label_quality, quality_over_training
from fsptal_mm.utils.errors import InputError


def rows(*segments):
    return [dict(label=label, segment=[start, end]) for label, start, end in segments]


def video(**changes):
    """Ten snippets of half a second; jump on 2-4 (3 is given), and on 5 (given), throw on 8; 0 (given), 7 and 9 are
    background."""
    labels = dict(
        action=rows(('jump', 1, 2.5), ('jump', 2.5, 3), ('throw', 4, 4.5)),
        background=[[0, 0.5], [3.5, 4], [4.5, 5]],
        segments=rows(('jump', 1, 2.5), ('jump', 2.5, 3), ('throw', 4, 5)),
        given=[[0, 0.5], [1.5, 2], [2.5, 3]],
        edges_sec=[number / 2 for number in range(11)],
        # Snippets 0-3 (middles .25 ... 1.75), and 5 and 6, are jump; 7 and 8 are throw.
        true_segments=rows(('jump', 0, 2), ('jump', 2.5, 3.5), ('throw', 3.6, 4.4)),
    )
    return labels | changes


EXPECTED = {
    # Mined pairs: jump on 2 and 4, throw on 8; right are 2 and 8. True ones without 0, 3, 5: 1, 2, 6; 7, 8.
    'action_precision': 2 / 3,
    'action_recall': 2 / 5,
    # Mined: 7, 9; right: 9. True ones: 4, 9.
    'background_precision': 1 / 2,
    'background_recall': 1 / 2,
    # [1, 2.5] and [0, 2]: 1 / 2.5; [2.5, 3] and [2.5, 3.5]: 1 / 2; [4, 5] and [3.6, 4.4]: .4 / 1.4.
    'segment_tiou': (0.4 + 0.5 + 0.4 / 1.4) / 3,
}


def test_hand_computed_figures():
    assert label_quality([video()]) == pytest.approx(EXPECTED)


def test_videos_are_pooled_and_those_without_true_segments_passed_over():
    # Of the other video's snippets 1 is mined as jump, rightly, and nothing as background.
    other = dict(action=rows(('jump', 1, 2)), background=[], segments=[], given=[], edges_sec=[0, 1, 2])
    unknown, empty = video(true_segments=[]), {key: value for key, value in video().items() if key != 'true_segments'}
    figures = label_quality([video(), other | dict(true_segments=rows(('jump', 1, 2))), unknown, empty])
    assert figures == pytest.approx(
        EXPECTED | {'action_precision': 3 / 4, 'action_recall': 3 / 6, 'background_recall': 1 / 3}
    )
    assert label_quality([unknown, empty]) == {}


def test_a_segment_without_a_true_one_of_its_class_counts_0():
    figures = label_quality([video(true_segments=rows(('jump', 1, 2.5)))])
    assert figures['segment_tiou'] == pytest.approx(1 / 3)


def test_two_classes_in_one_snippet_are_two_pairs():
    both = video(action=rows(('jump', 0.5, 1), ('throw', 0.5, 1)), true_segments=rows(('jump', 0, 5)), given=[])
    assert label_quality([both])['action_precision'] == 1 / 2
    assert label_quality([both])['action_recall'] == 1 / 10


def test_figures_without_anything_to_measure_are_left_out():
    all_given = video(given=[[0, 5]], segments=[])
    assert label_quality([all_given]) == {}
    assert set(label_quality([video(action=rows())])) == set(EXPECTED) - {'action_precision'}


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
    'videos, message',
    [
        (None, r"pseudo_labels: found 'none'"),
        ({'v': video(true_segments=[])}, 'true_segments: .*analysis=True, dump=True'),
        ({'v': {'action': []}}, r"epoch_3.json: video v: .*none of \['background', 'segments', 'given', 'edges_sec'\]"),
        ([], "epoch_3.json: found 'list'"),
    ],
    ids=['no dump', 'no truth', 'older dump', 'no object'],
)
def test_what_cannot_be_judged_is_said(tmp_path, videos, message):
    if videos is not None:
        write(tmp_path, 3, videos)
    with pytest.raises(InputError, match=message):
        quality_over_training(tmp_path)


@pytest.mark.parametrize(
    'changes, message',
    [
        (dict(action=[3]), 'found 3'),
        (dict(action=[dict(segment=[0, 1])]), "label: found .*expected a text named 'label'"),
        (dict(segments=rows((None, 0, 1))), "label: found 'null'"),
        (dict(segments=[dict(label='jump', segment=1)]), 'segment: found 1'),
        (dict(true_segments=rows(('jump', 'x', 1))), "true_segments: found 'x'"),
        (dict(true_segments=rows(('jump', 2, 1))), r'true_segments: found \[2, 1\]'),
        (dict(true_segments={}), 'true_segments: found .*'),
        (dict(background=[[0]]), r'background: found \[0\]'),
        (dict(given=[None]), "given: found 'null'"),
        (dict(edges_sec=[0, None, 1]), "edges_sec: found 'null'"),
    ],
)
def test_rows_of_a_dump_that_are_none_are_named(tmp_path, changes, message):
    write(tmp_path, 3, {'v': video(**changes)})
    with pytest.raises(InputError, match=f'epoch_3.json: video v: {message}'):
        quality_over_training(tmp_path)


def test_a_folder_that_is_missing_and_a_file_that_is_no_json(tmp_path):
    with pytest.raises(InputError, match='no such folder'):
        quality_over_training(tmp_path / 'nowhere')
    write(tmp_path, 3, {})
    (tmp_path / 'pseudo_labels/epoch_3.json').write_text('{')
    with pytest.raises(InputError, match=r'epoch_3.json:1: found .Expecting'):
        quality_over_training(tmp_path)
