from .affinity_embedding import AffinityEmbedding, MaskedConv1d
from .identity_embedding import IdentityEmbedding
from .snippet_embedding import PackedConv1d, SnippetEmbedding
from .transformer_embedding import TransformerEmbedding

__all__ = [
    'AffinityEmbedding',
    'IdentityEmbedding',
    'MaskedConv1d',
    'PackedConv1d',
    'SnippetEmbedding',
    'TransformerEmbedding',
]
