'use strict';

for (const parent of document.querySelectorAll('.charts')) {
  const charts = content.charts.filter((chart) => chart.kind === parent.dataset.kind);
  for (const chart of charts) drawChart(parent, chart);
  if (!charts.length) add(parent, 'p', {class: 'empty'}, 'No run has logged such curves: see “Missing here” above.');
}
for (const set of content.timelines) drawTimelines(document.getElementById('timelines'), set);

for (const table of document.querySelectorAll('table.sortable')) {
  const headings = [...table.querySelectorAll('th[scope="col"]')];
  headings.forEach((heading, column) => heading.querySelector('button').addEventListener('click', () => {
    // A second click turns the order around. The first click on a column of numbers puts the highest first.
    const order = heading.getAttribute('aria-sort');
    const descending = order === 'ascending' || (column > 0 && order === 'none');
    headings.forEach((other) => other.setAttribute('aria-sort', 'none'));
    heading.setAttribute('aria-sort', descending ? 'descending' : 'ascending');
    const value = (row) => row.children[column].textContent.trim();
    const rows = [...table.tBodies[0].rows].sort((one, other) => value(one).localeCompare(value(other), 'en', {numeric: true}));
    table.tBodies[0].append(...(descending ? rows.reverse() : rows));
  }));
}

addEventListener('keydown', (event) => event.key === 'Escape' && hideTooltip());
