"""Compare ``DELUHead`` with DELU's public code: functions, gradients, 20 training steps, and proposals.

Usage: git clone https://github.com/MengyuanChen21/ECCV2022-DELU && python tools/benchmarks/parity/delu.py ECCV2022-DELU
"""

from functools import partial
from types import SimpleNamespace

import torch
from mmaction.structures import ActionDataSample
from mmengine.logging import MessageHub
from proposals import CLASSES, compare_all_proposals, detect, faithful_head, parse_args, patches_of
from public_code import Report, difference, gradient, load_module, parameter_difference

from fsptal_mm.models import CoActivityLoss, DELUHead
from fsptal_mm.models.heads.delu_head import DELUOutputs, suppress
from fsptal_mm.structures import SnippetBatch

DIM, LENGTH, BATCH = 32, 64, 10  # columns of a stream; snippets of a video; videos of a batch, as the public code needs
STEPS, TOTAL = 20, 25  # 20 steps are compared; the losses follow the schedule of a training of 25 steps
CUDA = "torch.set_default_tensor_type('torch.cuda.FloatTensor')"
# Values of scripts/train_thumos.sh, and the defaults of options.py for what this script does not set.
OPTIONS = SimpleNamespace(
    dropout_ratio=0.0,
    AWM='BWA_fusion_dropout_feat_v2',
    rat_atn=9,
    num_class=CLASSES,
    max_iter=TOTAL,
    amplitude=0.7,
    k=7,
    alpha_edl=1.3,
    alpha_uct_guide=0.4,
    alpha1=0.8,
    alpha2=0.4,
    alpha3=1,
    alpha4=1,
)
# Patches that remove CUDA, make the network narrower, and switch off dropout that has no option.
PATCHES = [
    (CUDA, ''),
    ('.cuda()', ''),
    ('2048', str(2 * DIM)),
    ('1024', str(DIM)),
    ('512', str(DIM // 2)),
    ('nn.Dropout(0.5)', 'nn.Dropout(0.0)'),
    ('nn.Dropout(0.7)', 'nn.Dropout(0.0)'),
]
# Patch that removes the 1e-4 that the public code adds to the number of labels of a video.
ADDED = ('keepdim=True) + 1e-4)', 'keepdim=True))')

# Patches that remove options of the command line, pandas and the log, which proposals do not need.
NEEDED = [
    ('proposal_methods.py', 'import options\n', ''),
    (
        'proposal_methods.py',
        'options.parser.parse_args()',
        'type("", (), dict(scale=1, feature_fps=25, gamma_oic=0.2))',
    ),
    ('proposal_methods.py', 'import pandas as pd\n', 'pd = type("", (), dict(DataFrame=dict))\n'),
    ('proposal_methods.py', 'utils.wsad_utils', 'delu_utils'),
    ('proposal_methods.py', 'logger.error(f"Index error")', 'pass'),
]
INNER = 'inner_score = np.mean('
# Patches of the public code, by the name of a repair. Each repair removes one difference between its proposals and
# ours.
REPAIRS = {
    'outer ranges rounded up': [
        ('wsad_utils.py', '[-1] + lambda_ * len_proposal', '[-1] + np.ceil(lambda_ * len_proposal)'),
    ],
    'runs of one snippet left out before soft-NMS': [
        ('wsad_utils.py', INNER, f'if len(grouped_temp_list[j]) < 2: continue\n                {INNER}')
    ],
    'equal runs once': [
        (
            'proposal_methods.py',
            'soft_nms(proposal_dict[class_id],',
            'soft_nms(np.unique(proposal_dict[class_id], axis=0),',
        )
    ],
    'lengths without + 1': [
        ('wsad_utils.py', 'areas = x2 - x1 + 1', 'areas = x2 - x1'),
        ('wsad_utils.py', 'xx2 - xx1 + 1', 'xx2 - xx1'),
    ],
}


def public_model(clone, patches):
    """Load the public ``model.py``, with patches."""
    for name in ('base', 'edl_loss'):
        load_module(clone / f'{name}.py', [], name)
    return load_module(clone / 'model.py', patches, 'model')  # the public model.py imports itself by this name


def build_head():
    """Build our head with all switches as in the public code, without dropout."""
    return DELUHead(
        CLASSES,
        2 * DIM,
        (DIM, DIM),
        dropout=0.0,
        filter_dropout=0.0,
        uncertainty_loss=dict(type='UncertaintyGuideLoss', course='gather', loss_weight=0.4),
        scores='logits',
    )


def copy_weights(theirs):
    """Return the weights of the public network, under the names of our layers, without those that have no effect."""
    state = theirs.state_dict()
    names = {'fusion': 'fusion.0', 'conv': 'classifier.1', 'classifier': 'classifier.4'}
    for stream, name in enumerate(('vAttn', 'fAttn')):
        parts = dict(of_video='channel_conv.0', of_snippets='bit_wise_attn.0', attention_logit='attention.5')
        parts |= {'attention.0': 'attention.0', 'attention.1': 'attention.3'}
        names |= {f'filters.{stream}.{own}': f'{name}.{part}' for own, part in parts.items()}
    own = {f'{ours}.{part}': state[f'{name}.{part}'] for ours, name in names.items() for part in ('weight', 'bias')}
    for name, value in own.items():
        if value.ndim == 3 and value.shape[2] == 1:
            own[name] = value[..., 0]
        elif 'of_video' in name and value.ndim == 3:
            own[name] = value[..., 1]  # the input is one mean with zeros beside it, so only the middle tap counts
    return own


def draw_labels(generator, num_videos=BATCH):
    """Draw video labels ``(B, C)`` of one to three classes; the first six videos are pairs that share a class."""
    labels = torch.zeros(num_videos, CLASSES)
    for video in range(num_videos):
        classes = torch.randperm(CLASSES, generator=generator)[: 1 + video % 3]
        labels[video, classes] = 1
        if video % 2 and video < 6:
            labels[video, labels[video - 1].argmax()] = 1
    return labels


def compare_losses(theirs, report):
    """Compare each term and its gradients on random outputs, and the terms of videos of other lengths.

    Some terms change during a training. So differences are taken at its beginning, at 30 % of it and at its end; the
    largest of the three is reported.
    """
    generator = torch.Generator().manual_seed(0)
    head, labels, worst = build_head(), draw_labels(generator), {}
    for progress in (0.0, 0.3, 1.0):
        z, raw, h = (
            (scale * torch.randn(BATCH, LENGTH, size, generator=generator)).requires_grad_()
            for scale, size in ((3, CLASSES + 1), (3, 2), (1, 2 * DIM))
        )
        attentions = raw.sigmoid()
        _, terms = public_loss(theirs, z, attentions, h, labels, progress)
        mask = torch.ones(BATCH, LENGTH, dtype=torch.bool)
        ours = head.loss_by_feat(z, attentions, mask, labels, progress)
        batch = SnippetBatch.from_videos(list(torch.zeros(BATCH, LENGTH, 1)))
        compared = batch.with_features(batch.join(list(h)))
        ours['loss_co_activity'] = CoActivityLoss(3)(compared, suppress(z, attentions.mean(-1)), labels)
        for name, expected in terms.items():
            pairs = zip(gradient(ours[name], z, raw, h), gradient(expected, z, raw, h))
            found = difference(ours[name], expected), max(relative(*pair) for pair in pairs)
            worst[name] = [max(pair) for pair in zip(found, worst.get(name, (0, 0)))]
    for name, (of_loss, of_gradients) in worst.items():
        report.row(name, of_loss, 1e-5)
        report.row(f'{name}, gradients, relative', of_gradients, 1e-4)
    show_switches(theirs, z, attentions, h, labels)
    compare_lengths(head, labels, generator, report)


def show_switches(theirs, z, attentions, h, labels):
    """Print how far our default for ``loss_uncertain`` is from the public code, at the end of the training."""
    mask = torch.ones(z.shape[:2], dtype=torch.bool)
    _, terms = public_loss(theirs, z, attentions, h, labels, 1.0)
    ours = DELUHead(CLASSES, 2 * DIM, (DIM, DIM)).loss_by_feat(z, attentions, mask, labels, 1.0)
    apart = difference(ours['loss_uncertain'], terms['loss_uncertain'])
    print(f"(loss_uncertain with course='rank' is {apart:.1e} apart from the public code's)")


def relative(found, expected):
    """Return the largest difference, divided by the largest expected value."""
    return float((found - expected).abs().max() / expected.abs().max().clamp(min=1e-12))


def compare_added(theirs, report):
    """Compare L_video and L_suppressed with the unchanged public code: unlike ours, it adds 1e-4 to the label count."""
    generator = torch.Generator().manual_seed(2)
    z, attentions = (torch.randn(BATCH, LENGTH, size, generator=generator) for size in (CLASSES + 1, 2))
    labels, h = draw_labels(generator), torch.randn(BATCH, LENGTH, 2 * DIM, generator=generator)
    _, terms = public_loss(theirs, z, attentions.sigmoid(), h, labels, 0.0)
    mask = torch.ones(BATCH, LENGTH, dtype=torch.bool)
    ours = build_head().loss_by_feat(z, attentions.sigmoid(), mask, labels, 0.0)
    worst = max(relative(ours[name], terms[name]) for name in ('loss_video', 'loss_suppressed'))
    report.row('loss_video and loss_suppressed with 1e-4 more labels, relative', worst, 2e-4)


def compare_lengths(head, labels, generator, report):
    """Compare our terms on a padded batch of three lengths with the means of our terms on the single videos."""
    lengths, labels = (64, 30, 47), labels[:3]
    z, attentions = (3 * torch.randn(3, 64, size, generator=generator) for size in (CLASSES + 1, 2))
    attentions, mask = attentions.sigmoid(), torch.arange(64) < torch.tensor(lengths)[:, None]
    whole = head.loss_by_feat(z, attentions, mask, labels, 0.2)
    alone = [
        head.loss_by_feat(z[own, :length], attentions[own, :length], mask[own, :length], labels[own], 0.2)
        for own, length in ((slice(video, video + 1), length) for video, length in enumerate(lengths))
    ]
    worst = max(difference(loss, sum(one[name] for one in alone) / 3) for name, loss in whole.items())
    report.row('all but L_co_activity of a batch of three lengths against means of single videos', worst, 1e-5)


def public_loss(theirs, z, attentions, h, labels, progress):
    """Compute the public code's loss: the total, and the terms under our names."""
    of_rgb, of_flow = attentions[..., :1], attentions[..., 1:]
    outputs = dict(feat=h, cas=z, attn=(of_flow + of_rgb) / 2, v_atn=of_rgb, f_atn=of_flow)
    total, terms = theirs.criterion(outputs, labels, opt=OPTIONS, itr=progress * TOTAL)
    names = dict(
        loss_video='loss_mil_orig',
        loss_suppressed='loss_mil_supp',
        loss_evidence='edl_loss',
        loss_uncertain='uct_guide_loss',
        loss_guide='guide_loss',
        loss_sparsity='norm_loss',
        loss_mutual='mutual_loss',
        loss_co_activity='loss_supp_contrastive',
    )
    return total, {ours: terms[name] for ours, name in names.items()}


def make_samples(labels):
    """Make data samples with video labels alone."""
    samples = []
    for number, own in enumerate(labels):
        sample = ActionDataSample(metainfo=dict(video_id=f'v{number}', num_snippets=LENGTH))
        sample.gt_video_labels = own
        samples.append(sample)
    return samples


def compare_network(head, theirs, features, report):
    """Compare the outputs of both networks with the same weights."""
    batch = SnippetBatch.from_videos(list(features))
    outputs, expected = head.outputs(batch), theirs(features)
    attention = torch.cat([expected['v_atn'], expected['f_atn']], -1)
    for name, own, other in (
        ('z', outputs.logits, expected['cas']),
        ('a of both streams', outputs.attentions, attention),
        ('h', outputs.features, expected['feat']),
    ):
        report.row(f'{name}, same weights', difference(batch.pad(own), other), 1e-5)


def compare_steps(module, report):
    """Compare losses in 20 steps of Adam on batches of ten videos of one length, without dropout."""
    torch.manual_seed(0)
    theirs = module.DELU(2 * DIM, CLASSES, opt=OPTIONS)
    head = build_head().train()
    head.load_state_dict(copy_weights(theirs))
    generator = torch.Generator().manual_seed(1)
    features = torch.randn(20, LENGTH, 2 * DIM, generator=generator)
    compare_network(head, theirs, features, report)
    optimizers = [torch.optim.Adam(model.parameters(), lr=5e-4, weight_decay=1e-3) for model in (head, theirs)]
    hub, worst = MessageHub.get_instance('parity'), 0.0
    hub.update_info('max_iters', TOTAL)
    for step in range(STEPS):
        hub.update_info('iter', step)
        chosen, labels = torch.randperm(20, generator=generator)[:BATCH], draw_labels(generator)
        batch = SnippetBatch.from_videos(list(features[chosen]))
        found = sum(head.loss(batch, make_samples(labels)).values())
        outputs = theirs(features[chosen])
        attentions = torch.cat([outputs['v_atn'], outputs['f_atn']], -1)
        expected, _ = public_loss(theirs, outputs['cas'], attentions, outputs['feat'], labels, step / TOTAL)
        worst = max(worst, difference(found, expected))
        for loss, optimizer in zip((found, expected), optimizers):
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    report.row(f'largest difference of the loss in {STEPS} steps of {BATCH}', worst, 1e-4)
    report.row('parameters after them, relative', parameter_difference(head, copy_weights(theirs)), 1e-3)
    compare_network(head, theirs, features, report)


def draw_outputs(logits, actionness):
    """Make outputs of a network from the drawn logits of a video (see ``proposals.drawn_videos``).

    The columns are class logits, background last, and the attentions of both feature streams.
    """
    attentions = torch.stack([actionness - 0.5, 0.8 * actionness], -1).sigmoid()
    return torch.cat([logits, -actionness[:, None], attentions], -1)


def read_outputs(head, batch):
    """Read the outputs of a trained head, in the columns of :func:`draw_outputs`."""
    outputs = head.outputs(batch)
    return torch.cat([outputs.logits, outputs.attentions], -1)


def our_proposals(num_classes):
    """Return a function that detects actions in a video with our head and the outputs of the video."""
    head = faithful_head('delu', num_classes, streams=(4, 4))
    head.outputs = lambda batch: DELUOutputs(batch.features[:, :-2], batch.features[:, -2:], None)
    return partial(detect, head)


def public_proposals(clone, num_classes, patches):
    """Return a function that detects actions in a video with the public code's ``multiple_threshold_hamnet``."""
    patches = [*NEEDED, *patches]
    load_module(clone / 'utils/wsad_utils.py', patches_of('wsad_utils.py', patches), 'delu_utils')
    methods = load_module(
        clone / 'proposal_methods.py', patches_of('proposal_methods.py', patches), 'delu_proposal_methods'
    )

    def detections(video):
        outputs = video.outputs[None]
        attention = outputs[..., -2:].mean(-1, keepdim=True)
        found = methods.multiple_threshold_hamnet(b'v', dict(cas=outputs[..., :-2], attn=attention))
        segments = torch.tensor([found['t-start'], found['t-end']], dtype=torch.float64).t()
        long = segments[:, 1] - segments[:, 0] > 1  # as the public test.py does
        return video.detections(segments[long], *(torch.tensor(found[key])[long] for key in ('label', 'score')))

    return detections


def main():
    args = parse_args(__doc__)
    report = Report()
    as_it_is = public_model(args.clone, PATCHES).DELU(2 * DIM, CLASSES, opt=OPTIONS)
    module = public_model(args.clone, [*PATCHES, ADDED])
    compare_added(as_it_is, report)
    compare_losses(module.DELU(2 * DIM, CLASSES, opt=OPTIONS), report)
    compare_steps(module, report)
    compare_all_proposals(args, report, draw_outputs, read_outputs, our_proposals, public_proposals, REPAIRS)
    report.finish()


if __name__ == '__main__':
    main()
