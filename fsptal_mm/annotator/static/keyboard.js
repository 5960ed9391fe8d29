// Keyboard of the page: it runs the command of a key (see commands.js), and reports keys of classes.

export class Keyboard {
  // commands: [{ keys, shown, text, run, once }]. `keys` are the names of the keys that run the command, with modifiers
  // in front, such as 'Ctrl+z'. `run` is the function of the command. The help shows the key as `shown`, and `text`
  // beside it. `once` means that the command runs only once while its key is held.
  // onClassKey: function that is called with the digit or letter of a key that has no command.
  constructor(commands, onClassKey) {
    this.commands = commands;
    this.byKey = new Map(commands.flatMap((command) => command.keys.map((key) => [key, command])));
    this.onClassKey = onClassKey;
    document.addEventListener('keydown', (event) => this.#press(event));
  }

  #press(event) {
    if (event.defaultPrevented || event.isComposing) return;
    if (document.querySelector('dialog[open]')) return;
    // A focused button or input handles Space and Enter itself. But if it lies in a dialog, the dialog was just closed
    // (no dialog is open here), and the browser has not moved the focus yet: then the page handles the key.
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

// Whether Ctrl, Meta or Alt is held. AltGr does not count, although browsers report it as Ctrl and Alt on many
// keyboards: it types characters such as '['.
const held = (event) => (event.ctrlKey || event.metaKey || event.altKey) && !event.getModifierState('AltGraph');

function classKeyOf(event) {
  if (held(event)) return null;
  if (/^[0-9a-z]$/i.test(event.key)) return event.key.toLowerCase();
  // French keyboards type a digit only with Shift. The digit keys set points there without Shift, too.
  return event.code.startsWith('Digit') ? event.code.slice(-1) : null;
}

// Name of a key with its modifiers, as in `commands`: 'Ctrl+Shift+z', 'Shift+ArrowUp'. The name of a character that is
// typed with Shift, such as '?', is the character alone.
function keyName(event) {
  if (event.key.length === 1) {
    const ctrl = held(event) && !event.altKey ? 'Ctrl+' : held(event) ? 'Alt+' : '';
    return ctrl + (ctrl ? `${event.shiftKey ? 'Shift+' : ''}${event.key.toLowerCase()}` : event.key);
  }
  return `${held(event) ? 'Ctrl+' : ''}${event.shiftKey ? 'Shift+' : ''}${event.key}`;
}
