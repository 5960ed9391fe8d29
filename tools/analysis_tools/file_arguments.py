"""Arguments of eval_tal.py and diagnose.py, in a file without slow imports."""

# Kinds of the files, for the check before the imports.
FILES = dict.fromkeys(('results', 'ground_truth', 'split', 'ambiguous'), 'a readable file')


def add_file_arguments(parser):
    """Add the arguments of ``load_ground_truth`` in eval_tal.py: results files, ground truth and its videos."""
    parser.add_argument('results', nargs='+', metavar='RESULT', help='results files, one per model')
    parser.add_argument('ground_truth', metavar='GT', help='annotations, in any format of ann_file of the dataset')
    videos = parser.add_mutually_exclusive_group()
    videos.add_argument('--split', metavar='FILE', help='ids of the videos to evaluate, one per line')
    videos.add_argument('--subset', metavar='NAME', help='subset of GT to evaluate; default: all its videos')
    parser.add_argument(
        '--ambiguous', metavar='FILE', help='file of ambiguous ranges; detections that overlap one are left out'
    )
