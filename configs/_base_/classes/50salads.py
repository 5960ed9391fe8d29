# The ten actions of 50 Salads in Lea et al.'s release, in alphabetical order.
metainfo = dict(classes=(
    'add_dressing', 'add_oil', 'add_pepper', 'add_salt', 'add_vinegar', 'mix_dressing', 'mix_ingredients',
    'peel_cucumber', 'place_into_bowl', 'serve_salad_onto_plate',
))  # fmt: skip
