// Keys of the page. Classes have letters and digits; everything else is here, and the help shows this table.

export class Keyboard {
  // commands: [{ keys: ['ArrowLeft'], shown: '←', text, run, once }]: a key with its modifiers
  // in front, as in 'Ctrl+z'; `once` for those that do nothing more while they are held.
  constructor(commands, onClassKey) {
    this.commands = commands;
    this.byKey = new Map(commands.flatMap((command) => command.keys.map((key) => [key, command])));
    this.onClassKey = onClassKey;
    document.addEventListener('keydown', (event) => this.#press(event));
  }

  #press(event) {
    if (event.defaultPrevented || event.isComposing) return;
    if (document.querySelector('dialog[open]')) return;
    // No dialog is open: a button in one has the focus only until the browser takes note that it is closed.
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

// Ctrl and Alt together make other characters on many keyboards, and do not count then.
const held = (event) => (event.ctrlKey || event.metaKey || event.altKey) && !event.getModifierState('AltGraph');

function classKeyOf(event) {
  if (held(event)) return null;
  if (/^[0-9a-z]$/i.test(event.key)) return event.key.toLowerCase();
  return event.code.startsWith('Digit') ? event.code.slice(-1) : null; // French keyboards have digits on Shift only
}

function keyName(event) {
  if (event.key.length === 1) {
    const ctrl = held(event) && !event.altKey ? 'Ctrl+' : held(event) ? 'Alt+' : '';
    return ctrl + (ctrl ? `${event.shiftKey ? 'Shift+' : ''}${event.key.toLowerCase()}` : event.key);
  }
  return `${held(event) ? 'Ctrl+' : ''}${event.shiftKey ? 'Shift+' : ''}${event.key}`;
}
