'use strict';
{
  const PAPER = 1000; // CSS px across a landscape page, A4 or Letter, within its margins
  const AWAY = 18; // CSS px between the pointer and its box
  const given = JSON.parse(document.getElementById('data').textContent);
  const place = document.getElementById('figure');
  const rows = document.getElementById('rows');
  const scroller = document.getElementById('scroller');
  const peek = document.getElementById('peek');
  const meaning = document.getElementById('meaning');
  const dark = matchMedia('(prefers-color-scheme: dark)');
  const config = { displayModeBar: false, displaylogo: false, responsive: false };
  let shown = given.shown;

  for (const panel of given.panels) {
    if (given.hovers) panel.data[0].hovertext = given.hovers;
    for (const { data } of [panel, panel.dark ?? panel]) showHere(data[0]);
  }

  /** Hovers are shown by this page, see showPeek. */
  function showHere(trace) {
    if (trace.hovertext) trace.hoverinfo = 'none';
    for (const part of trace.type === 'sankey' ? ['node', 'link'] : []) {
      trace[part].hoverinfo = 'none';
      trace[part].customdata ??= given.flows[part];
    }
  }

  function theme(wanted) {
    return given.templates[wanted] ?? Object.values(given.templates)[0];
  }

  function draw(wanted = dark.matches ? 'dark' : 'light') {
    const panel = given.panels[shown];
    const { data, layout } = (wanted === 'dark' && panel.dark) || panel;
    const themed = { ...layout, template: theme(wanted), uirevision: 'as the reader left it' };
    meaning.textContent = given.panels[shown].meaning;
    place.style.width = `${layout.width}px`;
    place.style.setProperty('--print-zoom', Math.min(1, PAPER / layout.width));
    return Plotly.react(place, data, themed, config);
  }

  /** Row labels that stay in sight while a wide figure scrolls: a copy of Plotly's own. */
  function keepRows() {
    rows.replaceChildren();
    const labels = place.querySelector('.yaxislayer-above');
    const { width, height, margin } = given.panels[shown].layout;
    if (!labels || scroller.scrollLeft === 0) return;
    const copy = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
    copy.setAttribute('width', Math.min(margin.l, width));
    copy.setAttribute('height', height);
    copy.append(labels.cloneNode(true));
    rows.append(copy);
  }

  const ENTITIES = { '&lt;': '<', '&gt;': '>', '&#36;': '$', '&amp;': '&' };

  /** The text that Plotly would draw; as text, so that nothing in it is markup. */
  function plain(marked) {
    return marked
      .replaceAll('<br>', '\n')
      .replace(/<\/?b>/g, '')
      .replace(/&(lt|gt|#36|amp);/g, (entity) => ENTITIES[entity]);
  }

  /** Beside the pointer and inside the window: Plotly's own box ends where a wide figure is cut. */
  function showPeek({ points, event }) {
    const text = points[0]?.hovertext ?? points[0]?.customdata;
    if (!text) return;
    peek.textContent = plain(text);
    peek.hidden = false;
    const { width, height } = peek.getBoundingClientRect();
    const right = event.clientX + AWAY;
    const fits = right + width < document.documentElement.clientWidth;
    peek.style.left = `${Math.max(0, fits ? right : event.clientX - AWAY - width)}px`;
    peek.style.top = `${Math.max(0, Math.min(event.clientY - height / 3, innerHeight - height))}px`;
  }

  function hidePeek() {
    peek.hidden = true;
  }

  for (const button of document.querySelectorAll('[data-panel]')) {
    button.addEventListener('click', () => {
      shown = Number(button.dataset.panel);
      for (const other of document.querySelectorAll('[data-panel]'))
        other.setAttribute('aria-pressed', String(other === button));
      draw();
    });
  }
  for (const button of document.querySelectorAll('[data-save]')) {
    button.addEventListener('click', () => {
      const { width, height } = given.panels[shown].layout;
      const scale = button.dataset.save === 'png' ? 2 : 1;
      Plotly.downloadImage(place, { format: button.dataset.save, width, height, scale, filename: given.file });
    });
  }
  scroller.addEventListener('scroll', () => {
    hidePeek();
    if (!rows.firstChild || scroller.scrollLeft === 0) keepRows();
  });
  dark.addEventListener('change', () => draw());
  addEventListener('beforeprint', () => draw('light'));
  addEventListener('afterprint', () => draw());
  draw().then(() => {
    place.on('plotly_afterplot', keepRows);
    place.on('plotly_hover', showPeek);
    place.on('plotly_unhover', hidePeek);
    place.dataset.drawn = 'yes';
  });
}
