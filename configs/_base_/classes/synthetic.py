# The classes of the embedded dataset (fsptal_mm/datasets/synthetic/generator.py). Similar classes come in pairs: the
# first and the second, the third and the fourth, and so on.
metainfo = dict(classes=(
    'dive', 'cliff_dive', 'serve', 'smash', 'high_jump', 'long_jump', 'javelin', 'hammer', 'pitch', 'bowl',
))  # fmt: skip
