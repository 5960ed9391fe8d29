from .affinity_embedding import AffinityEmbedding, MaskedConv1d
from .snippet_embedding import PackedConv1d, SnippetEmbedding
from .transformer_embedding import TransformerEmbedding

__all__ = ['AffinityEmbedding', 'MaskedConv1d', 'PackedConv1d', 'SnippetEmbedding', 'TransformerEmbedding']
