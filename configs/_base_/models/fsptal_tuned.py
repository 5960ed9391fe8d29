# FS-PTAL tuned: variants of the paper's modules, which were chosen on held-out users of 50 Salads. They are explained
# in configs/fsptal_tuned/README.md.
# The variant of module A is in the training pipeline: embedding_extended of ../pipelines/label_extension.py.
_base_ = ['./fsptal.py']

model = dict(
    embedding=dict(type='SnippetEmbedding'),
    head=dict(
        cosine=True,
        mined_actions='seeds',
        searcher=dict(background_segments=True),
        score_loss=dict(loss_weight=3.0),
        separation=dict(_delete_=True, type='SeparationBranch'),  # makes E, which the trunk makes in the paper's form
        separation_loss=dict(class_aware=True),
        proposals=dict(nms=dict(iou_threshold=0.4)),
    ),
)
