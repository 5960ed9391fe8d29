# Module A of FS-PTAL, label extension, with tau_1 and tau_2 of Table 3. A config takes features_extended or
# embedding_extended as its train_pipeline.
extend_labels = dict(type='ExtendPointLabels', label_weight=2.5, neighbour_weight=1.67)
# Resamples the embedded features F, the output of the trunk, instead of the features X.
extend_embedding = dict(**extend_labels, stage='embedding')

features_extended = [
    dict(type='LoadSnippetFeatures'),
    dict(type='PointsToSnippets'),
    extend_labels,
    dict(type='PackPointTALInputs'),
]
embedding_extended = [
    dict(type='LoadSnippetFeatures'),
    dict(type='PointsToSnippets'),
    extend_embedding,
    dict(type='PackPointTALInputs'),
]
