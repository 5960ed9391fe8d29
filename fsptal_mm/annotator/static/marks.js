// Marks of classes. Colours are those of Okabe and Ito, which people with any colour vision can tell apart; the dark ones
// are lighter here, for the dark page. After eight classes the shape changes. Every mark shows the key of its class.

const COLORS = ['#e69f00', '#56b4e9', '#00b183', '#f0e442', '#3d8fd9', '#e2681b', '#d98ab5', '#e8e8e8'];
const SHAPES = ['round', 'square', 'diamond', 'pentagon'];
const BACKGROUND = { name: null, key: '0', color: '#8a939e', shape: 'hollow' };

export class Marks {
  constructor(classes) {
    this.all = classes.map((entry, index) => ({
      ...entry,
      color: COLORS[index % COLORS.length],
      shape: SHAPES[Math.floor(index / COLORS.length) % SHAPES.length],
    }));
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
    const { color, shape, key } = this.of(label);
    const mark = document.createElement('span');
    mark.className = `mark ${shape}`;
    mark.style.setProperty('--color', color);
    mark.textContent = key?.toUpperCase() ?? '';
    return mark;
  }
}

export const nameOf = (label) => label ?? 'background';

export function clock(sec, digits = 0) {
  const unit = 10 ** digits;
  const units = Math.floor(sec * unit + 1e-3);
  const minutes = Math.floor(units / (60 * unit));
  const seconds = ((units - minutes * 60 * unit) / unit).toFixed(digits);
  return `${minutes}:${seconds.padStart(digits ? digits + 3 : 2, '0')}`;
}
