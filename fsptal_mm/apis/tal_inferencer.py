"""From a user's videos or features to localised actions, in three lines of Python."""

import logging
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mmaction.registry import INFERENCERS
from mmaction.structures import ActionDataSample
from mmengine.infer import BaseInferencer
from mmengine.logging import print_log
from mmengine.registry import DefaultScope
from rich.progress import track

from fsptal_mm.datasets.videos.reader import open_video
from fsptal_mm.evaluation import name_classes, write_csv, write_results
from fsptal_mm.evaluation.samples import collect_detections
from fsptal_mm.structures import Detection, Instances
from fsptal_mm.utils.configs import merge_options, naming_types
from fsptal_mm.utils.errors import InputError, check_numbers
from fsptal_mm.utils.reading import path_below
from fsptal_mm.visualization import ModelTrack, Timeline, annotate_video, draw_timeline

from .inference_inputs import VideoInput, list_inputs
from .input_pipeline import InputPipeline, ModelInputs
from .model_loading import class_names, find_config, load_weights, local_file, set_nms, state_dict_holder, usable_device
from .timelines import read_frames


@INFERENCERS.register_module()
class TALInferencer(BaseInferencer):
    """Localises actions in videos, feature files and arrays.

    Args:
        model (str | Path | Config): Name in ``model-index.yml``, config file, or config.
        weights (str | Path): Local checkpoint. Nothing is downloaded, and nothing in a checkpoint is executed.
        device (str, optional): By default what mmengine finds.
        classes (Sequence[str] | str | Path, optional): Names of the classes, or a text file with one per line, for
            checkpoints that do not know them; where they do, both must agree.
        grid (dict, optional): Feature grid instead of that of the config's test data: fields of
            :meth:`~fsptal_mm.structures.SnippetGrid.from_config`.
        nms (dict, optional): Suppression instead of the config's, e.g. ``dict(type='nms', iou_threshold=0.5)``.
        extractor (FeatureExtractor | dict, optional): For video files, where the model reads features: an extractor, or
            the arguments of one, ``dict(config=..., checkpoint=...)``; on which grid clips lie is known already.
        cfg_options (dict, optional): Further changes of the config, as ``--cfg-options`` of ``tools/test.py``.
        show_progress: Whether to show a progress bar.

    Attributes:
        classes (tuple[str]): Names of the classes.

    Raises:
        InputError: No such config or checkpoint, a checkpoint of another model or of other classes, a config without
            a :class:`.PointTALDataset` to test on, ``nms`` where the head has no :class:`.ProposalGenerator`, no such
            device.

    Examples:
        >>> inferencer = TALInferencer('fsptal-tuned_synthetic', 'work_dirs/fsptal-tuned_synthetic/epoch_75.pth')
        >>> inferencer('data/synthetic/features/test', top_k=5)['predictions']['test_000'][0]
        Detection(start_sec=12.3, end_sec=15.6, label='dive', score=0.87)
    """

    @naming_types()
    def __init__(
        self,
        model,
        weights,
        device=None,
        *,
        classes=None,
        grid=None,
        nms=None,
        extractor=None,
        cfg_options=None,
        show_progress=False,
    ):
        config = find_config(model)
        merge_options(config, cfg_options)
        self._weights, self._user_classes, self._extractor = local_file(weights), classes, extractor
        with DefaultScope.overwrite_default_scope('mmaction'):  # here only: whatever scope the user has stays
            self._reads = ModelInputs(config, grid)
            device = usable_device(device)
            if nms is not None:
                _replace_nms(config.model, nms)
            super().__init__(config, self._weights, device, scope='mmaction', show_progress=show_progress)
        if nms is not None:
            set_nms(self.model, nms)

    def __call__(
        self,
        inputs,
        return_datasamples=False,
        *,
        score_threshold=None,
        top_k=None,
        out_dir=None,
        timeline=False,
        annotate=False,
    ):
        """Localise actions in one video after the other; what is broken takes nothing from the others.

        Args:
            inputs: Videos, feature files, folders, arrays: see :func:`list_inputs`.
            return_datasamples: Whether to return data samples with all proposals instead of detections.
            score_threshold: Detections of a lower score are left out.
            top_k: At most this many detections per video, the best ones.
            out_dir: Folder for ``results.json`` (ActivityNet's format) and ``results.csv``, written even if the work is
                interrupted, and for pictures.
            timeline: Whether to draw ``timelines/VIDEO.png``.
            annotate: Whether to write ``videos/VIDEO.mp4`` for inputs that are video files.

        Returns:
            dict: ``predictions``, from video id to a list of :class:`~fsptal_mm.structures.Detection`, the best first;
            ``visualization``, paths of the pictures and videos; ``failures``, an InputError for each input that could
            not be used.

        Raises:
            InputError: The only input cannot be used, or there is none; pictures are wanted, but no ``out_dir`` given;
                ``score_threshold`` is no number, or ``top_k`` no positive one.
        """
        check_numbers('TALInferencer', -math.inf, optional=True, score_threshold=score_threshold)
        check_numbers('TALInferencer', 1, whole=True, optional=True, top_k=top_k)
        if (timeline or annotate) and out_dir is None:
            raise InputError('a folder for the pictures', field='out_dir')
        videos, results, failures = list_inputs(inputs, self._reads.dataset.data_prefix), {}, []
        try:
            for video in track(videos, description='Inference', disable=not self.show_progress):
                try:
                    results[video.video_id] = self._localize(video, results, score_threshold, top_k)
                except InputError as error:
                    failures.append(_naming(error, video))
        finally:
            if out_dir is not None and results:
                _write(Path(out_dir), results, failures)
        if failures and len(videos) == 1:
            raise failures[0]
        pictures = self.visualize(videos, results, out_dir=out_dir, timeline=timeline, annotate=annotate)
        for failure in failures:
            print_log(f'left out: {failure}', 'current', logging.ERROR)
        return self.postprocess(results, pictures, return_datasamples) | dict(failures=failures)

    def visualize(self, inputs, preds, show=False, *, out_dir=None, timeline=False, annotate=False):
        """Draw results.

        Args:
            inputs: Not used.
            preds (dict[str, _Result]): Results by video id.
            show: Not used: nothing is shown, only written.
            out_dir: As in :meth:`__call__`.
            timeline: As there.
            annotate: As there.

        Returns:
            list[str]: Paths of what was written.
        """
        paths = []
        for video_id, result in preds.items():
            if timeline:
                duration_sec, video = result.sample.duration_sec, result.video
                frames = read_frames(video.source, duration_sec) if video.is_video else None
                tracks = (ModelTrack(proposals=result.found),)
                shown = Timeline(video_id, duration_sec, result.classes, tracks=tracks, frames=frames)
                paths.append(draw_timeline(path_below(Path(out_dir, 'timelines'), video_id, '.png'), shown))
            if annotate and result.video.is_video:
                path = path_below(Path(out_dir, 'videos'), video_id, '.mp4')
                paths.append(annotate_video(open_video(result.video.source), path, result.found, result.classes))
        return paths

    def postprocess(self, preds, visualization, return_datasample=False):
        """What :meth:`__call__` returns, without the failures."""
        kind = 'sample' if return_datasample else 'detections'
        predictions = {video_id: getattr(result, kind) for video_id, result in preds.items()}
        return dict(predictions=predictions, visualization=visualization)

    def _localize(self, video, others, score_threshold, top_k):
        if video.video_id in others:
            raise InputError('inputs of different names', field='inputs', found=others[video.video_id].video.source)
        (sample,) = self.forward(self.collate_fn([self.pipeline(video)]))
        found = collect_detections(sample)
        found = found[np.argsort(-found.scores, kind='stable')]
        if score_threshold is not None:
            found = found[found.scores >= score_threshold]
        return _Result(video, sample, found[:top_k], self.classes)

    def _load_weights_to_model(self, model, checkpoint, cfg):
        """Learn the names of the classes from the checkpoint, then load every weight of it."""
        found = state_dict_holder(checkpoint, self._weights)
        for field in ('meta', 'dataset_meta', 'classes'):
            found = found.get(field) if isinstance(found, dict) else None
        config, user = self._reads.dataset.metainfo.get('classes'), self._user_classes
        sources = {
            'the checkpoint': found,  # of a stranger, maybe: never the path of a file
            'the config': Path(config) if isinstance(config, str) else config,
            'the argument classes': Path(user) if isinstance(user, str) else user,
        }
        self.classes = class_names(model.head.num_classes, sources, self._weights)
        load_weights(model, checkpoint, self._weights)

    def _init_pipeline(self, cfg):
        extractor = self._reads.build_extractor(self._extractor, next(self.model.parameters()).device)
        return InputPipeline(self._reads, len(self.classes), extractor)

    def _init_visualizer(self, cfg):
        """No visualizer: the config's logs training."""


@dataclass(frozen=True, eq=False)
class _Result:
    """What was found in a video.

    Attributes:
        video: The input.
        sample: With all proposals.
        found: Those that were asked for, the best first.
        classes: Names of all classes.
    """

    video: VideoInput
    sample: ActionDataSample
    found: Instances
    classes: tuple

    @property
    def detections(self):
        """What was found, by the names of the classes."""
        rows = zip(self.found.segments.tolist(), self.found.labels, self.found.scores.tolist())
        return [Detection(*segment, self.classes[label], score) for segment, label, score in rows]


def _replace_nms(model, nms):
    """Set the NMS of the detections in the config of a model: its own may need what is not installed."""
    if 'proposals' in (model.get('head') or {}):
        model.head.proposals.nms = nms
    if model.get('refinement'):
        model.refinement.nms = nms


def _naming(error, video):
    """The error with the input's name, where it does not say which one is at fault."""
    file, video_id = error.file or video.source, error.video or video.video_id
    return InputError(error.expected, file=file, video=video_id, field=error.field, found=error.found)


def _write(folder, results, failures):
    detections = {video_id: name_classes(result.found, result.classes) for video_id, result in results.items()}
    write_results(folder / 'results.json', detections, failures=list(map(str, failures)))
    write_csv(folder / 'results.csv', detections)
