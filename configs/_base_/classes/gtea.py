# The classes of GTEA, in alphabetical order.
metainfo = dict(classes=(
    'close', 'open', 'pour', 'put', 'scoop', 'stir', 'take',
))  # fmt: skip
