# mmaction2's BMN (Lin et al., ICCV 2019) on our dataset. Its proposals have no class. For mAP, they get the classes
# that another model found: test_evaluator.class_scores names the results file of this model. Without it, only AR@AN is
# computed.
feature_dim = 2048

model = dict(
    type='BMN',
    temporal_dim=100,
    boundary_ratio=0.5,
    num_samples=32,
    num_samples_per_bin=3,
    feat_dim=feature_dim,
    soft_nms_alpha=0.4,
    soft_nms_low_threshold=0.5,
    soft_nms_high_threshold=0.9,
    post_process_top_k=100,
    feature_extraction_interval=1,  # PackLocalizerInputs counts in snippets
)
