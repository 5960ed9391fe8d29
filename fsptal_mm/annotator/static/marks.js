// Marks of classes: small shapes with the colour and the key of a class. The server sends the colours; the timelines
// and annotated videos of fsptal_mm have the same colours. Classes of the same colour differ in shape.

const SHAPES = ['round', 'square', 'diamond', 'pentagon'];
const BACKGROUND = { name: null, key: '0', color: '#8a939e', text_color: 'black', shape: 'hollow' };

export class Marks {
  constructor(classes) {
    this.all = classes.map((entry, index) => {
      const before = classes.slice(0, index).filter(({ color }) => color === entry.color).length; // same colour
      return { ...entry, shape: SHAPES[before % SHAPES.length] };
    });
    this.all.push(BACKGROUND);
    this.byName = new Map(this.all.map((entry) => [entry.name, entry]));
  }

  of(label) {
    return this.byName.get(label);
  }

  withKey(key) {
    return this.all.find((entry) => entry.key === key);
  }

  element(label) {
    const { color, text_color: textColor, shape, key } = this.of(label);
    const mark = document.createElement('span');
    mark.className = `mark ${shape}`;
    mark.style.setProperty('--color', color);
    mark.style.setProperty('--text-color', textColor);
    mark.textContent = key?.toUpperCase() ?? '';
    return mark;
  }
}

export const nameOf = (label) => label ?? 'background';

// 1 point, 2 points.
export const counted = (number, noun) => `${number} ${noun}${number === 1 ? '' : 's'}`;

// Text of a time: clock(62.57, 1) is '1:02.5'. Further digits are cut off, as on a clock, not rounded.
export function clock(sec, digits = 0) {
  const unit = 10 ** digits;
  const units = Math.floor(sec * unit + 1e-3); // 2.3 s may be 2.2999... in floating point
  const minutes = Math.floor(units / (60 * unit));
  const seconds = ((units - minutes * 60 * unit) / unit).toFixed(digits);
  return `${minutes}:${seconds.padStart(digits ? digits + 3 : 2, '0')}`;
}
