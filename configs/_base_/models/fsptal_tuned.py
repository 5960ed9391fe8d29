# FS-PTAL tuned: variants chosen over the paper's on held-out users of 50 Salads, see configs/fsptal_tuned/README.md.
# Label extension behind the embedding, which belongs to them, is in the training pipeline.
_base_ = ['./fsptal.py']

model = dict(
    embedding=dict(type='SnippetEmbedding'),
    head=dict(
        cosine=True,
        mined_actions='seeds',
        searcher=dict(background_segments=True),
        score_loss=dict(loss_weight=3.0),
        separation=dict(_delete_=True, type='SeparationBranch'),  # behind F; None in the paper's form
        separation_loss=dict(class_aware=True),
        proposals=dict(nms=dict(iou_threshold=0.4)),
    ),
)
