"""Readers of the exports of annotation tools: VIA, BORIS, Label Studio, SoccerNet; ELAN's is in ``elan.py``.

If a tool marks a stretch of time instead of a point, the middle of the stretch becomes the point.
"""

import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from fsptal_mm.utils.errors import InputError
from fsptal_mm.utils.reading import get_field, read_json, read_text, to_name, to_number

from .readers import PointRow
from .tables import is_media, read_rows, to_seconds, video_name

_UPLOADED = re.compile(r'(?<=/)[0-9a-f]{8}-')  # prefix that Label Studio puts before the name of an uploaded file
_VIA_UNSET = '_DEFAULT'  # value of a text attribute into which nothing was typed
_BORIS_VIDEO = ('Media file name', 'Media file path', 'Media file', 'Source', 'Observation id')
_BORIS_MISSING = (None, '', 'NA', 'Not found')


def read_via_csv(path: str | Path) -> list[PointRow]:
    """Read the csv of VIA 3, a point per row.

    ``temporal_coordinates`` of a row are one time, or start and end. Rows without a time are left out. The label is the
    value of the row's first attribute that is set. If this attribute has options to choose from, each chosen option
    makes a point, and the name of the option is the label.

    Raises:
        InputError: A row cannot be read, or has a time and no label.
    """
    text = read_text(path)
    rows, attributes = [], '{}'
    stated = re.search(r'^("?)# ATTRIBUTE = (.*?)"?[,;]*$', text, re.MULTILINE)
    if stated:
        quote, attributes = stated.groups()
        if quote:  # a spreadsheet program saved the file: it put this line in quotes and doubled the quotes inside
            attributes = attributes.replace('""', '"')
    attributes = _json(attributes, dict, path, 'ATTRIBUTE')
    delimiter = ';' if re.search(r'CSV_HEADER = metadata_id;', text) else ','  # ';' if a spreadsheet saved it
    for where, cells in read_rows(path, delimiter, comments=True):
        if len(cells) < 6:
            raise InputError('six fields', file=where, found=len(cells))
        times = _json(cells[3], list, where, 'temporal_coordinates')
        if not times:
            continue
        video_id = video_name(''.join(map(str, _json(cells[1], list, where, 'file_list')[:1])), file=where)
        place = dict(file=where, video=video_id)
        seconds = [to_number(time, 0, field='temporal_coordinates', **place) for time in times]
        for label in _via_labels(_json(cells[5], dict, where, 'metadata'), attributes, place):
            rows.append(PointRow(where, video_id, label, (seconds[0] + seconds[-1]) / 2))
    return rows


def _via_labels(metadata, attributes, place):
    """Labels of a row: chosen options of its first attribute that is set; the value itself if it has no options."""
    for number, value in metadata.items():
        attribute = attributes.get(number)
        options = attribute.get('options') if isinstance(attribute, dict) else None
        options = options if isinstance(options, dict) else {}
        chosen = [part for part in str(value).split(',') if part in options]
        labels = [str(options[part]) for part in chosen] or [str(value)]
        if labels[0].strip() not in ('', _VIA_UNSET):
            return [to_name(label, 'the name of a class', field='metadata', **place) for label in labels]
    raise InputError('an attribute that names the class', field='metadata', found=metadata, **place)


def _json(text, kind, where, field):
    """Value of a JSON text. InputError if the text is no JSON, or its value is not of the type ``kind``."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    return get_field({field: value}, field, kind, file=where)


def read_boris_csv(path: str | Path) -> list[PointRow]:
    """Read a table of events of BORIS. A point event becomes a point, and so does the middle of a state event.

    A state event is one row with start and stop (BORIS's aggregated table), or a row ``START`` and a row ``STOP``
    (BORIS's tabular table). In an observation (a session of labelling) that plays several videos one after the other,
    the clock does not restart with each video. So the durations of the earlier videos are subtracted from the times.

    Raises:
        InputError: A row has no behaviour or video; a time cannot be read; or an observation has several videos, and
            the table does not state the durations of the earlier ones.
    """
    header, rows = None, []
    begun = {}  # state events with a START and no STOP yet: from the key of the event to its index in rows
    played = {}  # from (observation, total length) to a dict: from video id to pairs (seconds, file:line)
    for where, cells in read_rows(path):
        if header is None:
            header = cells if is_boris(cells) else None
            continue
        row = dict(zip(header, cells))
        video_id, before_sec = _boris_video(row, where)
        place = dict(file=where, video=video_id)
        observation = row.get('Observation id')  # a session of labelling
        label = to_name(row.get('Behavior'), 'the name of a class', field='Behavior', **place)
        start = next((name for name in header if name.startswith('Start (s')), 'Time')
        sec = to_seconds(row.get(start), field=start, **place)
        stop = next((row[name] for name in header if name.startswith('Stop (s') and row.get(name)), None)
        if stop is not None:
            sec = (sec + to_seconds(stop, field='Stop (s)', **place)) / 2
        sec = max(sec - before_sec, 0)
        if row.get('Total length'):  # older BORIS versions do not list the videos of an observation
            played.setdefault((observation, row['Total length']), {}).setdefault(video_id, []).append((sec, where))
        kind = row.get('Status') or row.get('Behavior type')
        modifiers = tuple(row[name] for name in header if name.startswith('Modifier'))
        # The rows START and STOP of one state event have the same key.
        key = (observation, video_id, row.get('Subject'), label, modifiers)
        if kind == 'STOP' and key in begun:  # a STOP without a START counts as a point
            earlier = begun.pop(key)
            rows[earlier] = rows[earlier]._replace(time=(rows[earlier].time + sec) / 2)
            continue
        if kind == 'START':
            begun[key] = len(rows)
        rows.append(PointRow(where, video_id, label, sec))
    for videos in played.values():
        _check_boris_clock(videos)
    return rows


def _check_boris_clock(videos):
    """Refuse an observation in which the times of each video begin after those of the video before.

    Such times probably count from the start of the first video, not of each video.

    Args:
        videos (dict): From video id to a list of pairs of a time in seconds and ``file:line``.
    """
    spans = []
    for video_id, times in videos.items():
        seconds = [sec for sec, _ in times]
        spans.append((min(seconds), max(seconds), video_id, times[0][1]))
    spans.sort()
    if len(spans) > 1 and all(end <= start for (_, end, *_), (start, *_) in itertools.pairwise(spans)):
        earlier_id, (_, _, video_id, where) = spans[0][2], spans[1]
        found = f'times that begin after those of {earlier_id} in the same observation'
        expected = 'times from the start of this video, or the columns Source and Media duration (s) of BORIS 8'
        raise InputError(expected, file=where, video=video_id, field='Time', found=found)


def _boris_video(row, where):
    """Id of the video of a row, and the total duration in seconds of the videos that the same player showed before."""
    video = next((row[name] for name in _BORIS_VIDEO if row.get(name) not in _BORIS_MISSING), '')
    video = re.sub(r'^player #\d+: *', '', video.split('|')[0])
    if ';' in video and video in row.get('Source', ''):
        raise InputError(
            'one file, the video of the event', file=where, field='Media file name', found=row.get('Media file name')
        )
    video_id = video_name(video, file=where, field='Media file name')
    # Source 'player #1: a.mp4;b.mp4|player #2: c.mp4' means two players beside each other, the first of which plays
    # b.mp4 after a.mp4. The media durations have the same form: '10.0;12.5|20.0'.
    players = re.sub(r'player #\d+: *', '', row.get('Source') or '').split('|')
    durations = (row.get('Media duration (s)') or '').split('|')
    for files, durations_sec in itertools.zip_longest(players, durations[: len(players)], fillvalue=''):
        ids = [video_name(file, file=where) for file in files.split(';') if file.strip()]
        if video_id in ids:
            stated, num_before = durations_sec.split(';'), ids.index(video_id)
            place = dict(file=where, video=video_id, field='Media duration (s)')
            if num_before and len(stated) != len(ids):
                raise InputError(f'{len(ids)} durations, as many as in Source', found=durations_sec, **place)
            return video_id, sum(to_number(sec, 0, **place) for sec in stated[:num_before])
    return video_id, 0.0


def is_boris(cells: list[str]) -> bool:
    """Tell whether the cells of a row are the header of a table of BORIS."""
    return 'Behavior' in cells and ('Time' in cells or any(name.startswith('Start (s') for name in cells))


def read_label_studio(tasks: list[Any], path: str | Path) -> list[PointRow]:
    """Read the content of a JSON or JSON-MIN export of Label Studio.

    A region is one labelled stretch of time. Its start and end are frame numbers from 1 if it was made with timeline
    labels, else seconds. If a task has several annotations, only the first one that was not cancelled is read.

    Args:
        tasks (list): Content of the file.
        path: The file, for errors.

    Raises:
        InputError: A region has no time or label, or a task names no file.
    """
    rows = []
    for number, task in enumerate(tasks):
        where = f'{path}: task {number}'
        if not isinstance(task, dict):
            raise InputError('an object', file=where, found=task)
        data = task['data'] if isinstance(task.get('data'), dict) else task
        regions = list(_label_studio_regions(task))
        if not regions:
            continue
        video_id = _label_studio_video(data, where)
        for labels, value in regions:
            in_frames = isinstance(value.get('ranges'), list)  # timeline labels; others are in seconds
            for stretch in value['ranges'] if in_frames else [value]:
                if not isinstance(stretch, dict):
                    raise InputError('start and end', file=where, video=video_id, field='ranges', found=stretch)
                place = dict(file=where, video=video_id)
                times = [to_number(stretch.get(key), 0, field=key, **place) for key in ('start', 'end')]
                middle = sum(times) / 2
                time = max(middle - 1, 0) if in_frames else middle  # Label Studio counts frames from 1, we from 0
                names = [to_name(label, 'the name of a class', field='label', **place) for label in labels]
                rows += [PointRow(where, video_id, name, time, in_frames=in_frames) for name in names]
    return rows


def read_label_studio_table(path: str | Path) -> list[PointRow]:
    """Read a CSV or TSV export of Label Studio: one task per row, with regions as JSON in the cells.

    Raises:
        InputError: A cell is no valid JSON; or a reason of :func:`read_label_studio`.
    """
    rows = read_rows(path)
    _, names = next(rows)
    tasks = []
    for where, cells in rows:
        task = dict(zip(names, cells))
        tasks.append({name: _json(cell, list, where, name) if cell[:1] == '[' else cell for name, cell in task.items()})
    return read_label_studio(tasks, path)


def is_label_studio(cells: list[str]) -> bool:
    """Tell whether the cells of a row are the header of a table of Label Studio."""
    return {'annotation_id', 'lead_time'} <= set(cells)


def _label_studio_video(data, where):
    """Id of the video of a task, from the first text in the task's data that names a media file."""
    texts = [_path_of(value) for value in data.values() if isinstance(value, str)]
    name = next((text for text in texts if is_media(text)), None)
    if name is None:  # no media file: take the first text that names any other file
        name = next((text for text in texts if re.search(r'\.\w{2,4}$', text)), None)
    if name is None:
        raise InputError('the path or the URL of a video', file=where, field='data', found=list(data))
    return video_name(_UPLOADED.sub('', name), file=where, field='data')


def _path_of(text):
    """Path in a text: parameter ``d`` of Label Studio's local-files address, else a URL without its parameters."""
    local = re.search(r'local-files/?\?d=(.*)', text)
    return unquote(local[1] if local else re.sub(r'[?#].*$', '', text) if '://' in text else text)


def _label_studio_regions(task) -> Iterator[tuple[list, dict]]:
    """Yield the labels of each region that has a time, and the dict that holds the region's times."""
    results = [entry for value in task.values() if isinstance(value, list) for entry in value]  # of JSON-MIN
    if isinstance(task.get('annotations'), list):
        annotations = [part for part in task['annotations'] if isinstance(part, dict) and not part.get('was_cancelled')]
        regions = annotations[0].get('result') if annotations else None
        regions = regions if isinstance(regions, list) else []
        results = [region.get('value') for region in regions if isinstance(region, dict)]
    for value in results:
        if isinstance(value, dict) and (isinstance(value.get('ranges'), list) or {'start', 'end'} <= value.keys()):
            parts = [part for key, part in value.items() if key.endswith('labels') and isinstance(part, list)]
            if any(parts):
                yield [label for part in parts for label in part], value


def read_soccernet(content: dict[str, Any], path: str | Path) -> list[PointRow]:
    """Read the content of SoccerNet's ``Labels-v2.json``.

    Each half of a game is a video; its id is ``UrlLocal/HALF``, such as ``league/game/1``. For these ids,
    :class:`.PointTALDataset` finds SoccerNet's features with ``suffix='_ResNET_TF2.npy'``.

    Args:
        content (dict): Content of the file.
        path: The file, for errors, and for the name of the game if there is no ``UrlLocal``.

    Raises:
        InputError: An event has no label, half or position.
    """
    game = to_name(content.get('UrlLocal', Path(path).parent.name), file=path, field='UrlLocal').strip('/')
    rows = []
    for number, event in enumerate(get_field(content, 'annotations', list, file=path)):
        where = f'{path}: annotations[{number}]'
        place = re.fullmatch(r'(\d+) - (.*)', get_field(event, 'gameTime', str, file=where))
        if place is None:
            raise InputError(
                "a half and a time, such as '1 - 00:28'", file=where, field='gameTime', found=event['gameTime']
            )
        label = to_name(event.get('label'), 'the name of a class', file=where, field='label')
        if event.get('position') not in (None, ''):
            sec = to_number(event['position'], 0, file=where, field='position') / 1000
        else:
            sec = to_seconds(place[2], file=where, field='gameTime')
        rows.append(PointRow(where, f'{game}/{place[1]}', label, sec))
    return rows


def read_json_export(path: str | Path) -> list[PointRow] | None:
    """Read a JSON file of Label Studio or SoccerNet.

    Returns:
        list[PointRow] | None: The points; None if the file is in neither format.

    Raises:
        InputError: See :func:`read_label_studio` and :func:`read_soccernet`.
    """
    content = read_json(path, (dict, list))
    if isinstance(content, list):
        return read_label_studio(content, path)
    return read_soccernet(content, path) if 'annotations' in content and 'format' not in content else None
