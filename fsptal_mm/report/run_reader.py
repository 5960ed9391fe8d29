"""Reading of a work directory for the report. Parts may be missing: the report lists them; they are no errors."""

import shlex
import traceback
from pathlib import Path

from fsptal_mm.apis.training_videos import share_trained_on
from fsptal_mm.evaluation.label_quality import LABEL_FOLDER, quality_over_training
from fsptal_mm.evaluation.operating_point import model_digest, read_operating_point
from fsptal_mm.evaluation.training_log import read_training_log, scalar_files
from fsptal_mm.utils.configs import merge_options, read_config
from fsptal_mm.utils.errors import InputError
from fsptal_mm.utils.reading import read_json
from fsptal_mm.utils.wording import counted

from .results import evaluate_results, load_test_set
from .run import Run, find_configs

_TOLERANCE = 1e-6  # accepted difference between a measure in the results file and the same measure computed here


def read_run(folder: str | Path, name: str, options: dict | None = None) -> Run:
    """Read the content of a work directory.

    Args:
        folder: The work directory, of ``tools/train.py``, ``tools/test.py`` or both.
        name: Name of the run in the report.
        options (dict, optional): Changes of the test's config, as ``--cfg-options``; for example the folder of the
            data, if it has moved.

    Returns:
        Run: Everything that could be read.

    Raises:
        InputError: There is no such directory.
    """
    run = Run(name, Path(folder))
    if not run.folder.is_dir():
        raise InputError('a work directory, as tools/train.py makes it', file=folder, found='no such directory')
    logs = scalar_files(run.folder)
    _read_config(run, logs, options)
    checkpoint = _tested_checkpoint(run)
    if checkpoint is not None:
        run.trained_on = share_trained_on(run.test_config, checkpoint)
    _read_log(run, logs)
    _read_results(run)
    return run


def _read_config(run, logs, options):
    """Read the config of the training, which lies beside its log, and the newest config, which a later test wrote."""
    of_training = [log.with_name('config.py') for log in logs if log.with_name('config.py').is_file()]
    latest = find_configs(run.folder)[-1:] or of_training[-1:]
    if not latest:
        run.missing.append(
            'There is no config: tools/train.py writes one into its work directory. Without it, neither the test '
            'videos nor the planned length of training are known.'
        )
        return
    run.config_file = (of_training[-1:] or latest)[0]
    run.config = run.test_config = _load(run, run.config_file)
    if latest[0] != run.config_file:
        run.test_config = _load(run, latest[0])
    if run.test_config is not None:
        merge_options(run.test_config, options)


def _load(run, file):
    try:
        return read_config(file)
    except Exception as error:  # a config is a program, and may raise any error
        run.missing.append(f'The config {file} cannot be read: {_said(error)}.')
        return None


def _read_log(run, files):
    """Read the log of the training, and list what is missing or doubtful in it."""
    log = run.log = read_training_log(files)
    train = run.command('train')
    if log.broken_lines:
        run.missing.append(
            f'{counted(len(log.broken_lines), "line")} of the log left out: no JSON (first: {log.broken_lines[0]}). '
            'A process that is killed while it writes leaves such a line.'
        )
    if not log.losses:
        run.missing.append(
            'There are no curves of losses. They stand in vis_data/scalars.json below the work directory, which '
            f"LocalVisBackend (one of the config's vis_backends) writes during `{train}`."
        )
    elif run.planned and log.last < run.planned:
        run.missing.append(
            f'Training is not finished, {log.last} of {run.planned} {log.unit}s are done. Unless it is still running, '
            f'`{train} --resume` continues it.'
        )
    else:
        run.missing += log.describe_late_falls()
    if not log.measures and not run.nothing_held_out:
        run.missing.append(
            'There is no curve of mAP: no validation has run yet. train_cfg.val_interval sets how often it runs.'
        )
    if not any(key.startswith('analysis/') for key in log.mining) and (run.folder / LABEL_FOLDER).is_dir():
        _add_label_quality(run)
    if not log.mining:
        run.missing.append(
            'There are no curves of pseudo labels. PseudoLabelMiningHook (custom_hooks) logs them, for heads that mine '
            'labels, such as FSPTALHead.'
        )


def _add_label_quality(run):
    """Compute the quality of pseudo labels from the dumps of the mining hook, if it is not in the log."""
    try:
        for epoch, figures in quality_over_training(run.folder).items():
            for name, value in figures.items():
                run.log.mining.setdefault(f'analysis/{name}', {})[epoch] = value
    except InputError as error:
        run.missing.append(f'The dumps of pseudo labels cannot be evaluated: {_said(error)}.')


def _read_results(run):
    """Evaluate the results file of the test, and list what is missing or doubtful about it."""
    file = _results_file(run)
    checkpoint = _last_checkpoint(run.folder)
    test = run.command('test', checkpoint or 'CHECKPOINT')
    run.test_command = run.command('test', run.folder / f'epoch_{run.chosen[0]}.pth') if run.chosen else test
    if not file.is_file():
        if run.nothing_held_out:
            _say_nothing_held_out(run)
        elif not run.needs_no_test:
            run.missing.append(
                f'There are no test results ({file}), so no AP of classes, no diagnosis and no timelines: `{test}` '
                'writes them.'
            )
        return
    if run.trained_on[0]:
        run.missing.append(
            f'The checkpoint was trained on {run.trained_on[0]} of {counted(run.trained_on[1], "test video")}: the '
            'figures of the test say nothing about new videos.'
        )
    if checkpoint is not None and file.stat().st_mtime < checkpoint.stat().st_mtime:
        run.missing.append(
            f'The test results are older than the last checkpoint, {checkpoint.name}: `{test}` renews them.'
        )
    try:
        run.noted = _noted_measures(file)
        if run.test_config is not None:
            test_set = load_test_set(run.test_config)
            if not len(test_set.segments) and not len(test_set.labelled):
                run.missing.append('The test videos have neither segments nor points, so nothing can be evaluated.')
                return
            run.result = evaluate_results(file, test_set)
            run.operating_point = _operating_point(run, test_set.classes)
    except Exception as error:  # building a dataset may raise any error, which must not stop the report
        run.missing.append(
            f'The test results cannot be evaluated, so there are no AP of classes, no diagnosis and no timelines: '
            f'{_said(error)}.'
        )
        if isinstance(error, InputError):
            run.missing[-1] += (
                ' Relative paths start from the folder in which the report is made; --cfg-options '
                'test_dataloader.dataset.data_root=DIR sets the folder of the data.'
            )
        return
    if run.result and not run.segment_result:
        run.missing.append(
            f'The {run.test_video}s have no ground-truth segments: there is no diagnosis, and everything else is by '
            'points.'
        )
    computed = run.segment_result.evaluation.measures if run.segment_result else {}
    differing = [key for key in computed.keys() & run.noted.keys() if abs(computed[key] - run.noted[key]) > _TOLERANCE]
    for key in sorted(differing)[:1]:
        run.missing.append(
            f'{key} is {computed[key]:.4f} with the present annotations, but was {run.noted[key]:.4f} in the test: the '
            f'annotations have changed since. `{test}` renews the results.'
        )


def _noted_measures(file):
    """Measures that the test wrote into its results file, by name; empty if it wrote none."""
    noted = read_json(file).get('evaluation')
    metrics = noted.get('metrics', {}) if isinstance(noted, dict) else {}
    return {key: value for key, value in metrics.items() if isinstance(value, (int, float))}


def _results_file(run):
    """Results file of the test: the ``result_file`` of the metric, else the default of ``ResultFileHook``."""
    evaluators = (run.test_config or {}).get('test_evaluator') or []
    for evaluator in evaluators if isinstance(evaluators, list) else [evaluators]:
        if isinstance(evaluator, dict) and evaluator.get('result_file'):
            return Path(evaluator['result_file'])
    return run.folder / 'results.json'


def _say_nothing_held_out(run):
    """Say why there is no test of a run that was trained on all videos, and how it gets score thresholds."""
    sentence = (
        'No video was held out, so there is no validation and no test: the figures are in the report of the training '
        'with the same settings that held videos out.'
    )
    if not run.chosen:
        config, final = run.config_file or 'CONFIG', _tested_checkpoint(run)
        command = shlex.join(
            map(str, ['python', 'tools/analysis_tools/choose_threshold.py', config, 'FIRST', '--for', final])
        )
        sentence += f' `{command}` stores its score thresholds beside this checkpoint; FIRST is its checkpoint.'
    run.missing.append(sentence)


def _tested_checkpoint(run):
    """Checkpoint that the test's config names, else the last checkpoint; ``None`` if there is none, or no config."""
    if run.test_config is None:
        return None
    named = run.test_config.get('load_from')
    checkpoint = _last_checkpoint(run.folder) if named is None else Path(named)
    if checkpoint is not None and not checkpoint.is_file():
        checkpoint = run.folder / checkpoint.name  # the folder may have moved since, or the path is relative
    return checkpoint if checkpoint is not None and checkpoint.is_file() else None


def _operating_point(run, classes):
    """Operating point of the checkpoint that was tested; ``None`` if there is none."""
    checkpoint, model = _tested_checkpoint(run), run.test_config.get('model')
    return (
        None if checkpoint is None or model is None else read_operating_point(checkpoint, model_digest(model), classes)
    )


def _last_checkpoint(folder):
    """Checkpoint that mmengine has noted as the last one; ``None`` if it is gone, or nothing is noted."""
    note = folder / 'last_checkpoint'
    if not note.is_file():
        return None
    name = Path(note.read_text().strip()).name  # the folder may have moved since
    return folder / name if (folder / name).is_file() else None


def _said(error):
    """Type and message of an error. An error other than InputError may be a bug: its traceback is printed, too."""
    if not isinstance(error, InputError):
        traceback.print_exception(error)
    return f'{type(error).__name__}: {error}'.rstrip('.')
