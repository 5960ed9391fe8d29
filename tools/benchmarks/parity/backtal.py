"""Compare ``BackTALHead`` with BackTAL's public code: functions, gradients, 20 training steps, and proposals.

Usage: git clone https://github.com/VividLe/BackTAL && python tools/benchmarks/parity/backtal.py BackTAL
"""

from functools import partial
from types import SimpleNamespace

import torch
from mmaction.structures import ActionDataSample
from mmengine.config import Config
from proposals import CLASSES, Layer, compare_all_proposals, detect, faithful_head, parse_args, patches_of
from public_code import Report, difference, gradient, load_module, parameter_difference

from fsptal_mm.models import BackTALHead
from fsptal_mm.models.heads.backtal_head import BackTALOutputs
from fsptal_mm.structures import PointTargets, SnippetBatch

DIM, HIDDEN, LENGTH = 24, 64, 64
CONFIG = SimpleNamespace(
    NETWORK=SimpleNamespace(
        FEAT_DIM=DIM,
        CASMODULE_DROPOUT=0.0,
        TOPK_K_R=0.125,
        TOPK_K_R_FOR_LOSS=0.125,
        TH_SIMILAR_MIN=0.5,
        TH_DIFFERENT_MAX=0.1,
    ),
    DATASET=SimpleNamespace(NUM_SEGMENTS=LENGTH, CLS_NUM=CLASSES, NAME='THUMOS14'),
    TRAIN=SimpleNamespace(C_LOSS_NORM=1e-4, C_LOSS_TOPK_BG=1.0, C_LOSS_EMBEDDING=0.8),
)

# Patches of the public code, by the name of a repair. Each repair removes one difference between its proposals and
# ours.
REPAIRS = {
    'scores below the least of a video are 0': [
        ('functions.py', 'x_norm = (x - min_val) / delta', 'x_norm = ((x - min_val) / delta).clamp(min=0)')
    ],
    'outer ranges rounded up, runs of point 0 alone kept': [
        (
            'functions.py',
            'int(proposal[-1] + cfg.TEST.OUTER_LAMBDA * len(proposal))',
            'int(proposal[-1] + 1 + np.ceil(cfg.TEST.OUTER_LAMBDA * len(proposal)))',
        ),
        ('functions.py', 'if any(position):', 'if len(position):'),
    ],
    'lengths without + 1': [
        ('nms.py', 'areas = x2 - x1 + 1', 'areas = x2 - x1'),
        ('nms.py', 'xx2 - xx1 + 1', 'xx2 - xx1'),
    ],
}


def public_modules(clone):
    """Load the public network, with fewer channels, and the public loss, changed for the CPU."""
    network = load_module(
        clone / 'lib/models/network.py', [('2048', str(HIDDEN)), ('512', str(HIDDEN // 4))], 'backtal_network'
    )
    return network, load_module(clone / 'lib/criterion/loss.py', [('.cuda()', '')], 'backtal_loss')


def make_samples(num_videos, num_classes, seed):
    """Make data samples with clicks and ``num_classes`` video labels; the third video has no click."""
    generator, samples = torch.Generator().manual_seed(seed), []
    for number in range(num_videos):
        sample = ActionDataSample(metainfo=dict(video_id=f'v{number}', num_snippets=LENGTH))
        sample.snippet_instances = torch.full((LENGTH, CLASSES), -1, dtype=torch.int32)
        sample.background_labels = torch.zeros(LENGTH, dtype=torch.bool)
        if number != 2:
            sample.background_labels[torch.randperm(LENGTH, generator=generator)[: 3 + number % 3]] = True
        sample.gt_video_labels = torch.zeros(CLASSES)
        sample.gt_video_labels[torch.randperm(CLASSES, generator=generator)[:num_classes]] = 1
        samples.append(sample)
    return samples


def copy_weights(theirs):
    """Return the weights of the public network, under the names of our layers."""
    state = theirs.state_dict()
    names = {'classifier.weight': 'classifier_module.conv.weight'}
    for number in (0, 1):
        names[f'convs.{number}.weight'] = f'base_module.conv_{number + 1}.weight'
        for part in ('weight', 'bias'):
            names[f'affinity.{number}.{part}'] = f'embedding_module.conv_{number + 1}.{part}'
            names[f'attention.{2 * number}.{part}'] = f'filter_module.conv_{number + 1}.0.{part}'
    own = {ours: state[name] for ours, name in names.items()}
    return {
        name: value[..., 0] if name[:2] in ('at', 'cl') and value.ndim == 3 else value for name, value in own.items()
    }


def public_loss(module, outputs, samples):
    """Compute the public code's loss: the total, and the terms."""
    video = torch.stack([sample.gt_video_labels for sample in samples])
    clicks = torch.where(torch.stack([sample.background_labels for sample in samples]), CLASSES, -100)
    return module.BackTALLoss(CONFIG)(CONFIG, *outputs, video, clicks, None)


def to_outputs(z, suppressed, attention, embedding):
    """Convert padded outputs of the public network, channels first, to a packed batch and outputs of our head."""
    batch = SnippetBatch.from_videos([torch.zeros(LENGTH, 1)] * len(z))
    rows = [batch.join(list(part.transpose(1, 2))) for part in (z, suppressed, attention, embedding)]
    return batch, BackTALOutputs(rows[0], rows[1], rows[0], rows[2], rows[3])


def compare_losses(loss_module, report):
    """Compare each term, and the gradients of the total, on random outputs."""
    head = BackTALHead(CLASSES, DIM, HIDDEN)
    for num_classes in (1, 2):
        samples = make_samples(3, num_classes, num_classes)
        generator = torch.Generator().manual_seed(num_classes)
        shapes = (CLASSES + 1, CLASSES + 1, 1, 32)
        leaves = [torch.randn(3, size, LENGTH, generator=generator).requires_grad_() for size in shapes]
        z, suppressed, raw, embedding = leaves
        attention, embedding = raw.sigmoid(), torch.nn.functional.normalize(embedding, dim=1)
        batch, outputs = to_outputs(z, suppressed, attention, embedding)
        ours = head.loss_by_feat(outputs, batch, PointTargets.from_samples(samples, batch.mask))
        pooled = [part.topk(LENGTH // 8, 2).values.mean(2) for part in (z, suppressed)]
        theirs = (pooled[0], z, pooled[1], suppressed, embedding, attention)
        total, terms = public_loss(loss_module, theirs, samples)
        kind = f'videos of {num_classes} class{"es" * (num_classes > 1)}'
        report.row(f'L_base, {kind}', difference(ours['loss_base'], terms['loss_base']), 1e-5)
        report.row(f'L_suppressed, {kind}', difference(ours['loss_suppressed'], terms['loss_supp']), 1e-5)
        report.row(f'L_sparsity, {kind}', difference(ours['loss_sparsity'], 1e-4 * terms['loss_norm']), 1e-5)
        criterion, clicks = loss_module.BackTALLoss(CONFIG), torch.stack([s.background_labels for s in samples])
        clicks = torch.where(clicks, CLASSES, -100)
        report.row(f'L_click, {kind}', difference(ours['loss_click'], criterion.ce(z, clicks)), 1e-5)
        video = torch.stack([sample.gt_video_labels for sample in samples])
        on_embedding = 0.8 * criterion.embedding_loss(CONFIG, embedding, clicks, suppressed, video)
        limit = 1e-5 if num_classes == 1 else 0.05  # the public code counts a snippet of two classes twice
        report.row(f'L_embedding, {kind}', difference(ours['loss_embedding'], on_embedding), limit)
        rest = total - on_embedding
        report.row(f'all but L_embedding, {kind}', difference(sum(ours.values()) - ours['loss_embedding'], rest), 1e-5)
        pairs = zip(gradient(sum(ours.values()), *leaves), gradient(total, *leaves))
        report.row(f'gradients of the total, {kind}', max(difference(*pair) for pair in pairs), limit)


def compare_steps(network_module, loss_module, report):
    """Compare outputs of the network, losses in 20 steps of Adam without dropout, and the parameters after them."""
    torch.manual_seed(0)
    theirs = network_module.Network(CONFIG)
    head = BackTALHead(CLASSES, DIM, HIDDEN, dropout=0.0, affinity='thirds').train()
    head.load_state_dict(copy_weights(theirs))
    features, samples = torch.randn(8, LENGTH, DIM), make_samples(8, 1, 5)
    batch = SnippetBatch.from_videos(list(features))
    outputs = head.outputs(batch)
    _, z, _, suppressed, embedding, attention = theirs(features.transpose(1, 2), True)
    found = (
        outputs.logits,
        outputs.suppressed,
        torch.nn.functional.normalize(outputs.embedding, dim=1),
        outputs.attention,
    )
    for name, own, expected in zip(('z', 'z^s', 'E', 'lambda'), found, (z, suppressed, embedding, attention)):
        report.row(f'{name}, same weights', difference(batch.pad(own), expected.transpose(1, 2)), 1e-5)
    taps = BackTALHead(CLASSES, DIM, HIDDEN, dropout=0.0)
    taps.load_state_dict(head.state_dict())
    apart = difference(batch.pad(taps.outputs(batch).logits), z.transpose(1, 2))
    print(f"(z with affinity='taps', as the paper describes it, is {apart:.1e} apart from the public code's)")
    optimizers = [torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=5e-4) for model in (head, theirs)]
    worst = 0.0
    for step in range(20):
        chosen = [(3 * step + place) % 8 for place in range(4)]
        own = [samples[video] for video in chosen]
        found = sum(head.loss(SnippetBatch.from_videos([features[video] for video in chosen]), own).values())
        expected, _ = public_loss(loss_module, theirs(features[chosen].transpose(1, 2), True), own)
        worst = max(worst, difference(found, expected))
        for loss, optimizer in zip((found, expected), optimizers):
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    report.row('largest difference of the loss in 20 steps of 4', worst, 1e-4)
    report.row('parameters after them, relative', parameter_difference(head, copy_weights(theirs)), 1e-3)


def draw_outputs(logits, actionness):
    """Make outputs of a network from the drawn logits of a video (see ``proposals.drawn_videos``).

    The columns are class logits, background last, and features whose norm is high in actions. All class logits are
    raised by 10 to be positive: segments with scores of 0 tie, and rounding would decide which of them NMS keeps.
    """
    length = actionness.sigmoid()[:, None] * torch.ones(4)
    return torch.cat([logits + 10, 10 - actionness[:, None], length], -1)


def read_outputs(head, batch):
    """Read the outputs of a trained head, in the columns of :func:`draw_outputs`."""
    outputs = head.outputs(batch)
    return torch.cat([outputs.suppressed, outputs.features], -1)


def our_proposals(num_classes):
    """Return a function that detects actions in a video with our head and the outputs of the video."""
    head, size = faithful_head('backtal', num_classes, hidden_channels=8), num_classes + 1
    head.outputs = lambda batch: BackTALOutputs(None, batch.features[:, :size], batch.features[:, size:], None, None)
    return partial(detect, head)


def public_proposals(clone, num_classes, patches):
    """Return a function that detects actions in a video with the public ``evaluate_score``; a snippet has 24 frames."""
    load_module(clone / 'lib/post_process/nms.py', patches_of('nms.py', patches), 'backtal_nms')
    patches = [('from post_process.nms', 'from backtal_nms'), *patches_of('functions.py', patches)]
    functions = load_module(clone / 'lib/post_process/functions.py', patches, 'backtal_functions')
    network, size = public_modules(clone)[0].Network(CONFIG), num_classes + 1
    # The network gets the outputs of a video as its features, and its layers only select columns of them.
    network.filter_module, network.embedding_module = Layer(lambda rows: 1), Layer(lambda rows: rows)
    network.base_module = Layer(lambda rows, _: (rows[:, size:], rows[:, :size]))
    network.classifier_module = torch.nn.Identity()
    config = Config.fromfile(clone / 'experiments/THUMOS14.yaml')
    config.DATASET.CLS_NUM = num_classes

    def detections(video):
        length, sec = len(video.outputs), video.sample.grid.snippet_sec
        network.k = int(length * CONFIG.NETWORK.TOPK_K_R)
        score, cas, features = network(video.outputs.t()[None], is_train=False)
        found, *_ = functions.evaluate_score(
            config, score, cas, torch.zeros(1, num_classes), 'v', 24 * length, 24 / sec, length * sec,
            range(num_classes), features)  # fmt: skip
        segments = torch.tensor([one['segment'] for one in found], dtype=torch.float64) / sec
        return video.detections(segments, *([one[key] for one in found] for key in ('label', 'score')))

    return detections


def main():
    args = parse_args(__doc__)
    network_module, loss_module = public_modules(args.clone)
    report = Report()
    compare_losses(loss_module, report)
    compare_steps(network_module, loss_module, report)
    compare_all_proposals(args, report, draw_outputs, read_outputs, our_proposals, public_proposals, REPAIRS)
    report.finish()


if __name__ == '__main__':
    main()
