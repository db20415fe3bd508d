// The page of a minitcp daemon. It reads /api/ and draws SVG; it loads nothing else.
'use strict';

const $ = id => document.getElementById(id);
const svgNS = 'http://www.w3.org/2000/svg';

// element returns a new element with text and attributes.
function element(name, text, attributes = {}) {
  const e = document.createElement(name);
  if (text !== undefined) e.textContent = text;
  for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v);
  return e;
}

// The formats of numbers.
const format = {
  bytes(n) {
    for (const unit of ['B', 'kB', 'MB', 'GB']) {
      if (n < 1000 || unit === 'GB') return (unit === 'B' ? n : n.toFixed(n < 10 ? 2 : n < 100 ? 1 : 0)) + ' ' + unit;
      n /= 1000;
    }
  },
  rate: n => format.bytes(n) + '/s',
  time(us) {
    if (us < 0) return 'never';
    if (us < 1000) return us + ' µs';
    if (us < 1e6) return (us / 1000).toFixed(us < 1e4 ? 2 : 1) + ' ms';
    if (us < 6e7) return (us / 1e6).toFixed(1) + ' s';
    const s = Math.floor(us / 1e6), h = Math.floor(s / 3600);
    return (h ? h + ' h ' : '') + Math.floor(s % 3600 / 60) + ' min';
  },
  count: n => n.toLocaleString('en'),
  share: x => (100 * x).toFixed(x > 0 && x < 0.001 ? 3 : 1) + ' %',
};

let daemon = {};
let stream = null;

// listen replaces the stream of ticks by another one.
function listen(query, onTick) {
  stop();
  stream = new EventSource('/api/events' + query);
  stream.onmessage = event => { report(''); onTick(JSON.parse(event.data)); };
  stream.onerror = () => report('The connection to the daemon is interrupted.');
}

function stop() {
  if (stream) stream.close();
  stream = null;
}

function report(text) {
  $('status').textContent = text;
  $('status').className = text ? 'error' : '';
}

// tiles shows names and values.
function tiles(parent, list) {
  parent.replaceChildren(...list.map(([name, value]) => {
    const tile = element('div');
    tile.append(element('span', name), element('b', value));
    return tile;
  }));
}

function values(parent, list) {
  parent.replaceChildren(...list.map(([name, value]) => {
    const row = element('div');
    row.append(element('dt', name), element('dd', value));
    return row;
  }));
}

// kill resets a connection at the second click of its button within three seconds.
function kill(button, c) {
  if (!button.classList.contains('armed')) {
    const text = button.textContent;
    button.classList.add('armed');
    button.textContent = 'Sure?';
    setTimeout(() => { button.classList.remove('armed'); button.textContent = text; }, 3000);
    return;
  }
  button.disabled = true;
  const query = new URLSearchParams({local: c.local, remote: c.remote});
  fetch('/api/kill?' + query, {method: 'POST', headers: {'X-Minitcp-Kill': '1'}})
    .then(async r => { if (!r.ok) report(await r.text()); })
    .catch(() => report('The daemon does not reply.'))
    .finally(() => { button.disabled = false; });
}

// ---- The table of connections.

const columns = [
  {name: 'Local', key: 'local'},
  {name: 'Remote', key: 'remote'},
  {name: 'State', key: 'state'},
  {name: 'Age', key: 'age_us', show: format.time, wide: true},
  {name: 'Sent', key: 'sent_bytes', show: format.bytes},
  {name: 'Received', key: 'received_bytes', show: format.bytes},
  {name: 'Resent', key: 'resent', show: format.share},
  {name: 'RTT', key: 'rtt_us', show: n => n ? format.time(n) : '–'},
  {name: 'Window', key: 'congestion_window_bytes', show: format.bytes, wide: true},
  {name: 'In flight', key: 'in_flight_bytes', show: format.bytes, wide: true},
  {name: 'Delivery', key: 'delivery_rate_bytes_per_s', show: format.rate, wide: true},
  {name: 'Unsent', key: 'unsent_bytes', show: format.bytes, wide: true},
  {name: 'Unread', key: 'unread_bytes', show: format.bytes, wide: true},
];
const table = {sort: 'sent_bytes', up: false, tick: null, rows: new Map(), stats: null, at: 0, finished: -1};

function openTable() {
  $('table-view').hidden = false;
  $('connection-view').hidden = true;
  table.stats = null;
  table.finished = -1;
  const head = $('connections').tHead.rows[0];
  head.replaceChildren(...columns.map(column => {
    const th = element('th', undefined, {class: (column.show ? 'number ' : '') + (column.wide ? 'wide' : '')});
    const button = element('button', column.name, {type: 'button'});
    button.onclick = () => {
      table.up = table.sort === column.key ? !table.up : !column.show;
      table.sort = column.key;
      drawTable();
    };
    th.append(button);
    return th;
  }), element('th'));
  const filter = $('filter').value.trim();
  listen(filter ? '?' + new URLSearchParams({filter}) : '', tick => {
    table.tick = tick;
    drawTable();
    drawTotals(tick.stats);
    if (tick.finished !== table.finished) {
      table.finished = tick.finished;
      loadFinished();
    }
  });
}

$('filter-form').onsubmit = async event => {
  event.preventDefault();
  const filter = $('filter').value.trim();
  const checked = await fetch('/api/connections?' + new URLSearchParams({filter}));
  if (!checked.ok) { stop(); report(await checked.text()); return; }
  openTable();
};

function drawTable() {
  const list = table.tick.connections;
  for (const c of list) c.resent = c.resent_bytes / Math.max(1, c.sent_bytes + c.resent_bytes);
  const by = table.sort, sign = table.up ? 1 : -1;
  list.sort((a, b) => sign * (a[by] < b[by] ? -1 : a[by] > b[by] ? 1 : 0) || (a.local + a.remote < b.local + b.remote ? -1 : 1));
  columns.forEach((column, i) => {
    const th = $('connections').tHead.rows[0].cells[i];
    if (column.key === by) th.setAttribute('aria-sort', table.up ? 'ascending' : 'descending');
    else th.removeAttribute('aria-sort');
  });
  const rows = new Map();
  for (const c of list) {
    const key = c.local + ' ' + c.remote;
    const row = table.rows.get(key) || newRow(c);
    columns.forEach((column, i) => {
      const text = column.show ? column.show(c[column.key]) : c[column.key];
      const cell = column.key === 'remote' ? row.cells[i].firstChild : row.cells[i];
      if (cell.textContent !== text) cell.textContent = text;
    });
    rows.set(key, row);
  }
  table.rows = rows;
  const body = $('connections').tBodies[0];
  const wanted = [...rows.values()];
  if (wanted.length !== body.rows.length || wanted.some((row, i) => body.rows[i] !== row)) body.replaceChildren(...wanted);
  const shown = table.tick.connections.length;
  $('count').textContent = shown < table.tick.total ? `the ${shown} with the most data of ${format.count(table.tick.total)}` : format.count(shown);
}

// newRow returns the row of a connection, whose cells are still empty.
function newRow(c) {
  const row = element('tr');
  for (const column of columns) {
    const cell = element('td', undefined, {class: (column.show ? 'number ' : '') + (column.wide ? 'wide' : '')});
    if (column.key === 'remote') cell.append(element('a', '', {href: link(c)}));
    row.append(cell);
  }
  const last = element('td');
  if (!daemon.read_only) {
    const button = element('button', 'Reset', {type: 'button', title: 'Reset this connection'});
    button.onclick = () => kill(button, c);
    last.append(button);
  }
  row.append(last);
  return row;
}

const link = c => '#' + new URLSearchParams({local: c.local, remote: c.remote});

function drawTotals(stats) {
  const now = performance.now(), before = table.stats, seconds = (now - table.at) / 1000;
  const total = name => stats[name] || 0;
  const rate = name => before ? (total(name) - before[name]) / seconds : 0;
  const sum = prefix => Object.keys(stats).filter(k => k.startsWith(prefix)).reduce((n, k) => n + stats[k], 0);
  tiles($('totals'), [
    ['Connections', format.count(total('connections'))],
    ['Received', format.rate(Math.round(rate('octets-received')))],
    ['Sent', format.rate(Math.round(rate('octets-sent')))],
    ['Segments in', format.count(Math.round(rate('segments-received'))) + '/s'],
    ['Segments out', format.count(Math.round(rate('segments-sent'))) + '/s'],
    ['Resent', format.share(total('retransmissions') / Math.max(1, total('segments-sent')))],
    ['Dropped', format.count(sum('dropped-'))],
    ['Opened', format.count(total('connections-dialed') + total('connections-accepted'))],
  ]);
  values($('counters'), Object.keys(stats).sort().map(k => [k, format.count(stats[k])]));
  table.stats = stats;
  table.at = now;
}

async function loadFinished() {
  const r = await fetch('/api/finished');
  if (!r.ok) return;
  const rows = (await r.json()).map(f => {
    const row = element('tr');
    const cells = [new Date(f.ended).toLocaleTimeString(), f.local, f.remote, format.time(f.duration_us), format.bytes(f.sent_bytes),
      format.bytes(f.received_bytes), format.share(f.resent_share), f.min_rtt_us ? format.time(f.min_rtt_us) : '–', f.ended_by, f.cause];
    cells.forEach((text, i) => row.append(element('td', text, {class: i > 2 && i < 8 ? 'number' : ''})));
    row.cells[2].replaceChildren(element('a', f.remote, {href: '#finished=' + f.number}));
    return row;
  });
  $('finished').tBodies[0].replaceChildren(...rows);
}

// openFinished shows the values of a connection that has ended.
async function openFinished(number) {
  stop();
  showConnection('ended');
  const r = await fetch('/api/finished');
  const f = r.ok && (await r.json()).find(f => String(f.number) === number);
  if (!f) {
    report('This connection ended too long ago: the daemon keeps the last 100.');
    return;
  }
  $('connection-title').textContent = `${f.local} – ${f.remote}`;
  tiles($('facts'), [
    ['Ended', new Date(f.ended).toLocaleTimeString()], ['By', f.ended_by], ['Cause', f.cause], ['Duration', format.time(f.duration_us)],
    ['Sent', format.bytes(f.sent_bytes)], ['Received', format.bytes(f.received_bytes)], ['Resent', format.share(f.resent_share)], ['Min RTT', format.time(f.min_rtt_us)],
  ]);
  showValues(f);
}

// showConnection shows the page of one connection instead of the table. Its plots are hidden if it has ended.
function showConnection(kind) {
  $('table-view').hidden = true;
  $('connection-view').hidden = false;
  $('connection-view').className = kind;
  $('facts').replaceChildren();
  $('values').replaceChildren();
}

const showValues = c => values($('values'), Object.entries(c).map(([k, v]) => [k, v === null ? 'none' : typeof v === 'number' ? format.count(v) : String(v)]));

// ---- The page of one connection.

const maxKept = 60;      // seconds of history
const maxDrawn = 6000;   // segments of a plot
const view = {ends: null, states: [], segments: [], now: 0, paused: false, connection: null, missed: 0};

function openConnection(ends) {
  showConnection('live');
  Object.assign(view, {ends, states: [], segments: [], now: 0, paused: false, connection: null, missed: 0});
  $('pause').setAttribute('aria-pressed', 'false');
  $('kill').hidden = daemon.read_only;
  $('connection-title').textContent = ends.local + ' – ' + ends.remote;
  listen('?' + new URLSearchParams(ends), tick => {
    if (!addTick(tick)) return;
    if (!view.paused) drawConnection();
  });
}

// addTick adds a tick to the history. It returns false if the connection does not exist any more.
function addTick(tick) {
  for (const s of tick.segments) {
    s.t = s.t_us / 1e6;
    view.segments.push(s);
  }
  view.missed += tick.missed;
  const c = tick.connection;
  if (!c) {
    stop();
    view.segments.length && drawConnection();
    const f = tick.finished;
    report(f ? `This connection has ended: ${f.cause}, by ${f.ended_by}, after ${format.time(f.duration_us)}.` : 'There is no such connection.');
    $('kill').hidden = true;
    return false;
  }
  view.connection = c;
  view.now = c.age_us / 1e6;
  view.states.push({t: view.now, c, limits: tick.limits});
  const old = view.now - maxKept - 1;
  view.states = view.states.filter(s => s.t >= old);
  if (view.segments.length > 2 * maxDrawn || view.segments[0]?.t < old) {
    view.segments = view.segments.filter(s => s.t >= old).slice(-2 * maxDrawn);
  }
  return true;
}

$('span').onchange = $('direction').onchange = () => drawConnection();
$('pause').onclick = () => {
  view.paused = !view.paused;
  $('pause').setAttribute('aria-pressed', view.paused);
  $('pause').textContent = view.paused ? 'Continue' : 'Pause';
};
$('kill').onclick = () => kill($('kill'), view.ends);

function drawConnection() {
  const c = view.connection;
  if (!c) return;
  $('connection-title').textContent = `${c.local} – ${c.remote}` + (daemon.own ? ' (it carries this page)' : '');
  tiles($('facts'), [
    ['State', c.state], ['Congestion control', c.congestion_control + ', ' + c.ca_state], ['RTT', format.time(c.rtt_us)], ['Delivery', format.rate(c.delivery_rate_bytes_per_s)],
    ['Sent', format.bytes(c.sent_bytes)], ['Received', format.bytes(c.received_bytes)], ['Retransmitted', format.count(c.retransmitted_segments)], ['Age', format.time(c.age_us)],
  ]);
  showValues(c);
  const span = Number($('span').value);
  const t1 = Math.max(view.now, view.segments.at(-1)?.t ?? 0), t0 = Math.max(Math.min(view.states[0].t, view.segments[0]?.t ?? t1), t1 - span);
  const segments = view.segments.filter(s => s.t >= t0).slice(-maxDrawn);
  const states = view.states.filter(s => s.t >= t0 - 1);
  drawSequence($('sequence'), segments, t0, t1);
  drawLimits($('limits'), states, t0, t1);
  drawLines($('windows'), states, t0, t1, format.bytes, [
    ['cwnd', s => s.c.congestion_window_bytes], ['ssthresh', s => s.c.slow_start_threshold_bytes], ['flight', s => s.c.in_flight_bytes]]);
  drawLines($('rtt'), states, t0, t1, format.time, [['rtt', s => s.c.rtt_us], ['minrtt', s => s.c.min_rtt_us]]);
  drawLadder($('ladder'), segments, t0, t1, c.rtt_us / 1e6);
}

// frame clears a plot and returns its size and scale.
function frame(svg, height, t0, t1, y0, y1, showY) {
  const width = Math.max(200, svg.clientWidth || svg.parentNode.clientWidth);
  const left = 58, right = 6, top = 8, bottom = 18;
  svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
  svg.replaceChildren();
  const x = t => left + (t - t0) / Math.max(1e-9, t1 - t0) * (width - left - right);
  const y = v => height - bottom - (v - y0) / Math.max(1e-9, y1 - y0) * (height - top - bottom);
  const f = {svg, width, height, left, right, top, bottom, x, y};
  for (const t of ticks(t0, t1, width / 90)) {
    path(f, 'grid', `M${x(t)} ${top}V${height - bottom}`);
    text(f, x(t), height - 5, trim(t) + ' s', 'middle');
  }
  if (showY) {
    for (const v of ticks(y0, y1, height / 45)) {
      path(f, 'grid', `M${left} ${y(v)}H${width - right}`);
      text(f, left - 5, y(v) + 4, showY(Math.round(v)), 'end');
    }
  }
  return f;
}

function path(f, kind, d) {
  const p = document.createElementNS(svgNS, 'path');
  p.setAttribute('class', kind);
  p.setAttribute('d', d);
  f.svg.append(p);
}

function text(f, x, y, s, anchor, kind) {
  const t = document.createElementNS(svgNS, 'text');
  t.setAttribute('x', x);
  t.setAttribute('y', y);
  t.setAttribute('text-anchor', anchor);
  if (kind) t.setAttribute('class', kind);
  t.textContent = s;
  f.svg.append(t);
}

const trim = n => String(Number(n.toFixed(6)));

// ticks returns about n round numbers from a to b.
function ticks(a, b, n) {
  if (!(b > a)) return [];
  const raw = (b - a) / Math.max(1, n), power = 10 ** Math.floor(Math.log10(raw));
  const step = power * [1, 2, 5, 10].find(m => m * power >= raw);
  const list = [];
  for (let v = Math.ceil(a / step) * step; v <= b; v += step) list.push(v);
  return list;
}

// drawSequence draws tcptrace's time-sequence plot: a line for each segment with data, and steps for ACK and window.
function drawSequence(svg, segments, t0, t1) {
  let out = $('direction').value === 'out';
  if ($('direction').value === 'auto') {
    const bytes = segments.reduce((n, s) => n + (s.out ? s.len_bytes : -s.len_bytes), 0);
    out = bytes > 0 || bytes === 0 && view.connection.sent_bytes >= view.connection.received_bytes;
  }
  const data = segments.filter(s => s.out === out && s.len_bytes > 0 && s.seq >= 0);
  const acks = segments.filter(s => s.out !== out && s.ack >= 0 && !s.dropped);
  let low = Infinity, high = -Infinity;
  for (const s of data) { low = Math.min(low, s.seq); high = Math.max(high, s.seq + s.len_bytes); }
  for (const s of acks) { low = Math.min(low, s.ack); high = Math.max(high, s.ack); }
  if (low > high) { low = 0; high = 1; }
  // The window line is far above when the window is large: it is drawn up to a part of the plot's height.
  let top = high;
  for (const s of acks) top = Math.max(top, s.ack + s.window_bytes);
  top = Math.min(top, high + 0.5 * Math.max(high - low, 3000));
  const f = frame(svg, 320, t0, t1, low, Math.max(top, low + 1), format.bytes);
  let sent = '', again = '';
  for (const s of data) {
    const d = `M${f.x(s.t).toFixed(1)} ${f.y(s.seq).toFixed(1)}V${Math.min(f.y(s.seq + s.len_bytes), f.y(s.seq) - 2).toFixed(1)}`;
    if (s.again || s.note === 'retransmission') again += d; else sent += d;
  }
  let ack = '', win = '', sack = '', highest = -1;
  for (const s of acks) {
    const x = f.x(s.t).toFixed(1);
    for (const [l, r] of s.sack || []) sack += `M${x} ${f.y(l).toFixed(1)}V${f.y(r).toFixed(1)}`;
    if (s.ack < highest) continue;
    highest = s.ack;
    const ay = f.y(s.ack).toFixed(1), wy = Math.max(f.top, f.y(s.ack + s.window_bytes)).toFixed(1);
    ack += ack ? `H${x}V${ay}` : `M${x} ${ay}`;
    win += win ? `H${x}V${wy}` : `M${x} ${wy}`;
  }
  const end = ack ? `H${f.width - f.right}` : '';
  path(f, 'window', win + end);
  path(f, 'ack', ack + end);
  path(f, 'sack', sack);
  path(f, 'data', sent);
  path(f, 'again', again);
  if (!data.length && !acks.length) text(f, f.width / 2, f.height / 2, 'no segments in this time', 'middle');
  if (view.missed) text(f, f.left + 6, f.top + 10, format.count(view.missed) + ' segments are not drawn', 'start');
}

const causes = ['application', 'congestion_window', 'receiver_window', 'send_buffer', 'pacing'];

// drawLimits draws a band: for each tick, the shares of its time.
function drawLimits(svg, states, t0, t1) {
  const f = frame(svg, 54, t0, t1, 0, 1, null);
  let before = null;
  for (const s of states) {
    if (before !== null && s.limits) {
      let low = 0;
      for (const cause of causes) {
        const share = s.limits[cause];
        if (share > 0) {
          const x0 = Math.max(f.left, f.x(before)), x1 = f.x(s.t);
          const rect = document.createElementNS(svgNS, 'rect');
          rect.setAttribute('class', cause);
          rect.setAttribute('x', x0);
          rect.setAttribute('width', Math.max(0, x1 - x0 + 0.5));
          rect.setAttribute('y', f.y(Math.min(1, low + share)));
          rect.setAttribute('height', f.y(low) - f.y(Math.min(1, low + share)));
          if (x1 > f.left) f.svg.append(rect);
        }
        low += share;
      }
    }
    before = s.t;
  }
}

// drawLines draws lines of the values at each tick.
function drawLines(svg, states, t0, t1, showY, lines) {
  states = states.filter(s => s.t >= t0);
  let high = 1;
  for (const [, value] of lines) for (const s of states) high = Math.max(high, value(s) ?? 0);
  const f = frame(svg, 150, t0, t1, 0, 1.05 * high, showY);
  for (const [kind, value] of lines) {
    let d = '';
    for (const s of states) {
      const v = value(s);
      if (v === null) d += ''; else d += `${d ? 'L' : 'M'}${f.x(s.t).toFixed(1)} ${f.y(v).toFixed(1)}`;
    }
    path(f, kind, d);
  }
}

const maxArrows = 400, maxLabels = 24;

// drawLadder draws an arrow for each segment. Its other end is half a round trip away.
function drawLadder(svg, segments, t0, t1, rtt) {
  const list = segments.slice(-maxArrows);
  const f = frame(svg, 190, t0, t1, 0, 1, null);
  const top = 30, bottom = 150;
  path(f, 'rail', `M${f.left} ${top}H${f.width - f.right}M${f.left} ${bottom}H${f.width - f.right}`);
  text(f, 4, top + 4, 'minitcp', 'start');
  text(f, 4, bottom + 4, 'peer', 'start');
  const arrows = {plain: '', data: '', again: '', opening: '', closing: '', failure: ''};
  for (const s of list) {
    const kind = s.dropped || s.flags.includes('RST') ? 'failure' : s.again || s.note === 'retransmission' ? 'again' :
      s.flags.includes('SYN') ? 'opening' : s.flags.includes('FIN') ? 'closing' : s.len_bytes ? 'data' : 'plain';
    const x = f.x(s.t), far = Math.max(2, f.x(s.t + rtt / 2) - x);
    const [x0, y0, x1, y1] = s.out ? [x, top, x + far, bottom] : [x - far, bottom, x, top];
    const l = Math.hypot(x1 - x0, y1 - y0), ux = (x1 - x0) / l, uy = (y1 - y0) / l;
    const head = s => `L${(x1 - 6 * ux + s * 3 * uy).toFixed(1)} ${(y1 - 6 * uy - s * 3 * ux).toFixed(1)}`;
    arrows[kind] += `M${x0.toFixed(1)} ${y0}L${x1.toFixed(1)} ${y1}${head(1)}M${x1.toFixed(1)} ${y1}${head(-1)}`;
  }
  for (const [kind, d] of Object.entries(arrows)) path(f, kind, d);
  let lastX = [-1e9, -1e9];
  if (list.length <= maxLabels * 4) {
    for (const s of list) {
      const label = s.flags.replace('PSH,', '') + (s.len_bytes ? ' ' + s.len_bytes : '');
      const row = s.out ? 0 : 1, x = f.x(s.t);
      if (x - lastX[row] < 8 * label.length) continue;
      lastX[row] = x;
      text(f, x, s.out ? top - 8 : bottom + 16, label, 'middle', 'label');
    }
  }
}

// ---- Which view is shown.

function route() {
  report('');
  const wanted = new URLSearchParams(location.hash.slice(1));
  if (daemon.own) openConnection(daemon.own);
  else if (wanted.get('finished')) openFinished(wanted.get('finished'));
  else if (wanted.get('local')) openConnection({local: wanted.get('local'), remote: wanted.get('remote')});
  else openTable();
}

async function start() {
  try {
    daemon = await (await fetch('/api/daemon')).json();
  } catch {
    report('The daemon does not reply.');
    return;
  }
  $('daemon').textContent = daemon.command + (daemon.pid ? `, process ${daemon.pid}` : '') + (daemon.device ? `, device ${daemon.device}` : '') + (daemon.read_only ? ', read-only' : '');
  addEventListener('hashchange', route);
  addEventListener('resize', () => { if ($('connection-view').className === 'live') drawConnection(); });
  route();
}

start();
