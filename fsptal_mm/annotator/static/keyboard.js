// Keyboard of the page: it runs the commands of keys (see commands.js) and reports the keys of classes.

export class Keyboard {
  // commands: [{ keys, shown, text, run, once }]. `keys` are the names of keys that run the command, with modifiers in
  // front, such as 'Ctrl+z'; `shown` and `text` are for the help; `once` means that a key which is held runs the
  // command only once. onClassKey: function that gets the digit or letter of any other key.
  constructor(commands, onClassKey) {
    this.commands = commands;
    this.byKey = new Map(commands.flatMap((command) => command.keys.map((key) => [key, command])));
    this.onClassKey = onClassKey;
    document.addEventListener('keydown', (event) => this.#press(event));
  }

  #press(event) {
    if (event.defaultPrevented || event.isComposing) return;
    if (document.querySelector('dialog[open]')) return;
    // A focused button or input takes Space and Enter itself. One in a dialog does not: the dialog was just closed, and
    // the browser has not moved the focus yet.
    const control = event.target.closest('button, input');
    if (control && !control.closest('dialog') && [' ', 'Enter'].includes(event.key)) return;
    const command = this.byKey.get(keyName(event));
    const classKey = classKeyOf(event);
    if (!command && !classKey) return;
    event.preventDefault();
    if (command && !(event.repeat && command.once)) command.run();
    else if (!command && !event.repeat) this.onClassKey(classKey);
  }

  fillHelp(element, classRows) {
    const rows = [...classRows, ...this.commands].map(({ shown, text }) => {
      const row = document.createElement('div');
      const keys = document.createElement('span');
      for (const name of shown.split(' ')) {
        const key = document.createElement('kbd');
        key.textContent = name;
        keys.append(key, ' ');
      }
      row.append(keys, text);
      return row;
    });
    element.replaceChildren(...rows);
  }
}

// Whether Ctrl, Meta or Alt is held. On many keyboards, Ctrl and Alt together (AltGr) type other characters: they do
// not count then.
const held = (event) => (event.ctrlKey || event.metaKey || event.altKey) && !event.getModifierState('AltGraph');

function classKeyOf(event) {
  if (held(event)) return null;
  if (/^[0-9a-z]$/i.test(event.key)) return event.key.toLowerCase();
  return event.code.startsWith('Digit') ? event.code.slice(-1) : null; // French keyboards type digits with Shift only
}

// Name of a key with its modifiers, as in `commands`: 'Ctrl+Shift+z', 'Shift+ArrowUp'. A character that is typed with
// Shift, such as '?', is named by itself.
function keyName(event) {
  if (event.key.length === 1) {
    const ctrl = held(event) && !event.altKey ? 'Ctrl+' : held(event) ? 'Alt+' : '';
    return ctrl + (ctrl ? `${event.shiftKey ? 'Shift+' : ''}${event.key.toLowerCase()}` : event.key);
  }
  return `${held(event) ? 'Ctrl+' : ''}${event.shiftKey ? 'Shift+' : ''}${event.key}`;
}
