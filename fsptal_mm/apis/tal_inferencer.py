"""Inferencer that returns the detections of videos, feature files and arrays."""

import itertools
import logging
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from mmaction.registry import INFERENCERS
from mmaction.structures import ActionDataSample
from mmengine.config import Config
from mmengine.infer import BaseInferencer
from mmengine.logging import print_log
from mmengine.registry import DefaultScope

from fsptal_mm.engine.class_lists import classes_of_checkpoint
from fsptal_mm.engine.trained_videos import trained_videos
from fsptal_mm.evaluation import name_classes, write_csv, write_results
from fsptal_mm.evaluation.operating_point import model_digest, read_operating_point
from fsptal_mm.evaluation.samples import best_times, collect_detections
from fsptal_mm.structures import name_detections
from fsptal_mm.utils.configs import merge_options, naming_types
from fsptal_mm.utils.errors import InputError, check_numbers
from fsptal_mm.utils.progress import VideoProgress

from .feature_extractor import FeatureExtractor
from .inference_inputs import Inputs, VideoInput, list_inputs
from .input_pipeline import InputPipeline, ModelInputs
from .model_loading import (
    choose_class_names,
    find_config,
    load_weights,
    local_file,
    replace_nms,
    set_nms,
    state_dict_holder,
    usable_device,
)
from .pictures import draw_pictures


@INFERENCERS.register_module()
class TALInferencer(BaseInferencer):
    """Inferencer for action localization in videos, feature files and arrays.

    It is a ``BaseInferencer`` of mmengine: :meth:`__call__` runs :meth:`preprocess`, :meth:`forward`,
    :meth:`visualize` and :meth:`postprocess`, and passes keyword arguments on to them. ``forward_kwargs`` and
    ``visualize_kwargs`` list the arguments that :meth:`forward` and :meth:`visualize` take; a subclass may add
    arguments to any of the four methods.

    Args:
        model (str | Path | Config): Name in ``model-index.yml``, config file, or config.
        weights (str | Path): Local checkpoint. Nothing is downloaded, and nothing in a checkpoint is executed.
        device (str, optional): Device of the model. Default: the device that mmengine chooses, a GPU if there is one.
        classes (Sequence[str] | str | Path, optional): Names of the classes, or a text file with one per line. Needed
            if neither the checkpoint nor the config states the names; all sources that state them must agree.
        grid (dict, optional): Feature grid: fields of :meth:`~fsptal_mm.structures.SnippetGrid.from_config`. Default:
            the grid of the config's test data.
        nms (dict, optional): NMS, e.g. ``dict(type='nms', iou_threshold=0.5)``. Default: the NMS of the config.
        extractor (FeatureExtractor | dict, optional): Needed for video files, if the model takes features: an
            extractor, or a dict of its arguments, ``dict(config=..., checkpoint=...)``. Grid and clip length in this
            dict are those of the model's features by default. Default: video files are failures.
        cfg_options (dict, optional): Changes of the config, as ``--cfg-options`` of ``tools/test.py``.
        show_progress: Whether to show the progress: as a bar in a terminal, elsewhere as a line now and then.
        allow_damaged: Whether to take what can be read of truncated and damaged videos. Default: such videos are
            failures.
        log_failures: Whether to log a warning for each input that is left out. Default: yes.

    Attributes:
        classes (tuple[str]): Names of the classes.
        operating_point (OperatingPoint, optional): Score thresholds that ``tools/analysis_tools/choose_threshold.py``
            stored beside the checkpoint; ``None`` if there are none for this model. See :meth:`forward`.
        trained_videos (set[str]): Ids of the videos that the checkpoint was trained on; empty if it does not say.

    Raises:
        InputError: There is no such config, checkpoint or device; the checkpoint belongs to another model or to other
            classes; the config has no :class:`.PointTALDataset` to test on; the extractor does not fit the model; or
            ``nms`` is given and the head has no :class:`.ProposalGenerator`.

    Examples:
        >>> inferencer = TALInferencer('fsptal-tuned_synthetic', 'work_dirs/fsptal-tuned_synthetic/epoch_75.pth')
        >>> inferencer('data/synthetic/features/test', top_k=5)['predictions']['test_000'][0]
        Detection(start_sec=12.3, end_sec=15.6, label='dive', score=0.87)
    """

    forward_kwargs: ClassVar[set[str]] = {'score_threshold', 'top_k'}
    visualize_kwargs: ClassVar[set[str]] = {'timeline', 'annotate'}

    @naming_types()
    def __init__(
        self,
        model: str | Path | Config,
        weights: str | Path,
        device: str | None = None,
        *,
        classes: Sequence[str] | str | Path | None = None,
        grid: dict[str, Any] | None = None,
        nms: dict[str, Any] | None = None,
        extractor: FeatureExtractor | dict[str, Any] | None = None,
        cfg_options: dict[str, Any] | None = None,
        show_progress: bool = False,
        allow_damaged: bool = False,
        log_failures: bool = True,
    ) -> None:
        config = find_config(model)
        merge_options(config, cfg_options)
        self._weights, self._user_classes, self._extractor = local_file(weights), classes, extractor
        self._allow_damaged, self._log_failures = allow_damaged, log_failures
        with DefaultScope.overwrite_default_scope('mmaction'):  # only in this block: the user's scope is kept
            self._reads = ModelInputs(config, grid)
            device = usable_device(device)
            if nms is not None:
                replace_nms(config.model, nms)
            digest = model_digest(config.model)  # first, since the base class may delete `pretrained` from the config
            super().__init__(config, self._weights, device, scope='mmaction', show_progress=show_progress)
        self.operating_point = read_operating_point(self._weights, digest, self.classes)
        if nms is not None:
            set_nms(self.model, nms)

    def __call__(
        self,
        inputs: Inputs,
        return_datasamples: bool = False,
        batch_size: int = 1,
        *,
        out_dir: str | Path | None = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """Localize actions in videos. If an input cannot be used, the others are processed nevertheless.

        Args:
            inputs: Videos, feature files, folders, arrays: see :func:`.list_inputs`.
            return_datasamples: Whether to return data samples with all proposals instead of detections.
            batch_size: Number of videos in one forward pass. It changes the predictions by rounding errors only.
            out_dir: Folder for ``results.json`` (ActivityNet's format), ``results.csv``, pictures and annotated videos.
                If this call is interrupted, the two results files hold the videos done so far. The features that the
                extractor makes of video files are kept below ``out_dir/features``; a later call with this folder takes
                them from there, see :class:`.KeptFeatures`. Default: nothing is written.
            **kwargs: ``score_threshold`` and ``top_k`` of :meth:`forward`, ``timeline`` and ``annotate`` of
                :meth:`visualize`.

        Returns:
            dict: ``predictions``, from video id to a list of :class:`~fsptal_mm.structures.Detection`, the best first;
            ``visualization``, the paths of the pictures and annotated videos; ``failures``, an InputError for each
            input that cannot be used and for each picture or annotated video that cannot be made.

        Raises:
            InputError: There is only one input, and it cannot be used; ``timeline`` or ``annotate`` is set without
                ``out_dir``; ``score_threshold`` is no number; or ``batch_size`` or ``top_k`` is no whole number >= 1.
        """
        preprocess_kwargs, forward_kwargs, visualize_kwargs, postprocess_kwargs = self._dispatch_kwargs(**kwargs)
        check_numbers('TALInferencer', 1, whole=True, batch_size=batch_size)
        _check_limits(**forward_kwargs)
        if any(visualize_kwargs.values()) and out_dir is None:
            raise InputError('a folder for pictures and annotated videos', field='out_dir')
        videos, used, preds, failures = self._inputs_to_list(inputs), [], [], []
        self.pipeline.keep_features(out_dir and Path(out_dir, 'features'))
        try:
            with VideoProgress('Inference', len(videos), disable=not self.show_progress) as progress:

                def show(done):
                    progress.update(int(done), done)

                for batch in self.preprocess(videos, batch_size, failures, show, **preprocess_kwargs):
                    for video, sample in self._localize(*batch, failures, forward_kwargs):
                        used.append(video)
                        preds.append(sample)
        finally:
            if out_dir is not None and preds:
                self._write(Path(out_dir), preds, failures)
        if failures and len(videos) == 1:
            raise failures[0]
        for failure in failures if self._log_failures else ():
            print_log(f'left out: {failure}', 'current', logging.WARNING)  # ERROR would add a line of code
        pictures = self.visualize(used, preds, out_dir=out_dir, failures=failures, **visualize_kwargs)
        return self.postprocess(preds, pictures, return_datasamples, **postprocess_kwargs) | dict(failures=failures)

    def preprocess(
        self,
        inputs: Sequence[VideoInput],
        batch_size: int = 1,
        failures: list[InputError] | None = None,
        on_progress: Callable[[float], object] | None = None,
    ) -> Iterator[tuple[list[VideoInput], dict[str, Any]]]:
        """Read inputs and run the test pipeline of the config on them.

        Args:
            inputs: The videos, as :func:`.list_inputs` returns them.
            batch_size: Number of videos in one batch.
            failures: List to which the errors of single inputs are added. Default: the first error is raised.
            on_progress: As in ``InputPipeline.read_each``.

        Yields:
            tuple: The videos of a batch, and their input for ``model.test_step``.

        Raises:
            InputError: An input cannot be used, and ``failures`` is ``None``.
        """
        read = self.pipeline.read_each(inputs, failures, on_progress)
        while chunk := list(itertools.islice(read, batch_size)):
            videos, data = zip(*chunk)
            yield list(videos), self.collate_fn(data)

    def forward(
        self, inputs: dict[str, Any], score_threshold: float | None = None, top_k: int | None = None
    ) -> list[ActionDataSample]:
        """Localize actions in a batch.

        Args:
            inputs: The batch, as :meth:`preprocess` yields it.
            score_threshold: Detections with a lower score are left out; ``-inf`` keeps all. Default: the thresholds of
                the operating point, or no threshold if there is none.
            top_k: Largest number of detections per video; the best ones are kept. Default: all.

        Returns:
            list[ActionDataSample]: For each video ``pred_segments``, all proposals; ``pred_scores``, the scores of the
            classes; ``detections``, the :class:`~fsptal_mm.structures.Instances` that are kept, the best first; and
            ``best_sec (N,)``, the time of the best snippet in each, or ``None`` if the model gives no snippet scores.
        """
        samples = super().forward(inputs)
        for sample in samples:
            found = collect_detections(sample)
            found = found[np.argsort(-found.scores, kind='stable')]
            if score_threshold is not None:
                found = found[found.scores >= score_threshold]
            elif self.operating_point is not None:
                found = self.operating_point.select(found)
            sample.detections = found[:top_k]
            sample.best_sec = best_times(sample, sample.detections)
            sample.pop('snippet_scores', None)  # for many long videos, they would take much memory
        return samples

    def visualize(
        self,
        inputs: Sequence[VideoInput],
        preds: Sequence[ActionDataSample],
        show: bool = False,
        *,
        out_dir: str | Path | None = None,
        timeline: bool = False,
        annotate: bool = False,
        failures: list[InputError] | None = None,
    ) -> list[str]:
        """Draw timelines, and write annotated videos.

        Args:
            inputs: The videos.
            preds: Their data samples, from :meth:`forward`.
            show: Ignored: no window is opened.
            out_dir: Folder for the files.
            timeline: Whether to draw ``timelines/VIDEO.png``.
            annotate: Whether to write ``videos/VIDEO.mp4``, for inputs that are video files.
            failures: List to which the errors of single files are added. Default: the first error is raised.

        Returns:
            list[str]: Paths of the written files.

        Raises:
            InputError: A file cannot be made, and ``failures`` is ``None``.
        """
        return draw_pictures(
            inputs,
            preds,
            self.classes,
            out_dir,
            timeline=timeline,
            annotate=annotate,
            failures=failures,
            show_progress=self.show_progress,
            allow_damaged=self._allow_damaged,
        )

    def postprocess(
        self, preds: Sequence[ActionDataSample], visualization: list[str], return_datasample: bool = False
    ) -> dict[str, Any]:
        """Pack the results.

        Args:
            preds: Data samples, from :meth:`forward`.
            visualization: Paths, from :meth:`visualize`.
            return_datasample: As ``return_datasamples`` of :meth:`__call__`.

        Returns:
            dict: ``predictions`` and ``visualization``, as :meth:`__call__` returns them.
        """
        predictions = {
            sample.video_id: sample if return_datasample else name_detections(sample.detections, self.classes)
            for sample in preds
        }
        return dict(predictions=predictions, visualization=visualization)

    def _inputs_to_list(self, inputs):
        return list_inputs(inputs, self._reads.dataset.data_prefix)

    def _localize(self, videos, data, failures, forward_kwargs):
        """Pairs of a video and its data sample. If a batch raises an InputError, its videos are tried one by one."""
        try:
            return list(zip(videos, self.forward(data, **forward_kwargs)))
        except InputError as error:
            if len(videos) == 1:
                failures.append(videos[0].naming(error))
                return []
        singles = [{key: values[index : index + 1] for key, values in data.items()} for index in range(len(videos))]
        return [
            pair
            for video, single in zip(videos, singles)
            for pair in self._localize([video], single, failures, forward_kwargs)
        ]

    def _write(self, folder, samples, failures):
        results = {sample.video_id: name_classes(sample.detections, self.classes) for sample in samples}
        for sample in samples:
            if sample.get('best_sec') is not None:
                results[sample.video_id]['best_sec'] = sample.best_sec
        write_results(folder / 'results.json', results, classes=list(self.classes), failures=list(map(str, failures)))
        write_csv(folder / 'results.csv', results)

    def _load_weights_to_model(self, model, checkpoint, cfg):
        """Take the names of the classes from the checkpoint, then load all its weights."""
        # A str in the config or the argument is the path of a class list. A str in a checkpoint is not taken as a path:
        # the checkpoint may come from a stranger, who must not choose a file of this machine to be read.
        found = classes_of_checkpoint(state_dict_holder(checkpoint, self._weights))
        config, user = self._reads.dataset.metainfo.get('classes'), self._user_classes
        config, user = (Path(names) if isinstance(names, str) else names for names in (config, user))
        sources = {'the checkpoint': found, 'the config': config, 'the argument classes': user}
        self.classes = choose_class_names(model.head.num_classes, sources, self._weights)
        self.trained_videos = trained_videos(checkpoint) or set()
        load_weights(model, checkpoint, self._weights)

    def _init_pipeline(self, cfg):
        extractor = self._extractor
        if isinstance(extractor, dict):
            extractor = {'allow_damaged': self._allow_damaged, **extractor}
        extractor = self._reads.build_extractor(extractor, next(self.model.parameters()).device)
        return InputPipeline(self._reads, len(self.classes), extractor, self._allow_damaged)

    def _init_visualizer(self, cfg):
        """Build no visualizer: :meth:`visualize` draws without one. The config's visualizer logs the training."""


def _check_limits(score_threshold=None, top_k=None):
    check_numbers('TALInferencer', -math.inf, optional=True, score_threshold=score_threshold)
    check_numbers('TALInferencer', 1, whole=True, optional=True, top_k=top_k)
