// Requests to the server, and edits, which are sent again until they are saved.

const STORED_TOKEN = 'fsptal_mm_token';
const FIRST_WAIT_MS = 300;
const MOST_WAIT_MS = 3000;

// The address that the program prints carries the token behind '#'. It is kept for reloads, and for pages that are still
// open when the server starts anew: they share this storage.
if (location.hash.length > 1) {
  localStorage.setItem(STORED_TOKEN, location.hash.slice(1));
  history.replaceState(null, '', location.pathname);
}

const token = () => localStorage.getItem(STORED_TOKEN) ?? '';

export class ServerError extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }

  // Whether the same request may succeed later: the server is away or was started anew, perhaps with another project,
  // or its disk is full.
  get passes() {
    return [0, 401, 409].includes(this.status) || this.status >= 500;
  }
}

export async function ask(path, body) {
  const options = { headers: { 'X-Token': token() } };
  if (body !== undefined) {
    Object.assign(options, { method: 'POST', body: JSON.stringify(body) });
  }
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new ServerError('the server does not answer', 0);
  }
  if (!response.ok) {
    const answer = await response.json().catch(() => ({ error: response.statusText }));
    throw new ServerError(answer.error, response.status);
  }
  return response;
}

export async function askJson(path, body) {
  const response = await ask(path, body);
  try {
    return await response.json();
  } catch {
    throw new ServerError('the connection was lost during the answer', 0);
  }
}

export const videoPath = (id) => `/api/videos/${encodeURIComponent(id)}`;
export const mediaUrl = (id) => `/media/${encodeURIComponent(id)}?token=${encodeURIComponent(token())}`;

function randomId() {
  const bytes = crypto.getRandomValues(new Uint8Array(8));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// Edits on their way to the server, one at a time and in order. Each has an id: an edit that was saved but whose answer
// got lost is sent again, and not made twice.
export class EditQueue {
  constructor(project, { onStatus, onSaved, onRefused }) {
    Object.assign(this, { project, onStatus, onSaved, onRefused });
    this.waiting = [];
    this.running = false;
  }

  push(video, edit) {
    const change = { video, edit: { edit_id: randomId(), ...edit } };
    this.waiting.push(change);
    this.run();
    return change.edit;
  }

  of(video) {
    return this.waiting.filter((change) => change.video === video).map((change) => change.edit);
  }

  // Labels that are not saved; time at work does not count.
  get unsaved() {
    return this.waiting.filter(({ edit }) => edit.action !== 'spent').length;
  }

  async run() {
    if (this.running) return;
    this.running = true;
    let waitMs = FIRST_WAIT_MS;
    while (this.waiting.length) {
      const { video, edit } = this.waiting[0];
      if (edit.action !== 'spent') this.onStatus('saving', this.unsaved);
      try {
        const state = await askJson('/api/edits', { project: this.project, video, edit });
        this.waiting.shift();
        this.onSaved(video, state);
        waitMs = FIRST_WAIT_MS;
      } catch (error) {
        if (!(error instanceof ServerError)) throw error;
        if (error.passes) {
          this.onStatus('unsaved', this.unsaved, error.message);
          await pause(waitMs);
          waitMs = Math.min(2 * waitMs, MOST_WAIT_MS);
        } else {
          this.waiting.shift();
          await this.onRefused(video, error.message);
        }
      }
    }
    this.running = false;
    this.onStatus('saved', 0);
  }
}
