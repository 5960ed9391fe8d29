# Lengths of ASM-Loc's public code: a training video has 750 snippets, a random one of each of 750 bins; a test video
# has at most 750.
train_samples = [
    dict(type='LoadSnippetFeatures'),
    dict(type='PointsToSnippets'),
    dict(type='SampleSnippets', num_snippets=750),
    dict(type='PackPointTALInputs'),
]
test_samples = [
    dict(type='LoadSnippetFeatures'),
    dict(type='PointsToSnippets'),
    dict(type='SampleSnippets', num_snippets=750, short='keep'),
    dict(type='PackPointTALInputs'),
]
