"""Writing of detections as files of other programs."""

import json
from xml.etree import ElementTree

import numpy as np
import pytest
from tool_modules import load_tool

from fsptal_mm.evaluation import write_results
from fsptal_mm.evaluation.exports import strongest, write_elan, write_subtitles, write_via
from fsptal_mm.utils.errors import InputError

FOUND = {
    'segments_sec': np.array([[3661.5, 3662.0], [1.0, 2.25], [1.5, 3.0], [2.25, 4.0], [7.0, 7.0]]),
    'scores': np.array([0.5, 0.9, 0.8, 0.7, 0.2]),
    'labels': ['throw', 'jump', 'jump', 'jump', 'a <b> & c'],
}


@pytest.mark.parametrize(
    'options, labels, first',
    [
        ({}, ['jump', 'jump', 'jump', 'a <b> & c', 'throw'], 1.0),
        (dict(score_threshold=0.7), ['jump', 'jump', 'jump'], 1.0),
        (dict(top_k=4, score_threshold=0.1), ['jump', 'jump', 'jump', 'throw'], 1.0),
        (dict(score_threshold=2), [], None),
    ],
)
def test_strongest(options, labels, first):
    found = strongest(FOUND, **options)
    assert found['labels'] == labels
    assert found['segments_sec'][:1, 0].tolist() == ([] if first is None else [first])


def test_subtitles(tmp_path):
    found = strongest(FOUND, top_k=2)
    write_subtitles(tmp_path / 'v.srt', found)
    assert (tmp_path / 'v.srt').read_text() == (
        '1\n00:00:01,000 --> 00:00:02,250\njump (0.90)\n\n2\n00:00:01,500 --> 00:00:03,000\njump (0.80)\n\n'
    )
    write_subtitles(tmp_path / 'v.vtt', strongest(FOUND))
    text = (tmp_path / 'v.vtt').read_text()
    assert text.startswith('WEBVTT\n\n1\n00:00:01.000 --> 00:00:02.250\njump (0.90)\n\n')
    assert '00:00:07.000 --> 00:00:07.001\na &lt;b&gt; &amp; c (0.20)' in text
    assert '01:01:01.500 --> 01:01:02.000\nthrow (0.50)' in text


def test_via(tmp_path):
    (tmp_path / 'a b.mp4').touch()
    classes = ['throw', 'a <b> & c', 'jump', 'never']
    videos = {'a b': tmp_path / 'a b.mp4'}
    write_via(tmp_path / 'p.json', {'a b': strongest(FOUND), 'c': strongest(FOUND, top_k=1)}, videos, classes)
    project = json.loads((tmp_path / 'p.json').read_text())
    assert project['project']['vid_list'] == ['1', '2']
    assert project['attribute']['1']['options'] == {'0': 'throw', '1': 'a <b> & c', '2': 'jump', '3': 'never'}
    files = [(file['fname'], file['loc'], file['src']) for file in project['file'].values()]
    assert files == [('a b.mp4', 3, f'file://{tmp_path}/a%20b.mp4'), ('c', 1, '')]
    rows = [(row['vid'], row['z'], row['av']['1']) for row in project['metadata'].values()]
    assert rows[0] == ('1', [1.0, 2.25], '2')
    assert rows[4] == ('1', [3661.5, 3662.0], '0')
    assert rows[5] == ('2', [1.0, 2.25], '2')


def test_elan(tmp_path):
    write_elan(tmp_path / 'v.eaf', strongest(FOUND), tmp_path / 'v.mp4')
    document = ElementTree.parse(tmp_path / 'v.eaf').getroot()
    slots = {slot.get('TIME_SLOT_ID'): int(slot.get('TIME_VALUE')) for slot in document.iter('TIME_SLOT')}
    tiers = {
        tier.get('TIER_ID'): [
            (slots[entry.get('TIME_SLOT_REF1')], slots[entry.get('TIME_SLOT_REF2')], entry[0].text)
            for entry in tier.iter('ALIGNABLE_ANNOTATION')
        ]
        for tier in document.iter('TIER')
    }
    assert tiers == {
        'jump': [(1000, 2250, 'jump'), (2250, 4000, 'jump')],
        'jump (2)': [(1500, 3000, 'jump')],  # a second tier, since annotations of a tier cannot overlap
        'a <b> & c': [(7000, 7001, 'a <b> & c')],
        'throw': [(3661500, 3662000, 'throw')],
    }
    assert document.find('HEADER/MEDIA_DESCRIPTOR').get('MEDIA_URL') == f'file://{tmp_path}/v.mp4'
    assert document.find('LINGUISTIC_TYPE').get('LINGUISTIC_TYPE_ID') == 'default-lt'


def test_the_tool(tmp_path, capsys):
    write_results(tmp_path / 'results.json', {'x/v': FOUND, 'w': {**FOUND, 'labels': ['run'] * 5}})
    (tmp_path / 'videos').mkdir()
    (tmp_path / 'videos/w.mp4').touch()
    tool = load_tool('data/export_detections')
    arguments = [str(tmp_path / name) for name in ('results.json', 'out')]
    tool.main([*arguments, '--format', *tool.FORMATS, '--videos', str(tmp_path / 'videos'), '--top-k', '3'])
    names = sorted(path.relative_to(tmp_path / 'out').as_posix() for path in (tmp_path / 'out').rglob('*.*'))
    assert names == ['via_project.json', 'w.eaf', 'w.srt', 'w.vtt', 'x/v.eaf', 'x/v.srt', 'x/v.vtt']
    assert 'RELATIVE_MEDIA_URL="../videos/w.mp4"' in (tmp_path / 'out/w.eaf').read_text()
    printed = capsys.readouterr().out
    assert '6 detections in 2 videos' in printed
    assert '--videos' not in printed
    tool.main([*arguments, '--format', 'elan'])  # without videos, the document can still be opened
    assert '--videos was not given' in capsys.readouterr().out
    (tmp_path / 'classes.txt').write_text('run\n')
    with pytest.raises(InputError, match=r'--classes: .*jump'):
        tool.main([*arguments, '--format', 'via', '--classes', str(tmp_path / 'classes.txt')])
