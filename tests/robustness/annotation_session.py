"""Labels videos as the page of tools/annotate.py does: ``annotation_session.py ANSWERS COUNT ARGUMENTS...``.

Starts the server that the arguments of the tool ask for, sends it points 0 to COUNT - 1 from the first one on that got
no answer, and exports. ANSWERS gets a line for every point once the server has said that it is saved.
"""

import http.client
import json
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / 'tools'))

from annotate import open_project, parse_args, start_server


def post(server, project, path, **body):
    connection = http.client.HTTPConnection('127.0.0.1', server.server_port, timeout=30)
    body = json.dumps({'project': project.project_id, **body})
    connection.request('POST', path, body, {'X-Token': server.token})
    answer = connection.getresponse()
    content = answer.read()
    assert answer.status == 200, content
    connection.close()


def main(answers, count, *arguments):
    api = open_project(parse_args(arguments))
    server = start_server(api, 0)
    threading.Thread(target=server.serve_forever, kwargs=dict(poll_interval=0.01), daemon=True).start()
    with open(answers, 'a+') as file:
        file.seek(0)
        for number in range(len(file.readlines()), int(count)):
            edit = dict(edit_id=f'point-{number:03}', action='add', time_sec=number / 30, label='jump')
            post(server, api.project, '/api/edits', video='a', edit=edit)
            file.write(f'{edit["edit_id"]}\n')
            file.flush()
    post(server, api.project, '/api/export', unfinished=True)
    server.shutdown()
    server.server_close()
    api.project.close()


if __name__ == '__main__':
    main(*sys.argv[1:])
