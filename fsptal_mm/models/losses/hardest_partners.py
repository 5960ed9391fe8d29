"""Search for the least similar partner of every snippet within its video, for all videos of a batch at once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fsptal_mm.structures import to_device

_TILE = 64  # rows; of cosines, a tile is a square of 16 kB
# Tiles of cosines held at a time: 2 MB, which a processor has in its cache, and 256 MB.
_TILES_AT_ONCE, _TILES_AT_ONCE_ON_GPU = 2**7, 2**14


@dataclass(frozen=True)
class Relation:
    """Which rows look for partners, and among which.

    Groups are the rows of one video and one kind, one behind the other; all videos have as many kinds.

    Attributes:
        anchors: Kind of the rows that look for a partner.
        partners: Kind of the rows that they look among.
        most: Look for the most similar partner instead of the least similar one.
        share_class: Look only among rows that share a class with the anchor.
    """

    anchors: int
    partners: int
    most: bool = False
    share_class: bool = False


@torch.no_grad()
def hardest_partners(
    direction: Tensor, counts: np.ndarray, relations: Sequence[Relation], classes: Tensor | None = None
) -> tuple[Tensor, list[np.ndarray]]:
    """Find the partner of the smallest (or largest) cosine for every anchor.

    Groups are cut into tiles of 64 rows, and all pairs of tiles that belong together are compared side by side, so
    that the number of operations does not depend on the number of videos. Memory is linear in the rows but for 12 bytes
    for each anchor and tile of partners: 75 MB for 20,000 rows that look for partners among 20,000.

    Args:
        direction (Tensor): ``(N, D_e)`` normalised rows, kind after kind, and video after video within a kind.
        counts (np.ndarray): ``(K, B)`` rows of each kind and video, on the host.
        relations (Sequence[Relation]): What to look for.
        classes (Tensor, optional): ``(N, C)`` 0/1 of the rows, where a relation wants a shared class.

    Returns:
        tuple[Tensor, list[np.ndarray]]: Anchors and their partners ``(2, A)``, int64 places in ``direction``, relation
        after relation, of all groups that have partners; and for each relation the videos ``(A_r,)`` of its anchors, on
        the host.
    """
    plan = _Plan(counts, relations)
    rows, queries, keys, slots, first, lanes, anchors = plan.on(direction.device)
    if not len(queries):
        return torch.stack([anchors, anchors]), plan.videos
    tiles = direction.index_select(0, rows).unflatten(0, (-1, _TILE))
    signed = torch.cat([tiles, -tiles]) if any(relation.most for relation in relations) else tiles
    if plan.num_sharing:
        classes = classes.to(direction.dtype).index_select(0, rows).unflatten(0, (-1, _TILE))
    least = direction.new_empty(len(queries), _TILE)
    column = rows.new_empty(len(queries), _TILE)
    with torch.autocast(direction.device.type, enabled=False):  # a rounded cosine would choose the wrong partner
        for part, sharing in plan.parts(_TILES_AT_ONCE if direction.device.type == 'cpu' else _TILES_AT_ONCE_ON_GPU):
            query, key = queries[part], keys[part]
            cosine = torch.bmm(signed.index_select(0, query), tiles.index_select(0, key).mT)
            if sharing:
                shared = torch.bmm(classes.index_select(0, query), classes.index_select(0, key).mT)
                cosine.masked_fill_(shared == 0, torch.inf)
            torch.min(cosine, -1, out=(least[part], column[part]))
    # Of each anchor's tiles of partners, the one with the least cosine, then the row in it.
    table = least.new_full((len(first) * plan.most_tiles, _TILE), torch.inf).index_copy_(0, slots, least)
    pair = table.unflatten(0, (len(first), -1)).argmin(1).add_(first[:, None])
    places = torch.add(column.gather(0, pair), keys[pair], alpha=_TILE)
    return torch.stack([anchors, rows[places.flatten()[lanes]]]), plan.videos


class _Plan:
    """Pairs of tiles to compare, laid out on the host."""

    def __init__(self, counts, relations):
        num_videos = counts.shape[1]
        sizes = counts.ravel()
        start, tiles = sizes.cumsum() - sizes, -(-sizes // _TILE)
        first_tile = tiles.cumsum() - tiles
        group, number = _ragged(tiles)
        inside = np.minimum(number[:, None] * _TILE + np.arange(_TILE), sizes[group, None] - 1)
        rows = start[group, None] + inside  # the last row again and again, where a group ends within a tile

        # One entry for each tile of anchors of each relation, with a row of tiles of partners.
        video = np.tile(np.arange(num_videos), len(relations))
        relation = np.arange(len(relations)).repeat(num_videos)
        anchor_group, partner_group = (
            np.array([getattr(part, name) for part in relations])[relation] * num_videos + video
            for name in ('anchors', 'partners')
        )
        has_partner = sizes[partner_group] > 0
        entry, number = _ragged(tiles[anchor_group] * has_partner)
        width = tiles[partner_group][entry]
        query = first_tile[anchor_group][entry] + number
        slot, column = _ragged(width)
        most = np.array([part.most for part in relations])[relation]
        self.most_tiles = width.max(initial=0)
        key = first_tile[partner_group][entry][slot] + column
        # Entries of anchors in order, without what fills their last tile.
        of_entry, place = _ragged(sizes[anchor_group] * has_partner)
        first_slot = (tiles[anchor_group] * has_partner).cumsum() - tiles[anchor_group] * has_partner
        lanes = first_slot[of_entry] * _TILE + place
        anchors = start[anchor_group][of_entry] + place
        self.videos = [video[of_entry[relation[of_entry] == number]] for number in range(len(relations))]
        sharing = np.array([part.share_class for part in relations])[relation][entry][slot]
        assert not np.diff(sharing.astype(int), append=1).min(initial=0) < 0, 'relations that share classes come last'
        self.num_sharing = int(sharing.sum())
        self._num_plain = len(slot) - self.num_sharing
        self._arrays = (
            rows.ravel(),
            (query + len(rows) * most[entry])[slot],  # a second copy of the tiles has the other sign
            key,
            slot * self.most_tiles + column,
            width.cumsum() - width,
            lanes,
            anchors,
        )

    def on(self, device):
        """Arrays of the plan on a device, sent as one."""
        (joined,) = to_device(device, np.concatenate(self._arrays).astype(np.int64))
        return joined.split([len(part) for part in self._arrays])

    def parts(self, size):
        """Slices of ``size`` pairs, which are compared at a time, and whether they must share a class."""
        stop = self._num_plain + self.num_sharing
        for begin, end, sharing in ((0, self._num_plain, False), (self._num_plain, stop, True)):
            for at in range(begin, end, size):
                yield slice(at, min(at + size, end)), sharing


def _ragged(counts):
    """Group, and number within it, of all items of groups of ``counts`` items."""
    group = np.arange(len(counts)).repeat(counts)
    return group, np.arange(len(group)) - (counts.cumsum() - counts).repeat(counts)
