"""Dotted keys of the options that tables change, as in ``--cfg-options``."""

# The paper's module A is the third step of the training pipeline, ExtendPointLabels. With weights of 1, it changes
# nothing.
TAU_1 = 'train_dataloader.dataset.pipeline.2.label_weight'
TAU_2 = 'train_dataloader.dataset.pipeline.2.neighbour_weight'
# The paper's module B, mining of labels (Appendix B).
GAMMA_BACKGROUND = 'model.head.miner.background_threshold'
GAMMA_ACTION = 'model.head.miner.action_threshold'
BACKGROUND_MARGIN = 'model.head.background_margin'
# The paper's module C, score contrast (Sec. 3.4).
ORIGINAL_OIC = 'model.head.searcher.original'
BACKGROUND_SEGMENTS = 'model.head.searcher.background_segments'
# The paper's module D, feature separation (Sec. 3.5).
PSI_SAME = 'model.head.separation_loss.psi_same'
PSI_DIFF = 'model.head.separation_loss.psi_diff'
WITHOUT_D = {'model.head.separation_loss': None, 'model.embedding.type': 'SnippetEmbedding'}
BRANCH = {
    'model.head.separation._delete_': True,  # in the paper's form the value is None, into which no dict can be merged
    'model.head.separation.type': 'SeparationBranch',
    'model.embedding.type': 'SnippetEmbedding',
}
MASK = 'model.embedding.mask'
MASKED_TAPS = 'model.embedding.masked_taps'
EMBED_CHANNELS = 'model.embedding.embed_channels'
# Settings that the paper leaves open, or for which other values than the paper's were tried.
STAGE = 'train_dataloader.dataset.pipeline.2.stage'
MINED_ACTIONS = 'model.head.mined_actions'
LAMBDA_3 = 'model.head.score_loss.loss_weight'
KERNEL = 'model.embedding.kernel_size'
COSINE = 'model.head.cosine'
CLASS_AWARE = 'model.head.separation_loss.class_aware'
MINED_PER_EPOCH = {'custom_hooks.0.live': False, 'custom_hooks.0.interval': 1}
# The second stage.
STAGE_1 = {'model.refine': False}
