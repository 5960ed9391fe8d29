# The embedded dataset (fsptal_mm/datasets/synthetic/generator.py): related classes stand in pairs.
metainfo = dict(classes=(
    'dive', 'cliff_dive', 'serve', 'smash', 'high_jump', 'long_jump', 'javelin', 'hammer', 'pitch', 'bowl',
))  # fmt: skip
