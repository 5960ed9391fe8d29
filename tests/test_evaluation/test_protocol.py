import re

import numpy as np
import pytest
from mmengine.hooks import CheckpointHook
from refusals import refused

from fsptal_mm.evaluation.functional import PRESETS, Protocol


def test_thumos_keys_and_averages():
    protocol = Protocol.from_config('thumos14')
    ap = np.array([[value, np.nan] for value in (0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1)])
    # Class 1 has no ground-truth segment, so the mAP at each threshold is the AP of class 0. The average .1-.7 is over
    # all thresholds, .1-.5 over the first five, .3-.7 over the last five.
    averages = {'mAP@0.1-0.7': 0.4, 'mAP@0.1-0.5': 0.5, 'mAP@0.3-0.7': 0.3}
    measures = protocol.summarize(ap)
    assert measures == pytest.approx(averages | {f'mAP@0.{i}': (8 - i) / 10 for i in range(1, 8)})
    assert next(iter(measures)) == 'mAP@0.1-0.7'  # what save_best='auto' takes


def test_other_thresholds():
    protocol = Protocol.from_config('activitynet')
    assert protocol.average_keys == ['mAP@0.5-0.95']
    tious = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
    assert protocol.threshold_keys == [f'mAP@{tiou}' for tiou in tious]
    protocol = Protocol.from_config('thumos14', tiou_thresholds=[0.5, 0.25])
    expected = {'mAP@0.25-0.5': 0.6, 'mAP@0.25': 0.8, 'mAP@0.5': 0.4}
    assert protocol.summarize(np.array([[0.8], [0.4]])) == pytest.approx(expected)
    # One threshold needs no average.
    assert Protocol.from_config(tiou_thresholds=0.5).summarize(np.array([[0.25]])) == {'mAP@0.5': 0.25}
    assert Protocol.from_config('thumos14', average_ranges=[(0.3, 0.5)]).average_keys == ['mAP@0.3-0.5']


@pytest.mark.parametrize(
    'arguments, field',
    [
        (dict(preset='thumos'), 'preset'),
        (dict(preset=None), 'preset'),
        (dict(tiou_thresholds=[]), 'tiou_thresholds'),
        (dict(tiou_thresholds=[0.5, 0]), 'tiou_thresholds'),
        (dict(tiou_thresholds=[50]), 'tiou_thresholds'),
        (dict(tiou_thresholds=[0.5, 0.5]), 'tiou_thresholds'),
        (dict(tiou_thresholds='0.5:0.7'), 'tiou_thresholds'),
        (dict(tiou_thresholds=[float('nan')]), 'tiou_thresholds'),
        (dict(preset='thumos14', average_ranges=[(0.1, 10**400)]), 'average_ranges'),
        (dict(preset='thumos14', average_ranges=[(0.8, 0.9)]), 'average_ranges'),
        (dict(preset='thumos14', average_ranges=[0.5]), 'average_ranges'),
    ],
)
def test_bad_arguments(arguments, field):
    with refused(field):
        Protocol.from_config(**arguments)


@pytest.mark.parametrize('preset', sorted(PRESETS))
def test_every_key_can_name_a_best_checkpoint(preset):
    for key in (*PRESETS[preset].average_keys, *PRESETS[preset].threshold_keys):
        assert re.fullmatch(r'[A-Za-z0-9@.-]+', key)  # legal in a file name on every file system
        hook = CheckpointHook(save_best=f'tal/{key}')  # mmengine writes "tal_" into the name of the file
        assert hook.rules == ['greater']  # mmengine knows by the name that more is better
