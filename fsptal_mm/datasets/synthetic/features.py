"""Synthetic snippet features for generated or real annotations, similar to those of a frozen video network."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from fsptal_mm.structures import SnippetGrid
from fsptal_mm.utils.errors import InputError

from ..annotations.records import Annotations
from ..point_sampling import video_rng

# An instance is computed at this many times per snippet, and their mean goes into the feature. With 8, it is computed
# at every second frame of a snippet of 16 frames.
_SAMPLES = 8
# The visible start or end of an instance differs from the annotated time by at most this share of its length.
_MAX_JITTER = 0.3
# Correlation times in snippets: of slow noise, of fast noise, and of the drift between the two scenes of a video.
_SLOW_SNIPPETS, _FAST_SNIPPETS, _DRIFT_SNIPPETS = 6.0, 1.5, 60.0
# Factor in the sigmoid of the drift. With 2, one of the two scenes prevails most of the time.
_DRIFT_STEEPNESS = 2.0
# Length of background pieces in videos without instances: the median length of THUMOS14's instances, in snippets.
_PIECE_SNIPPETS = 4.5
_NUM_PHASES = 3  # of an action: beginning, middle, end

_POSITIVE = {
    'train_videos',
    'test_videos',
    'snippet_sec',
    'dim',
    'latent_dim',
    'gain',
    'soft_end',
    'snippets_per_piece',
}
_SHARES = {'phase_constancy', 'piece_likeness', 'own_pieces', 'class_context'}


@dataclass(frozen=True)
class SyntheticParams:
    """Parameters of a generated dataset; the defaults generate the package's embedded dataset.

    The features are made in a latent space. A class prototype is the latent vector of an action of this class: the sum
    of a motion that all classes share, a motion that only the two classes of a related pair share, and a motion that is
    specific to the class. A background piece is a stretch of background that resembles an action. A scene is the latent
    vector of the surroundings. Strengths are lengths of latent vectors; strengths of noise are expected lengths. Shares
    lie in [0, 1].

    Args:
        seed: Seed of everything that is drawn, >= 0.
        train_videos: Number of training videos to draw; not used with real annotations.
        test_videos: Number of test videos to draw; not used with real annotations.
        snippet_sec: Length of a snippet in seconds: 16 frames at 25 per second, as on THUMOS14.
        dim: D, dimensions of a feature.
        latent_dim: Dimensions of the space in which actions, scenes and noise are added.
        gain: Scale of the features.
        action_strength: Strength of a class prototype.
        common_motion: Weight, in a prototype, of the motion that all classes share. The motion of a pair has weight 1.
        own_motion: Weight, in a prototype, of the motion that is specific to the class.
        phase_constancy: Share (of the squared length) of a prototype that is the same in the three phases of an action:
            beginning, middle and end.
        instance_strength: Range from which a factor is drawn for each instance: its action strength is multiplied by
            this factor.
        style_strength: Strength of the random vector that each instance adds to its prototype.
        soft_end: Length of the fade-in and of the fade-out of an instance, as a share of its length.
        boundary_jitter: Standard deviation of the distance from the annotated to the visible start or end, as a share
            of the instance's length.
        snippets_per_piece: Mean number of snippets per background piece: the smaller, the more pieces.
        piece_strength: Strength of a background piece, as a multiple of ``action_strength``.
        piece_likeness: Factor l, from 0 to 1, of the class-specific motion in a background piece. A random motion is
            added with the factor ``sqrt(1 - l^2)``, so that the length stays the same.
        own_pieces: Share of the background pieces that resemble a class of their video; the others resemble any class.
        context_strength: Strength of the scene, which is visible in actions and in background.
        class_context: Share (of the squared length) of a scene that is typical of the video's classes.
        slow_noise: Strength of noise with a correlation time of 6 snippets.
        fast_noise: Strength of noise with a correlation time of 1.5 snippets.
        white_noise: Strength of noise without correlation.

    Raises:
        InputError: A number is out of range.
    """

    seed: int = 0
    train_videos: int = 60
    test_videos: int = 30
    snippet_sec: float = 0.64
    dim: int = 64
    latent_dim: int = 100
    gain: float = 0.7
    action_strength: float = 2.0
    common_motion: float = 1.0
    own_motion: float = 1.5
    phase_constancy: float = 0.4
    instance_strength: tuple = (0.6, 1.3)
    style_strength: float = 1.0
    soft_end: float = 0.15
    boundary_jitter: float = 0.1
    snippets_per_piece: float = 15.0
    piece_strength: float = 1.2
    piece_likeness: float = 0.0
    own_pieces: float = 0.9
    context_strength: float = 5.0
    class_context: float = 0.85
    slow_noise: float = 0.5
    fast_noise: float = 0.5
    white_noise: float = 0.5

    @classmethod
    def from_dict(cls, params: dict[str, Any]) -> 'SyntheticParams':
        """Build the parameters from a user's dict.

        Raises:
            InputError: A field is unknown, or a number is out of range.
        """
        names = [field.name for field in fields(cls)]
        unknown = [name for name in params if name not in names]
        if unknown:
            raise InputError(f'fields among {names}', field='generator', found=unknown)
        return cls(**params)

    def __post_init__(self):
        object.__setattr__(self, 'instance_strength', tuple(np.atleast_1d(self.instance_strength).tolist()))
        for field in fields(self):
            value = getattr(self, field.name)
            numbers = value if field.type is tuple else (value,)
            if not all(_is_number(number, field) for number in numbers):
                kind = 'whole number' if field.type is int else 'number'
                limit = 'between 0 and 1' if field.name in _SHARES else '> 0' if field.name in _POSITIVE else '>= 0'
                raise InputError(f'a {kind} {limit}', field=field.name, found=value)
        if len(self.instance_strength) != 2 or self.instance_strength[0] > self.instance_strength[1]:
            raise InputError(
                'the ends of a range, the smaller one first', field='instance_strength', found=self.instance_strength
            )


def _is_number(value, field):
    if isinstance(value, bool) or not isinstance(value, int if field.type is int else (int, float)):
        return False
    in_range = 0 < value < math.inf if field.name in _POSITIVE else 0 <= value < math.inf
    return in_range and (value <= 1 or field.name not in _SHARES)


def make_features(annotations: Annotations, params: SyntheticParams) -> Iterator[tuple[str, np.ndarray]]:
    """Make the features of one video after the other.

    The latent vector of a snippet is the sum of scene, instances, action-like background pieces and noise. A fixed
    random linear map and a ReLU turn this vector into a feature. Classes 0 and 1, 2 and 3, ... are related pairs. The
    features of a video depend on ``params``, on the video's id, duration and segments, and on the number of classes,
    but not on other videos.

    Args:
        annotations (Annotations): Videos with durations and segments; points are not used.
        params (SyntheticParams): Parameters of the features.

    Yields:
        tuple[str, np.ndarray]: Video id and ``(T, D)`` float16 features, ``T = max(1, floor(duration / snippet_sec))``.

    Raises:
        InputError: A video has no duration.
    """
    world = _World(len(annotations.classes), params)
    grid = SnippetGrid(params.snippet_sec)
    for video_id, record in annotations.videos.items():
        if record.duration_sec is None:
            raise InputError('a duration, to make features', video=video_id, field='duration_sec')
        num_snippets = max(1, int(grid.to_snippet(record.duration_sec)))
        segments = record.segments_sec / params.snippet_sec
        latent = _video_latent(num_snippets, segments, record.segment_labels, world, params, video_id)
        yield video_id, np.maximum(params.gain * (latent @ world.lift), 0).astype(np.float16)


class _World:
    """Random vectors that all videos share. K is the dimension of the latent space.

    Attributes:
        actions: ``(C, 3, K)`` class prototypes, in three phases.
        pieces: ``(C, 3, K)`` background pieces that resemble the class.
        scenes: ``(C, K)`` scenes that are typical of the class.
        lift: ``(K, D)`` linear map from latent vectors to features.
    """

    def __init__(self, num_classes, params):
        size = params.latent_dim
        # The three motions are nearly orthogonal, so the length of their weighted sum is close to the norm of the
        # weights. Scaled by this norm, a prototype has about the length action_strength.
        weights = np.array([params.common_motion, 1.0, params.own_motion])
        common, pair, own = weights * params.action_strength / np.linalg.norm(weights)
        pair_of_class = np.arange(num_classes) // 2  # 0, 0, 1, 1, ...
        shared = common * self._motions('common motion', 1, params)
        shared = shared + pair * self._motions('pairs', pair_of_class[-1] + 1, params)[pair_of_class]
        class_motion = own * self._motions('classes', num_classes, params)
        self.actions = shared + class_motion
        # In a background piece, other motion replaces a part of the class-specific motion, without changing its length.
        other = own * self._motions('background pieces', num_classes, params)
        unlike = np.sqrt(1 - params.piece_likeness**2)
        self.pieces = params.piece_strength * (shared + params.piece_likeness * class_motion + unlike * other)
        self.scenes = _unit(video_rng(params.seed, 'scenes').standard_normal((num_classes, size)))
        self.lift = video_rng(params.seed, 'lift').standard_normal((size, params.dim))

    @staticmethod
    def _motions(name, count, params):
        """Motions ``(count, 3, K)`` of length about 1: a part shared by the three phases, plus a part of each phase."""
        rng = video_rng(params.seed, name)
        constant = _unit(rng.standard_normal((count, 1, params.latent_dim)))
        phases = _unit(rng.standard_normal((count, _NUM_PHASES, params.latent_dim)))
        return np.sqrt(params.phase_constancy) * constant + np.sqrt(1 - params.phase_constancy) * phases


def _unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def _video_latent(num_snippets, segments, labels, world, params, video_id):
    """Latent vectors ``(T, K)`` of one video, from its ``segments (M, 2)`` in snippets and their ``labels (M,)``."""
    rng = video_rng(params.seed, f'features of {video_id}')
    own = np.unique(labels) if len(labels) else np.arange(len(world.scenes))  # classes of the video, or all classes
    latent = _scene(num_snippets, own, world, params, rng) + _noise(num_snippets, params, rng)
    is_background = np.ones((num_snippets, 1))
    for (start, end), label in zip(segments, labels):
        is_background[max(0, int(start)) : int(np.ceil(end))] = 0
        jitter = np.clip(params.boundary_jitter * rng.standard_normal(2), -_MAX_JITTER, _MAX_JITTER) * (end - start)
        strength = rng.uniform(*params.instance_strength)
        _add_instance(latent, start + jitter[0], end + jitter[1], strength * world.actions[label], params, rng)
    # A background piece is as long as one of the video's instances, or shorter. Where it overlaps an instance, it is
    # cut off.
    pieces = np.zeros_like(latent)
    durations = np.diff(segments)[:, 0] if len(segments) else np.array([_PIECE_SNIPPETS])
    for _ in range(rng.poisson(num_snippets / params.snippets_per_piece)):
        label = rng.choice(own) if rng.random() < params.own_pieces else rng.integers(len(world.scenes))
        start, duration = rng.uniform(0, num_snippets), rng.choice(durations) * rng.uniform(0.5, 1)
        _add_instance(pieces, start, start + duration, world.pieces[label], params, rng)
    return latent + is_background * pieces


def _scene(num_snippets, own, world, params, rng):
    """Scene ``(T, K)``: a drift between two random scenes, each of them mixed with the scene of the classes ``own``."""
    scenes = np.sqrt(1 - params.class_context) * _unit(rng.standard_normal((2, params.latent_dim)))
    scenes += np.sqrt(params.class_context) * world.scenes[own].mean(0)
    # Share of scene 0: the sigmoid of slow noise.
    drift = 1 / (1 + np.exp(-_DRIFT_STEEPNESS * _smooth_noise(num_snippets, 1, _DRIFT_SNIPPETS, rng)))
    return params.context_strength * (drift * scenes[0] + (1 - drift) * scenes[1])


def _noise(num_snippets, params, rng):
    """Sum ``(T, K)`` of slow, fast and white noise, divided by sqrt(K): so expected lengths equal the strengths."""
    size = params.latent_dim
    noise = params.slow_noise * _smooth_noise(num_snippets, size, _SLOW_SNIPPETS, rng)
    noise += params.fast_noise * _smooth_noise(num_snippets, size, _FAST_SNIPPETS, rng)
    noise += params.white_noise * rng.standard_normal((num_snippets, size))
    return noise / np.sqrt(size)


def _smooth_noise(num_snippets, size, correlation_snippets, rng):
    """Stationary first-order autoregressive noise ``(T, size)`` of variance 1."""
    keep = np.exp(-1 / correlation_snippets)
    noise = rng.standard_normal((num_snippets, size))
    noise[1:] *= np.sqrt(1 - keep**2)
    for snippet in range(1, num_snippets):
        noise[snippet] += keep * noise[snippet - 1]
    return noise


def _add_instance(latent, start, end, motion, params, rng):
    """Add an instance of ``motion (3, K)`` from ``start`` to ``end``, in snippets, with a random style vector."""
    style = params.style_strength * rng.standard_normal(motion.shape[1]) / np.sqrt(motion.shape[1])
    fade = params.soft_end * (end - start) / 2
    first, stop = max(0, int(np.floor(start - fade))), min(len(latent), int(np.ceil(end + fade)))
    if first >= stop or start >= end:
        return
    # The instance is computed at several times per snippet. Position is 0 at its start and 1 at its end.
    time = first + (np.arange((stop - first) * _SAMPLES) + 0.5) / _SAMPLES
    position = (time - start) / (end - start)
    # The envelope fades in and out, and is one half at both ends. The weights of the three phases are hat functions
    # about the positions 1/6, 1/2 and 5/6; at each position, the three weights add up to 1.
    envelope = np.clip(np.minimum(position, 1 - position) / params.soft_end + 0.5, 0, 1)
    centres = (np.arange(_NUM_PHASES) + 0.5) / _NUM_PHASES
    distance = np.abs(np.clip(position, centres[0], centres[-1])[:, None] - centres)
    weights = envelope[:, None] * np.maximum(1 - _NUM_PHASES * distance, 0)
    of_snippet = weights.reshape(-1, _SAMPLES, _NUM_PHASES).mean(1)
    latent[first:stop] += of_snippet @ (motion + style)
