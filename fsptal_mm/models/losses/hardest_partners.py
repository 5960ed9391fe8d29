"""Search for the least (or most) similar partner of every snippet in its video, for all videos of a batch at once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fsptal_mm.structures import to_device

_TILE = 64  # rows of a tile; the cosines of two tiles, 64 * 64 float32, take 16 kB
# Pairs of tiles compared at a time: their cosines take 2 MB, which fit into a processor's cache, or 256 MB on a GPU.
_PAIRS_AT_ONCE, _PAIRS_AT_ONCE_ON_GPU = 2**7, 2**14


@dataclass(frozen=True)
class Relation:
    """Rows that look for a partner (anchors), and rows among which they look, always in the same video.

    Attributes:
        anchors: Kind of the rows that look for a partner; an index from 0 to K - 1, see :func:`hardest_partners`.
        partners: Kind of the rows among which an anchor looks, also as an index.
        most: Look for the most similar partner; by default for the least similar one.
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
    """Find for every anchor the partner with the smallest (or largest) cosine.

    A group is the rows of one kind in one video. Groups are cut into tiles of 64 rows, and each tile of anchors is
    compared with each tile of partners of the same video. All these pairs of tiles go into batched products, so that
    the number of operations does not depend on the number of videos. Example: 100 anchors and 150 partners of a video
    are 2 and 3 tiles, and 6 pairs of tiles. Memory is linear in the rows, plus 12 bytes for each anchor and each of its
    tiles of partners: 75 MB for 20,000 rows that look for partners among 20,000.

    Args:
        direction (Tensor): ``(N, D_e)`` normalised rows, kind after kind, and video after video within a kind.
        counts (np.ndarray): ``(K, B)`` number of rows of each of K kinds in each video, on the host.
        relations (Sequence[Relation]): What to look for.
        classes (Tensor, optional): ``(N, C)`` 0/1, classes of the rows; needed if a relation has ``share_class``.

    Returns:
        tuple[Tensor, list[np.ndarray]]: ``(2, A)`` int64, rows of the anchors and of their partners, relation after
        relation; anchors without any row to look among are left out. And for each relation the videos ``(A_r,)`` of its
        anchors, on the host.
    """
    plan = _Plan(counts, relations)
    rows, queries, keys, slots, first_pair, lanes, anchors = plan.on(direction.device)  # see _Plan
    if not len(queries):
        return torch.stack([anchors, anchors]), plan.videos
    tiles = direction.index_select(0, rows).unflatten(0, (-1, _TILE))
    # The most similar partner of an anchor x is the least similar partner of -x.
    signed = torch.cat([tiles, -tiles]) if any(relation.most for relation in relations) else tiles
    if plan.num_sharing:
        classes = classes.to(direction.dtype).index_select(0, rows).unflatten(0, (-1, _TILE))
    # For every pair of tiles and every anchor in it: the least cosine, and the partner's number in its tile.
    least = direction.new_empty(len(queries), _TILE)
    column = rows.new_empty(len(queries), _TILE)
    with torch.autocast(direction.device.type, enabled=False):  # a rounded cosine would choose the wrong partner
        for part, sharing in plan.parts(_PAIRS_AT_ONCE if direction.device.type == 'cpu' else _PAIRS_AT_ONCE_ON_GPU):
            query, key = queries[part], keys[part]
            cosine = torch.bmm(signed.index_select(0, query), tiles.index_select(0, key).mT)  # (pairs, 64, 64)
            if sharing:
                shared = torch.bmm(classes.index_select(0, query), classes.index_select(0, key).mT)
                cosine.masked_fill_(shared == 0, torch.inf)
            torch.min(cosine, -1, out=(least[part], column[part]))
    # For every anchor, the pair of tiles with the least cosine, then the partner in it.
    table = least.new_full((len(first_pair) * plan.most_tiles, _TILE), torch.inf).index_copy_(0, slots, least)
    pair = table.unflatten(0, (len(first_pair), -1)).argmin(1).add_(first_pair[:, None])
    places = torch.add(column.gather(0, pair), keys[pair], alpha=_TILE)
    return torch.stack([anchors, rows[places.flatten()[lanes]]]), plan.videos


class _Plan:
    """Pairs of tiles to compare, laid out on the host.

    A search is one relation in one video. Each tile of its anchors is a query, and is paired with each tile of its
    partners, the keys. The arrays that :meth:`on` returns are, for Q queries and P pairs:

    - rows: the rows of all tiles, 64 of each; if a group ends within a tile, its last row is repeated;
    - queries, keys ``(P,)``: the tiles of each pair. If N is the number of tiles, N + n means tile n times -1;
    - slots ``(P,)``: where a pair stands in a table of Q rows with ``most_tiles`` columns, which are its keys;
    - first_pair ``(Q,)``: the first pair of each query;
    - lanes ``(A,)``: where an anchor stands among the 64 Q rows of all queries; repeated rows are left out;
    - anchors ``(A,)``: the row of each anchor.
    """

    def __init__(self, counts, relations):
        num_videos = counts.shape[1]
        sizes = counts.ravel()  # rows of each group, (K * B,)
        start, tiles = sizes.cumsum() - sizes, -(-sizes // _TILE)  # first row and number of tiles of each group
        first_tile = tiles.cumsum() - tiles
        group, number = _ragged(tiles)
        inside = np.minimum(number[:, None] * _TILE + np.arange(_TILE), sizes[group, None] - 1)
        rows = start[group, None] + inside

        # Searches, each with its video, its relation, and its groups of anchors and partners.
        video = np.tile(np.arange(num_videos), len(relations))
        relation = np.arange(len(relations)).repeat(num_videos)
        anchor_group, partner_group = (
            np.array([getattr(part, name) for part in relations])[relation] * num_videos + video
            for name in ('anchors', 'partners')
        )
        has_partner = sizes[partner_group] > 0
        num_queries = tiles[anchor_group] * has_partner
        most = np.array([part.most for part in relations])[relation]
        # Queries, each with the search that it belongs to.
        search, number = _ragged(num_queries)
        num_keys = tiles[partner_group][search]
        query_tile = first_tile[anchor_group][search] + number
        self.most_tiles = num_keys.max(initial=0)
        # Pairs, each with the query that it belongs to.
        query, column = _ragged(num_keys)
        key_tile = first_tile[partner_group][search][query] + column
        # Anchors, each with the search that it belongs to.
        search_of_anchor, place = _ragged(sizes[anchor_group] * has_partner)
        first_query = num_queries.cumsum() - num_queries
        lanes = first_query[search_of_anchor] * _TILE + place
        anchors = start[anchor_group][search_of_anchor] + place
        self.videos = [
            video[search_of_anchor[relation[search_of_anchor] == number]] for number in range(len(relations))
        ]
        sharing = np.array([part.share_class for part in relations])[relation][search][query]
        assert not np.diff(sharing.astype(int), append=1).min(initial=0) < 0, 'relations that share classes come last'
        self.num_sharing = int(sharing.sum())
        self._num_plain = len(query) - self.num_sharing
        self._arrays = (
            rows.ravel(),
            (query_tile + len(rows) * most[search])[query],
            key_tile,
            query * self.most_tiles + column,
            num_keys.cumsum() - num_keys,
            lanes,
            anchors,
        )

    def on(self, device):
        """Send the arrays of the plan to a device, in one transfer."""
        (joined,) = to_device(device, np.concatenate(self._arrays).astype(np.int64))
        return joined.split([len(part) for part in self._arrays])

    def parts(self, size):
        """Slices of at most ``size`` pairs of tiles, and whether their rows must share a class to be partners."""
        stop = self._num_plain + self.num_sharing
        for begin, end, sharing in ((0, self._num_plain, False), (self._num_plain, stop, True)):
            for first in range(begin, end, size):
                yield slice(first, min(first + size, end)), sharing


def _ragged(counts):
    """Group of every item, and its number within the group: for counts 2 and 3, ``0 0 1 1 1`` and ``0 1 0 1 2``."""
    group = np.arange(len(counts)).repeat(counts)
    return group, np.arange(len(group)) - (counts.cumsum() - counts).repeat(counts)
