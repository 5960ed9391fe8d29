"""Reading of a work directory for the report. Parts may be missing: the report lists them; they are no errors."""

import re
import shlex
import traceback
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from mmengine.config import Config

from fsptal_mm.apis.model_loading import find_config, model_index
from fsptal_mm.apis.training_videos import share_trained_on
from fsptal_mm.evaluation import describe_result
from fsptal_mm.evaluation.label_quality import LABEL_FOLDER, quality_over_training
from fsptal_mm.evaluation.operating_point import OperatingPoint, model_digest, read_operating_point
from fsptal_mm.evaluation.training_log import TrainingLog, read_training_log, scalar_files
from fsptal_mm.utils.configs import merge_options, read_config
from fsptal_mm.utils.errors import InputError
from fsptal_mm.utils.reading import read_json
from fsptal_mm.utils.wording import counted

from .names import readable
from .results import PointResult, SegmentResult, evaluate_results, load_test_set

# The headline of a run is its first measure whose key begins with 'mAP@', else with 'point/mAP', else any measure.
_MAIN = ('mAP@', 'point/mAP', '')
_CHOSEN = re.compile(r'epoch_(\d+)\.operating_point\.json')
_NO_DATA = {'data_root', 'pipeline', 'keep_features'}  # arguments of a dataset that change neither videos nor labels
_TOLERANCE = 1e-6  # accepted difference between a measure in the results file and the same measure computed here


@dataclass
class Run:
    """Content of one work directory.

    Attributes:
        name: Name of the run, unique in a report.
        folder: The work directory.
        config_file (Path, optional): Config file that the training wrote; without a training, the file of the test.
        config (Config, optional): Content of ``config_file``.
        test_config (Config, optional): Config that was written last: that of the test, if a test followed the training.
        log (TrainingLog): Log of the training.
        noted: Measures (fractions) that the test wrote into its results file.
        result (PointResult, optional): Evaluation of the results file.
        operating_point (OperatingPoint, optional): Operating point of the checkpoint that was tested.
        trained_on (tuple[int, int]): Number of test videos that the checkpoint was trained on, and number of all test
            videos; zeros if it is not known.
        missing: Sentences that name the missing parts, or a doubtful result, and say how to get them right.
    """

    name: str
    folder: Path
    config_file: Path | None = None
    config: Config | None = None
    test_config: Config | None = None
    log: TrainingLog = field(default_factory=TrainingLog)
    noted: dict = field(default_factory=dict)
    result: PointResult | None = None
    operating_point: OperatingPoint | None = None
    trained_on: tuple[int, int] = (0, 0)
    missing: list = field(default_factory=list)

    @property
    def segment_result(self) -> SegmentResult | None:
        """Evaluation of the results file by ground-truth segments; ``None`` without them."""
        return self.result if isinstance(self.result, SegmentResult) else None

    @property
    def config_name(self) -> str:
        """Name of the config; empty if it is not known."""
        files = _configs(self.folder)
        return files[-1].stem if files else ''

    def command(self, script: str, *arguments: str | Path) -> str:
        """Command line of a tool that writes what the work directory lacks, e.g. the results file of the test.

        Args:
            script: Name of a script in ``tools``.
            *arguments: Its arguments after the config.
        """
        files = _configs(self.folder)
        config = files[-1] if files else 'CONFIG'
        return shlex.join(map(str, ['python', f'tools/{script}.py', config, *arguments, '--work-dir', self.folder]))

    @cached_property
    def metafile_entry(self) -> dict:
        """Entry of the config in ``model-index.yml``, by the config's name; empty for a config without one."""
        return model_index().get(self.config_name, {})

    @cached_property
    def known_data(self) -> str:
        """Name of the dataset in the metafile of the config; empty if the test has other data than that config.

        Test data are the same if the datasets differ in nothing but how they are read, and the names of their folders
        agree.
        """
        if not self.metafile_entry or self.test_config is None:
            return ''
        data = [_test_data(config) for config in (self.test_config, find_config(self.config_name))]
        return self.metafile_entry['Metadata']['Training Data'] if data[0] == data[1] else ''

    @property
    def planned(self) -> int | None:
        """Number of epochs or iterations that the config asks for; ``None`` if it is not known."""
        loop = (self.config or {}).get('train_cfg') or {}
        return loop.get('max_epochs', loop.get('max_iters'))

    @property
    def progress(self) -> str:
        """Progress of the training in words, such as ``'75 of 100 epochs'``."""
        if not self.log.losses:
            return 'not logged'
        return f'{self.log.last} of {self.planned or "?"} {self.log.unit}s'

    @property
    def measures(self) -> dict[str, float]:
        """Measures of the test, as fractions, computed here if possible, and otherwise as the test wrote them."""
        return self.noted | (self.segment_result.evaluation.measures if self.segment_result else {})

    @property
    def validation(self) -> tuple[int, dict[str, float]] | None:
        """Validation that the report shows if there was no test, as its epoch and its measures (fractions, by name).

        If a checkpoint has score thresholds, it was chosen, and its validation is shown; otherwise the latest one. In a
        loop over iterations, there are iterations instead of epochs. ``None`` if there was no validation.
        """
        if self.chosen and (measures := self.log.measures_at(self.chosen[0])):
            return self.chosen[0], measures
        return self.log.last_measures()

    @cached_property
    def chosen(self) -> tuple[int, OperatingPoint] | None:
        """Epoch and score thresholds of the checkpoint that has thresholds; if several have, those that are newest.

        Thresholds do not count if they were chosen for an earlier checkpoint of the same name.
        """
        files = [(file.stat().st_mtime, file) for file in self.folder.glob('*') if _CHOSEN.fullmatch(file.name)]
        for _, file in sorted(files, reverse=True):
            epoch = _CHOSEN.fullmatch(file.name)[1]
            checkpoint, model = self.folder / f'epoch_{epoch}.pth', (self.config or {}).get('model')
            try:
                found = checkpoint.is_file() and read_operating_point(checkpoint, model and model_digest(model))
            except InputError:  # a damaged file
                continue
            if found:
                return int(epoch), found
        return None

    @property
    def needs_no_test(self) -> bool:
        """Whether a test would tell nothing new, since its videos are those of the validation.

        This is so in the config for own videos.
        """
        loaders = [(self.test_config or {}).get(f'{part}_dataloader') or {} for part in ('test', 'val')]
        return bool(loaders[0]) and loaders[0].get('dataset') == loaders[1].get('dataset')

    @property
    def nothing_held_out(self) -> bool:
        """Whether no video is held out, since there is no validation, and all test videos are training videos."""
        has_validation = bool((self.config or {}).get('val_dataloader')) or bool(self.log.measures)
        trained, total = self.trained_on
        return trained == total > 0 and not has_validation

    @property
    def headline(self) -> str:
        """Main result in one sentence, without a full stop."""
        warning = ', on videos that were trained on' if self.trained_on[0] else ''
        if found := self.segment_result:
            return describe_result(found.test_set, found.evaluation, found.diagnosis) + warning
        measures, of = self.measures, 'in the test'
        if not measures and (validation := self.validation):
            at, measures = validation
            of = f'in the validation after {self.log.unit} {at}'
            if self.chosen and self.chosen[0] == at:
                _, point = self.chosen
                of += f'; with its score thresholds, F1 is {100 * point.overall.f1:.1f} by {point.measured_by}'
        first = next((key for start in _MAIN for key in measures if key.startswith(start)), None)
        if first is None and self.nothing_held_out:
            return f'Trained on all videos, so that none is left to measure on; {self._figures_elsewhere}'
        if first is None:
            return f'Nothing is measured yet; training: {self.progress}'
        if first.startswith('point/') and self.result:
            points = self.result.truth
            of += f' ({counted(len(points), "point")} in {counted(len(np.unique(points.videos)), "video")})'
        return f'{100 * measures[first]:.1f} {readable(first)}, {of}' + (warning if self.measures else '')

    @property
    def _figures_elsewhere(self):
        """Where the figures of a run are that was trained on all videos."""
        if not self.chosen:
            return 'its figures are those of a training with the same settings that held videos out'
        _, point = self.chosen
        return f'F1 is {100 * point.overall.f1:.1f} by {point.measured_by}'


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


def _configs(folder):
    """Configs that training and tests wrote into a work directory, the latest last."""
    return sorted(folder.glob('*.py'), key=lambda file: file.stat().st_mtime)


def _test_data(config):
    """Arguments of the test dataset that say what it holds, and the name of its folder."""
    dataset = (config.get('test_dataloader') or {}).get('dataset') or {}
    kept = {key: value for key, value in dataset.items() if key not in _NO_DATA}
    return kept, Path(dataset.get('data_root') or '').name


def _read_config(run, logs, options):
    """Read the config of the training, which lies beside its log, and the newest config, which a later test wrote."""
    of_training = [log.with_name('config.py') for log in logs if log.with_name('config.py').is_file()]
    latest = _configs(run.folder)[-1:] or of_training[-1:]
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
    except Exception as error:  # building a dataset from a config may raise any error; the page has other parts
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
            'The test videos have no ground-truth segments: there is no diagnosis, and everything else is by points.'
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
