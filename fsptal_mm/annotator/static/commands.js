// Table of the commands and their keys, except for the keys of classes. The help of the page shows this table. The
// fields are described in keyboard.js.

export function commandsOf(page) {
  const { player } = page;
  return [
    { keys: [' '], shown: 'Space', text: 'play or pause', run: () => page.togglePlay(), once: true },
    { keys: ['.'], shown: '.', text: 'one frame forward', run: () => player.step(1) },
    { keys: [','], shown: ',', text: 'one frame back', run: () => player.step(-1) },
    { keys: ['ArrowRight'], shown: '→', text: '1 second forward', run: () => player.jump(1) },
    { keys: ['ArrowLeft'], shown: '←', text: '1 second back', run: () => player.jump(-1) },
    { keys: ['Shift+ArrowRight'], shown: 'Shift →', text: '5 seconds forward', run: () => player.jump(5) },
    { keys: ['Shift+ArrowLeft'], shown: 'Shift ←', text: '5 seconds back', run: () => player.jump(-5) },
    { keys: ['Home'], shown: 'Home', text: 'start of the video', run: () => player.show(0) },
    { keys: ['End'], shown: 'End', text: 'end of the video', run: () => player.show(Infinity) },
    { keys: ['ArrowUp'], shown: '↑', text: 'faster, up to 4×', run: () => player.faster(1) },
    { keys: ['ArrowDown'], shown: '↓', text: 'slower', run: () => player.faster(-1) },
    { keys: [']'], shown: ']', text: 'select the next point', run: () => page.selectNext(1) },
    { keys: ['['], shown: '[', text: 'select the previous point', run: () => page.selectNext(-1) },
    { keys: ['>'], shown: '>', text: 'move the selected point forward by a frame', run: () => page.moveBy(1) },
    { keys: ['<'], shown: '<', text: 'move the selected point back by a frame', run: () => page.moveBy(-1) },
    { keys: ['='], shown: '=', text: 'move the selected point to the frame that is shown', run: () => page.moveHere() },
    { keys: ['Delete', 'Backspace'], shown: 'Del', text: 'delete the selected point', run: () => page.delete() },
    { keys: ['Escape'], shown: 'Esc', text: 'deselect the point', run: () => page.unselect() },
    { keys: ['}'], shown: '}', text: 'next suggestion of the model, the most uncertain first', run: () => page.suggest(1) },
    { keys: ['{'], shown: '{', text: 'previous suggestion', run: () => page.suggest(-1) },
    { keys: ['Shift+ArrowUp'], shown: 'Shift ↑', text: 'accept the suggestion: set a point here, go to the next one', run: () => page.answer(true), once: true },
    { keys: ['Shift+ArrowDown'], shown: 'Shift ↓', text: 'reject the suggestion: set a background point here, go to the next one', run: () => page.answer(false), once: true },
    { keys: ['Ctrl+z'], shown: 'Ctrl Z', text: 'undo', run: () => page.edit({ action: 'undo' }) },
    { keys: ['Ctrl+y', 'Ctrl+Shift+z'], shown: 'Ctrl Y', text: 'redo', run: () => page.edit({ action: 'redo' }) },
    { keys: ['Enter'], shown: 'Enter', text: 'mark the video as done, play the next one', run: () => page.finish(), once: true },
    { keys: ['Shift+Enter'], shown: 'Shift Enter', text: 'mark the video as done, or not done', run: () => page.toggleDone() },
    { keys: ['PageDown'], shown: 'Page↓', text: 'next video', run: () => page.go(1) },
    { keys: ['PageUp'], shown: 'Page↑', text: 'previous video', run: () => page.go(-1) },
    { keys: ['/'], shown: '/', text: 'find a class by name', run: () => page.search(), once: true },
    { keys: ['?'], shown: '?', text: 'show this list', run: () => page.help(), once: true },
  ];
}
