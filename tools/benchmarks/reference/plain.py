"""Plain training step: padded batches, loops over snippets, and feature separation of all pairs of snippets at once."""

from dataclasses import replace

import torch
from torch import nn
from torch.nn import functional as F

from .mining import mine_video, points_of


class PaddedConv1d(nn.Conv1d):
    """``nn.Conv1d`` over a batch that is padded to its longest video, with the weights of another convolution."""

    def __init__(self, conv):
        super().__init__(conv.in_channels, conv.out_channels, conv.kernel_size, padding=conv.padding)
        self.load_state_dict(conv.state_dict())

    def forward(self, batch):
        """Convolve the ``(R, D_in)`` rows of a :class:`SnippetBatch`; return ``(R, D_out)``."""
        out = super().forward(batch.pad(batch.features).transpose(1, 2)).transpose(1, 2)
        return self.to_rows(batch, out)

    def to_rows(self, batch, out):
        """Take the rows ``(R, D_out)`` of a packed batch from a padded one, ``(B, T, D_out)``."""
        rows = out.new_zeros(len(batch.features), self.out_channels)
        rows[batch.rows[batch.mask]] = out[batch.mask]
        return rows


class PaddedMaskedConv1d(PaddedConv1d):
    """:class:`PaddedConv1d` with a weight for each tap (position of the kernel) and snippet; computed tap by tap."""

    def forward(self, batch, weights):
        """Convolve the ``(R, D_in)`` rows of a :class:`SnippetBatch` with weights ``(R, K)``; return ``(R, D_out)``."""
        weights, length, reach = batch.pad(weights), batch.mask.shape[1], self.padding[0]
        around = F.pad(batch.pad(batch.features), (0, 0, reach, reach))
        taps = range(self.kernel_size[0])
        seen = [F.linear(around[:, tap : tap + length], self.weight[:, :, tap]) for tap in taps]
        return self.to_rows(batch, self.bias + sum(weights[..., [tap]] * seen[tap] for tap in taps))


def mine_batch(scores, background_scores, targets):
    """Mine a batch as :class:`PseudoLabelMiner` does, but snippet by snippet."""
    instances, background = targets.snippet_instances.clone(), torch.zeros_like(targets.background_labels)
    for video, length in enumerate(targets.mask.sum(1).tolist()):
        parts = (part[video, :length] for part in (scores, background_scores, instances, background))
        scores_of, background_of, *written = parts
        mine_video(scores_of, background_of, points_of(written[0]), *written)
    return replace(targets, snippet_instances=instances, background_labels=background)


class AllPairsLoss(nn.Module):
    """:class:`FeatureSeparationLoss` with gradients through all pairs."""

    def forward(self, embedding, targets, counts):
        """Compute Eq. 11-13; ``counts`` of labelled snippets is not used."""
        terms = []
        for video, features in enumerate(embedding.split(embedding.features)):
            action, other = targets.kinds[:, video, : len(features)]
            direction = F.normalize(features, dim=-1, eps=1e-4)
            cosine = direction @ direction.t()
            zero = cosine.sum() * 0
            hinges = (
                (other, other, lambda pairs: F.relu(0.95 - pairs.amin(1))),
                (action, action, lambda pairs: F.relu(0.95 - pairs.amin(1))),
                (action, other, lambda pairs: F.relu(pairs.amax(1) - 0.1)),
            )
            terms.append(
                torch.stack(
                    [
                        hinge(cosine[anchors][:, partners]).mean() if anchors.any() and partners.any() else zero
                        for anchors, partners, hinge in hinges
                    ]
                )
            )
        names = ('background', 'action', 'between')
        return {f'loss_separation_{name}': term for name, term in zip(names, torch.stack(terms).mean(0))}


def make_plain(model):
    """Replace trunk, miner and separation loss of an FS-PTAL model by plain ones, in place; the search stays."""
    trunk, head = model.embedding, model.head
    trunk.conv = PaddedMaskedConv1d(trunk.conv)
    for place, conv in enumerate(trunk.affinity):
        trunk.affinity[place] = PaddedConv1d(conv)
    head.miner = mine_batch
    head.separation_loss = AllPairsLoss()
    return model
