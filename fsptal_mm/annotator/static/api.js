// Requests to the server, and the queue of edits, which sends each edit until the server has saved it.

const STORED_TOKEN = 'fsptal_mm_token';
const FIRST_WAIT_MS = 300;
const MOST_WAIT_MS = 3000;

// The address that the program prints has the token behind '#'. The token is stored in the browser, so that the page
// can be reloaded. All pages of the server share the stored token. So after a restart of the server, a page that is
// still open finds the new token as soon as another page was opened with the new address.
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

  // Whether the same request may succeed later. That is so if the server does not run (0), was restarted (401), has
  // another project open now (409), or met an error such as a full disk (500 and above).
  get isTemporary() {
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

// Edits on their way to the server. They are sent one at a time and in order. If an edit was saved but the answer was
// lost, the edit is sent again: the server recognizes it by its id and does not make it twice.
export class EditQueue {
  constructor(project, { onStatus, onSaved, onRefused }) {
    Object.assign(this, { project, onStatus, onSaved, onRefused });
    this.waiting = [];
    this.running = false;
    this.failure = null; // why the last attempt to save the first edit failed; null if it did not fail
  }

  push(video, edit) {
    const change = { video, edit: { edit_id: randomId(), ...edit } };
    this.waiting.push(change);
    this.#tell(); // now, since `run` may still be sending an earlier edit
    this.run();
    return change.edit;
  }

  of(video) {
    return this.waiting.filter((change) => change.video === video).map((change) => change.edit);
  }

  // Number of edits of labels that are not saved yet; reports of working time do not count.
  get unsaved() {
    return this.waiting.filter(({ edit }) => edit.action !== 'spent').length;
  }

  #tell() {
    if (this.failure !== null) this.onStatus('unsaved', this.unsaved, this.failure);
    else this.onStatus(this.unsaved ? 'saving' : 'saved', this.unsaved);
  }

  async run() {
    if (this.running) return;
    this.running = true;
    let waitMs = FIRST_WAIT_MS;
    while (this.waiting.length) {
      const { video, edit } = this.waiting[0];
      try {
        const state = await askJson('/api/edits', { project: this.project, video, edit });
        this.waiting.shift();
        this.failure = null;
        this.onSaved(video, state, edit.action);
        waitMs = FIRST_WAIT_MS;
      } catch (error) {
        if (!(error instanceof ServerError)) throw error;
        if (error.isTemporary) {
          this.failure = error.message;
          this.#tell();
          await pause(waitMs);
          waitMs = Math.min(2 * waitMs, MOST_WAIT_MS);
        } else {
          this.waiting.shift();
          this.failure = null;
          await this.onRefused(video, error.message);
        }
      }
      this.#tell();
    }
    this.running = false;
  }
}
