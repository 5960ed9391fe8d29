"""Label one frame per action in your own videos, in a browser.

The tool serves a page that only this machine can reach (127.0.0.1), opens it in the browser, and writes every change
into the project file at once. Run the same command again to continue. The project file lies beside the videos, so that
a copy of their folder also holds the labels; --out puts it elsewhere. The key "?" of the page shows all keys. The
button Export writes annotations.json, which PointTALDataset reads as ann_file, and the same points in LACP's format:
point_labels.csv and the files that belong to it.

The class list has one name per line. The classes get the keys 1-9, then a-z, in this order. To give a class another
key, write a tab and the key behind its name.

With --suggest, the timeline of the page shows detections of a model. You look at a frame of each detection, then accept
the detection (which sets a point at this frame) or reject it (which sets a background point there). The frame is that
of the highest class score if the results state its time (best_sec), as those of demo.py do; else it is the middle.

Examples:
    python tools/annotate.py data/mine/videos --classes data/mine/classes.txt
    python tools/annotate.py a.mp4 b.mkv --classes classes.txt --out labels/ann.json --annotator ann --no-browser
    python tools/annotate.py data/mine/videos --classes data/mine/classes.txt --suggest found/suggestions.json
"""

import argparse
import errno
import runpy
import sys
import webbrowser
from pathlib import Path


def parse_args(argv):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('videos', nargs='+', type=Path, help='video files, or folders of them')
    parser.add_argument('--classes', required=True, help='class list, one name per line')
    parser.add_argument('--out', type=Path, help='project file (default: point_project.json beside the first video)')
    parser.add_argument('--export-dir', type=Path, help='folder for exported labels (default: PROJECT_export)')
    parser.add_argument(
        '--suggest',
        metavar='RESULTS',
        help='detections to show as suggestions: results of suggest.py, demo.py or test.py; their videos come first',
    )
    parser.add_argument('--annotator', help='your name, for the project file')
    parser.add_argument('--allow-damaged', action='store_true', help='label what can be read of damaged videos')
    parser.add_argument(
        '--port', type=int, default=8210, help='port of the page; 0 takes any free port (default: %(default)s)'
    )
    parser.add_argument('--no-browser', action='store_true', help='only print the address of the page, open no browser')
    return parser.parse_args(argv)


if __name__ == '__main__':  # check the arguments before the imports, which take seconds
    runpy.run_path(str(Path(__file__).resolve().parent / 'starting.py'))['start'](
        __file__, parse_args, videos='a video file', classes='a readable file', suggest='a readable file'
    )

from fsptal_mm.annotator import AnnotationServer, PageApi, Project, find_videos, read_class_keys, read_suggestions
from fsptal_mm.utils.errors import InputError
from fsptal_mm.utils.wording import counted


def open_project(args):
    """Open the project of the command line, and print which videos cannot be labelled and how many are done."""
    class_keys = read_class_keys(args.classes)
    classes = [key.name for key in class_keys]
    videos, problems = find_videos(args.videos)
    suggestions = read_suggestions(args.suggest, videos, classes) if args.suggest else {}
    videos = {video_id: videos[video_id] for video_id in [*suggestions, *videos]}
    first = args.videos[0]
    print(f'videos to read: {len(videos)}', flush=True)
    out = args.out or (first if first.is_dir() else first.parent) / 'point_project.json'
    project = Project(out, classes, videos, args.annotator, args.allow_damaged)
    for problem in [*problems, *project.problems]:
        print(f'left out: {problem}')
    done = sum(project.labels(video_id).done for video_id in project.video_ids)
    if project.added_classes:
        print(f'new classes: {", ".join(project.added_classes)}', end='; ' if done else '\n')
        if done:
            print(f'look through {counted(done, "done video")}: label the instances of the new classes there, too')
    export_dir = args.export_dir or out.with_name(f'{out.stem}_export')
    print(f'{out}: {counted(len(project.video_ids), "video")}, {done} of them done')
    print(f'labels are saved in this file (--out: another file); Export writes into {export_dir} (--export-dir)')
    return PageApi(project, class_keys, export_dir, args.classes, suggestions)


def start_server(api, port):
    """Start a server at the port or, if another program uses this port, at a free port.

    Raises:
        InputError: The port is no port number, or the system does not permit its use.
    """
    try:
        return AnnotationServer(api, port)
    except OverflowError:
        raise InputError('0 to 65535', field='--port', found=port) from None
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise InputError('a port that may be used', field='--port', found=f'{port}: {error.strerror}') from None
        print(f'another program uses port {port}; a free port is taken')
        return AnnotationServer(api)


def main(argv=None):
    args = parse_args(argv)
    try:
        api = open_project(args)
        server = start_server(api, args.port)
    except (InputError, OSError) as error:  # OSError: a folder that cannot be written to, for example
        sys.exit(f'error: {error}')
    port = server.server_port
    print(server.url)
    print(f'on another machine: run ssh -L {port}:127.0.0.1:{port} THIS_MACHINE, then open this address there')
    print('Ctrl-C ends the program; every change is saved at once', flush=True)
    if not args.no_browser:
        webbrowser.open(server.url)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        print('\nended')
    finally:
        server.server_close()
        api.project.close()


if __name__ == '__main__':
    main()
