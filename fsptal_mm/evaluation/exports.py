"""Detections for other programs: subtitles for video players, and files of the annotation tools VIA and ELAN."""

import datetime
import math
import os
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from fsptal_mm.utils.writing import atomic_write, write_json

_XSI = 'http://www.w3.org/2001/XMLSchema-instance'


def strongest(found: dict, score_threshold: float | None = None, top_k: int | None = None) -> dict:
    """Choose the detections of one video with the highest scores, and put them in the order of their start.

    Args:
        found (dict): Detections of a video, as :func:`.read_results` returns them.
        score_threshold: Lowest score of a chosen detection. Default: any.
        top_k: Largest number of detections. Default: all.

    Returns:
        dict: The chosen detections, in the same form.
    """
    order = np.argsort(-found['scores'], kind='stable')
    order = order[found['scores'][order] >= (-math.inf if score_threshold is None else score_threshold)][:top_k]
    order = order[np.lexsort((found['segments_sec'][order, 1], found['segments_sec'][order, 0]))]
    chosen = {name: found[name][order] for name in ('segments_sec', 'scores')}
    return {**chosen, 'labels': [found['labels'][index] for index in order]}


def write_subtitles(path: str | Path, found: dict) -> None:
    """Write the detections of one video as subtitles; each shows the label and the score.

    Args:
        path: File to write: ``.srt``, or ``.vtt`` (WebVTT, which browsers read).
        found (dict): Detections in the order of their start, see :func:`strongest`.
    """
    is_vtt = Path(path).suffix.lower() == '.vtt'
    mark = '.' if is_vtt else ','
    with atomic_write(path) as file:
        if is_vtt:
            file.write('WEBVTT\n\n')
        for number, ((start, end), label, score) in enumerate(_rows(found), 1):
            text = label.replace('&', '&amp;').replace('<', '&lt;').replace('>', '&gt;') if is_vtt else label
            times = f'{_clock(start, mark)} --> {_clock(max(end, start + 1), mark)}'
            file.write(f'{number}\n{times}\n{text} ({score:.2f})\n\n')


def _rows(found):
    """List start and end in whole milliseconds, label and score of every detection."""
    times_ms = np.rint(found['segments_sec'].clip(min=0) * 1000).astype(np.int64).tolist()
    return zip(times_ms, found['labels'], found['scores'].tolist())


def _clock(ms, mark):
    seconds, ms = divmod(ms, 1000)
    return f'{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{mark}{ms:03d}'


def write_via(path: str | Path, detections: dict[str, dict], videos: dict[str, Path], classes: Sequence[str]) -> None:
    """Write a project of VIA 3, with a list of the classes to choose from.

    Args:
        path: JSON file to write.
        detections (dict[str, dict]): Detections by video id, see :func:`strongest`.
        videos (dict[str, Path]): Files of the videos by id; VIA asks the user for a file that is missing here.
        classes: Names of the classes.
    """
    # VIA's numbers: file type 4 is a video; loc 1 is a file that the user chooses, loc 3 a file by its URL;
    # attribute type 4 is a list of options. vid is the view of a file, z its times in seconds, av the values of its
    # attributes.
    options = {str(number): label for number, label in enumerate(classes)}
    number_of = {label: number for number, label in options.items()}
    files, views, metadata = {}, {}, {}
    for number, (video_id, found) in enumerate(detections.items(), 1):
        file = videos.get(video_id)
        place = dict(loc=1, src='') if file is None else dict(loc=3, src=Path(file).resolve().as_uri())
        files[str(number)] = dict(fid=str(number), fname=video_id if file is None else Path(file).name, type=4, **place)
        views[str(number)] = dict(fid_list=[str(number)])
        for index, ((start, end), label, _) in enumerate(_rows(found)):
            entry = dict(vid=str(number), flg=0, z=[start / 1000, end / 1000], xy=[], av={'1': number_of[label]})
            metadata[f'{number}_{index:08d}'] = entry
    # The anchor_id says what an entry of this attribute has: one file, two times (Z), no place in the picture (XY).
    action = dict(aname='action', anchor_id='FILE1_Z2_XY0', type=4, desc='', options=options, default_option_id='')
    project = dict(
        pid='__VIA_PROJECT_ID__',
        rev='__VIA_PROJECT_REV_ID__',
        rev_timestamp='__VIA_PROJECT_REV_TIMESTAMP__',
        pname=Path(path).stem,
        creator='fsptal_mm',
        created=int(datetime.datetime.now().timestamp() * 1000),
        vid_list=list(views),
    )
    interface = dict(
        file_content_align='center',
        file_metadata_editor_visible=True,
        spatial_metadata_editor_visible=True,
        temporal_segment_metadata_editor_visible=True,
        spatial_region_label_attribute_id='',
        gtimeline_visible_row_count='4',
    )
    config = dict(file=dict(loc_prefix={'1': '', '2': '', '3': '', '4': ''}), ui=interface)
    parts = dict(attribute={'1': action}, file=files, metadata=metadata, view=views)
    write_json(path, dict(project=project, config=config, **parts))


def write_elan(path: str | Path, found: dict, video: Path | None = None) -> None:
    """Write the detections of one video as a document of ELAN; the text of an annotation is the class.

    Each class has a tier (a row of the timeline). A class whose detections overlap has several tiers, since annotations
    of one tier cannot overlap.

    Args:
        path: ``.eaf`` file to write.
        found (dict): Detections in the order of their start, see :func:`strongest`.
        video: File of the video. Default: ELAN asks the user for the file.
    """
    date = datetime.datetime.now().astimezone().isoformat(timespec='seconds')
    schema = {'xmlns:xsi': _XSI, 'xsi:noNamespaceSchemaLocation': 'http://www.mpi.nl/tools/elan/EAFv3.0.xsd'}
    document = ElementTree.Element(
        'ANNOTATION_DOCUMENT', AUTHOR='fsptal_mm', DATE=date, FORMAT='3.0', VERSION='3.0', **schema
    )
    header = ElementTree.SubElement(document, 'HEADER', MEDIA_FILE='', TIME_UNITS='milliseconds')
    if video is not None:
        relative = Path(os.path.relpath(video, Path(path).parent)).as_posix()
        relative = relative if relative.startswith('..') else f'./{relative}'  # as ELAN writes it
        media = dict(MEDIA_URL=Path(video).resolve().as_uri(), RELATIVE_MEDIA_URL=relative)
        ElementTree.SubElement(header, 'MEDIA_DESCRIPTOR', MIME_TYPE='video/mp4', **media)
    order = ElementTree.SubElement(document, 'TIME_ORDER')
    times_ms = [time for times, *_ in _rows(found) for time in _stretch(times)]
    for number, time in enumerate(times_ms, 1):  # detection 0 has slots ts1 and ts2, detection 1 has ts3 and ts4
        ElementTree.SubElement(order, 'TIME_SLOT', TIME_SLOT_ID=f'ts{number}', TIME_VALUE=str(time))
    # By (class, number of the tier within the class, from 1): the tier, and the end of its last annotation in ms.
    tiers, ends = {}, {}
    for number, (times, label, _) in enumerate(_rows(found)):
        start, end = _stretch(times)
        tier = next(tier for tier in range(1, number + 2) if ends.get((label, tier), 0) <= start)  # the first free tier
        ends[label, tier] = end
        if (label, tier) not in tiers:
            name = label if tier == 1 else f'{label} ({tier})'
            tiers[label, tier] = ElementTree.SubElement(
                document, 'TIER', LINGUISTIC_TYPE_REF='default-lt', TIER_ID=name
            )
        slots = {f'TIME_SLOT_REF{side}': f'ts{2 * number + side}' for side in (1, 2)}
        annotation = ElementTree.SubElement(tiers[label, tier], 'ANNOTATION')
        annotation = ElementTree.SubElement(annotation, 'ALIGNABLE_ANNOTATION', ANNOTATION_ID=f'a{number + 1}', **slots)
        ElementTree.SubElement(annotation, 'ANNOTATION_VALUE').text = label
    kind = dict(GRAPHIC_REFERENCES='false', LINGUISTIC_TYPE_ID='default-lt', TIME_ALIGNABLE='true')
    ElementTree.SubElement(document, 'LINGUISTIC_TYPE', **kind)
    ElementTree.indent(document)
    with atomic_write(path, 'wb') as file:
        ElementTree.ElementTree(document).write(file, encoding='UTF-8', xml_declaration=True)


def _stretch(times):
    """Move the end to at least 1 ms after the start, since ELAN has no annotations without length."""
    start, end = times
    return start, max(end, start + 1)
