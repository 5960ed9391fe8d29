# The classes of BEOID, in alphabetical order.
metainfo = dict(classes=(
    'fill_cup', 'hold-down_button', 'insert_foot', 'insert_weight-pin', 'insert_wire', 'let-go_rowing-machine',
    'move_rest', 'move_seat', 'open_door', 'open_jar', 'pick-up_cup', 'pick-up_jar', 'pick-up_plug', 'pick-up_tape',
    'place_tape', 'plug_plug', 'pour_spoon', 'press_button', 'pull-out_weight-pin', 'pull_drawer',
    'pull_rowing-machine', 'push_drawer', 'push_rowing-machine', 'put_cup', 'put_jar', 'rinse_cup',
    'rotate_weight-setting', 'scan_card-reader', 'scoop_spoon', 'stir_spoon', 'switch-on_socket', 'take_cup',
    'take_spoon', 'turn_tap',
))  # fmt: skip
