"""Check of the arguments that ablation.py and compare.py share, in a file without slow imports."""


def check_numbers_of_runs(parser, args):
    """End with a message unless ``--jobs`` is positive and no seed is negative."""
    if args.jobs < 1:
        parser.error(f'argument --jobs: found {args.jobs}, expected at least 1')
    if min(args.seeds or [0]) < 0:
        parser.error(f'argument --seeds: found {min(args.seeds)}, expected at least 0')
