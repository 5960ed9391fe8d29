"""Content of a report about one training and its test."""

import re
import shlex
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from mmengine.config import Config

from fsptal_mm.apis.model_loading import find_config, model_index
from fsptal_mm.evaluation import describe_result
from fsptal_mm.evaluation.operating_point import OperatingPoint, model_digest, read_operating_point
from fsptal_mm.evaluation.training_log import TrainingLog
from fsptal_mm.utils.errors import InputError
from fsptal_mm.utils.wording import counted

from .names import readable
from .results import PointResult, SegmentResult

# The headline of a run is its first measure whose key begins with 'mAP@', else with 'point/mAP', else any measure.
_MAIN = ('mAP@', 'point/mAP', '')
_CHOSEN = re.compile(r'epoch_(\d+)\.operating_point\.json')
_NO_DATA = {'data_root', 'pipeline', 'keep_features'}  # arguments of a dataset that change neither videos nor labels


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
        test_command: Command line of the test, of the checkpoint that was chosen, if one was, else of the last one.
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
    test_command: str = ''
    missing: list = field(default_factory=list)

    @property
    def segment_result(self) -> SegmentResult | None:
        """Evaluation of the results file by ground-truth segments; ``None`` without them."""
        return self.result if isinstance(self.result, SegmentResult) else None

    @property
    def config_name(self) -> str:
        """Name of the config; empty if it is not known."""
        files = find_configs(self.folder)
        return files[-1].stem if files else ''

    def command(self, script: str, *arguments: str | Path) -> str:
        """Command line of a tool that writes what the work directory lacks, e.g. the results file of the test.

        Args:
            script: Name of a script in ``tools``.
            *arguments: Its arguments after the config.
        """
        files = find_configs(self.folder)
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

        The config for own videos is such a case.
        """
        loaders = [(self.test_config or {}).get(f'{part}_dataloader') or {} for part in ('test', 'val')]
        return bool(loaders[0]) and loaders[0].get('dataset') == loaders[1].get('dataset')

    @property
    def tests_held_out(self) -> bool:
        """Whether the test has the held-out videos of the training, by which checkpoints and thresholds are chosen.

        So its figures are no figures of new videos. Benchmarks also validate on their test videos, but hold no fold out
        and have segments.
        """
        if not self.needs_no_test or self.trained_on[0]:
            return False
        fold = self.test_config.test_dataloader.dataset.get('fold') or {}
        measures = self.measures or (self.validation or (0, {}))[1]
        by_points = [key.startswith('point/') for key in measures if key.startswith(_MAIN[:2])]
        return fold.get('part') == 'held_out' or (bool(by_points) and all(by_points))

    @property
    def test_video(self) -> str:
        """Name of a video of the test in the report, in the singular."""
        return 'held-out video' if self.tests_held_out else 'test video'

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
        measures, of, point = self.measures, 'in the test', None
        if measures and self.tests_held_out:
            point = self.operating_point
            chosen = 'the checkpoint was chosen' if point else 'checkpoints are chosen'
            of = f'on the held-out videos, by which {chosen}'
        elif not measures and (validation := self.validation):
            at, measures = validation
            of = f'in the validation after {self.log.unit} {at}'
            if self.chosen and self.chosen[0] == at:
                _, point = self.chosen
        f1 = f'; with its score thresholds, {self._f1(point)}' if point else ''
        if found := self.segment_result:
            described = describe_result(found.test_set, found.evaluation, found.diagnosis)
            return described + (f'; {of}{f1}' if self.tests_held_out else '') + warning
        first = next((key for start in _MAIN for key in measures if key.startswith(start)), None)
        if first is None and self.nothing_held_out:
            return f'Trained on all videos, so that none is left to measure on; {self._figures_elsewhere}'
        if first is None:
            return f'Nothing is measured yet; training: {self.progress}'
        if first.startswith('point/') and self.result:
            points = self.result.truth
            of += f' ({counted(len(points), "point")} in {counted(len(np.unique(points.videos)), "video")})'
        return f'{100 * measures[first]:.1f} {readable(first)}, {of}{f1}' + (warning if self.measures else '')

    @property
    def _figures_elsewhere(self):
        """Where the figures of a run are that was trained on all videos."""
        if not self.chosen:
            return 'its figures are those of a training with the same settings that held videos out'
        return self._f1(self.chosen[1])

    @staticmethod
    def _f1(point):
        """F1 of an operating point in words."""
        return f'F1 is {100 * point.overall.f1:.1f} by {point.measured_by}'


def find_configs(folder: Path) -> list[Path]:
    """Configs that training and tests wrote into a work directory, the latest last."""
    return sorted(folder.glob('*.py'), key=lambda file: file.stat().st_mtime)


def _test_data(config):
    """Arguments of the test dataset that say what it holds, and the name of its folder."""
    dataset = (config.get('test_dataloader') or {}).get('dataset') or {}
    kept = {key: value for key, value in dataset.items() if key not in _NO_DATA}
    return kept, Path(dataset.get('data_root') or '').name
