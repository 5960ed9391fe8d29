"""Mining passes at chosen epochs; after each, the training goes on or restarts with the mined labels."""

import time
from collections.abc import Sequence

from mmaction.registry import HOOKS, MODELS
from mmengine.dist import broadcast, is_main_process
from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop, Runner

from fsptal_mm.structures import VideoLabels
from fsptal_mm.utils.errors import InputError, check_flags, check_numbers
from fsptal_mm.utils.wording import counted

from ..mining_pass import mining_pass
from ..random_numbers import own_random_numbers
from ..unwrapping import unwrapped_model
from .label_report import count_labels

_KEY = 'refreshed_labels'  # key in a checkpoint


@HOOKS.register_module()
class RefreshHook(Hook):
    """Hook that mines labels in all training videos after some epochs; from then on, the head trains on them.

    Until the first mining pass, the head trains on the given points. A pass mines labels with the weights at that
    moment. With ``restart``, a newly built model then takes the place of the old one, and the state of the optimizer is
    reset. The new weights depend on the seed of the run and the epoch alone. Checkpoints hold the labels, so that a
    resumed run goes on with the same labels.

    The model needs a method ``mine``, as :class:`.PointTAL` has, and its head ``train_on``, as :class:`.SFNetHead` has.

    Args:
        epochs: Numbers of finished epochs, at least 1, after which there is a pass.
        restart: Whether weights and optimizer begin anew after a pass. Weights that ``load_from`` names are not loaded
            again.

    Attributes:
        store (dict[str, VideoLabels]): Labels of the latest pass by video id; empty before the first.

    Raises:
        InputError: An argument is out of range, the head has no ``train_on``, the loop does not go by epochs, the
            runner has no config to build the model from, or the checkpoint of a resume lacks the labels.
    """

    priority = 'NORMAL'

    def __init__(self, epochs: Sequence[int], restart: bool = True) -> None:
        if not isinstance(epochs, (list, tuple)) or not epochs:
            raise InputError('a list of whole numbers', field='RefreshHook.epochs', found=epochs)
        check_numbers('RefreshHook', 1, whole=True, **{f'epochs[{place}]': at for place, at in enumerate(epochs)})
        check_flags('RefreshHook', restart=restart)
        self.epochs = tuple(epochs)
        self.restart = restart
        self.store = {}
        self._loaded = {}

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Keep the labels of a checkpoint, for a resume."""
        self._loaded = checkpoint.get(_KEY, {})

    def before_train(self, runner: Runner) -> None:
        """Check that head and loop fit, and take up the labels of an interrupted run."""
        head = getattr(unwrapped_model(runner), 'head', None)
        if not callable(getattr(head, 'train_on', None)):
            raise InputError(
                'one that can grow labels, such as SFNetHead', field='model.head', found=type(head).__name__
            )
        if not isinstance(runner.train_loop, EpochBasedTrainLoop):
            found = type(runner.train_loop).__name__
            raise InputError(
                'EpochBasedTrainLoop, since labels are mined after epochs', field='train_cfg.type', found=found
            )
        if self.restart and 'model' not in runner.cfg:
            raise InputError('the config of the model, to build it anew', field='runner.cfg.model', found='None')
        self.store = {}
        if runner.epoch > min(self.epochs):
            if not self._loaded:
                expected = 'a checkpoint with the labels of RefreshHook, or training without --resume'
                raise InputError(expected, field=_KEY, found='None')
            self.store = {video_id: VideoLabels.from_state(state) for video_id, state in self._loaded.items()}
        head.train_on(self.store or 'points')

    def before_train_epoch(self, runner: Runner) -> None:
        """If a pass is due: mine labels and begin the training anew."""
        if runner.epoch not in self.epochs:
            return
        runner.optim_wrapper.zero_grad()  # drop gradients that the old weights have accumulated
        started = time.time()
        self.store = mining_pass(runner, lambda model, *batch: model.mine(*batch))
        unwrapped_model(runner).head.train_on(self.store)
        if self.restart:
            self._begin_anew(runner)
        if is_main_process():
            scalars = count_labels(self.store)
            runner.logger.info(
                f'Labels after epoch {runner.epoch}, {counted(len(self.store), "video")} '
                f'in {time.time() - started:.1f} s: '
                '{mining/given_action} given + {mining/mined_action} grown action snippets; '
                '{mining/labelled_share:.1%} of the snippets of a video are labelled, on average'.format_map(scalars)
                + '; weights and optimizer begin anew' * self.restart
            )
            runner.message_hub.update_scalars(scalars)
            runner.visualizer.add_scalars(scalars, step=runner.epoch)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Add the labels to a checkpoint."""
        if self.store:
            checkpoint[_KEY] = {video_id: labels.to_state() for video_id, labels in self.store.items()}

    def after_train(self, runner: Runner) -> None:
        """Let the head train on the given points again, as when it was built."""
        unwrapped_model(runner).head.train_on('points')

    @staticmethod
    def _begin_anew(runner):
        with own_random_numbers(runner.seed, runner.epoch):
            fresh = MODELS.build(runner.cfg.model)
            fresh.init_weights()
        state = unwrapped_model(runner).state_dict()  # the model's own tensors, not copies
        for name, value in fresh.state_dict().items():
            state[name].copy_(value)
            broadcast(state[name])  # from rank 0, since ranks may have seeds of their own
        runner.optim_wrapper.optimizer.state.clear()
