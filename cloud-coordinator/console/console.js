// The console: asks for the devices every two seconds, and listens to decisions as they come.
// Whatever a device says is shown as text, never as markup.

const refreshMs = 2_000;
const requestTimeoutMs = 5_000;
const decisionsShownMax = 60;
/** A queue that is worth an operator's eye. */
const queueNotableOps = 50;

const byId = (id) => document.getElementById(id);
const count = new Intl.NumberFormat();
const share = new Intl.NumberFormat(undefined, {
  style: 'percent',
  minimumFractionDigits: 1,
  maximumFractionDigits: 1,
});
const fineShare = new Intl.NumberFormat(undefined, {
  style: 'percent',
  minimumFractionDigits: 2,
  maximumFractionDigits: 2,
});
const wholeShare = new Intl.NumberFormat(undefined, { style: 'percent' });
const clockTime = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium' });
const dateTime = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' });
const ago = new Intl.RelativeTimeFormat(undefined, { numeric: 'auto', style: 'narrow' });

/** An element with a class and children; a string becomes text. */
function el(tag, className, ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...children);
  return element;
}

async function getJson(path) {
  const response = await fetch(path, { signal: AbortSignal.timeout(requestTimeoutMs) });
  return { status: response.status, body: await response.json() };
}

function showState(state, text) {
  const element = byId('state');
  if (element.dataset.state === state) return;
  element.dataset.state = state;
  element.textContent = text;
}

async function refresh() {
  try {
    const [health, devices, stages, risks] = await Promise.all(
      ['/healthz', '/v1/devices', '/v1/stages', '/v1/risks'].map(getJson),
    );
    if (health.body.ready) showState('ready', 'ready');
    else showState('waiting', 'broker unreachable');
    showModels(stages.body.stages);
    showTotals(devices.body);
    showDevices(devices.body);
    showRisks(risks.body);
  } catch {
    showState('lost', 'coordinator unreachable');
  }
  setTimeout(refresh, refreshMs);
}

function showModels(stages) {
  const names = stages.map((m) => `${m.name} ${m.version}`);
  byId('models').textContent =
    names.length > 0 ? `Serving ${names.join(', ')}` : 'Serving no model';
}

/** Answered at an exit that could be trusted; a degraded answer came from one that could not. */
function atEdgeOf({ counts }) {
  const atExit = Object.values(counts.atExit).reduce((sum, n) => sum + n, 0);
  return Math.max(0, atExit - counts.degraded);
}

function showTotals({ devices, totals: { known, online } }) {
  const heard = devices.flatMap((d) => d.status ?? []);
  const sum = (read) => heard.reduce((total, status) => total + read(status), 0);
  const answered = sum((s) => s.counts.answered);
  const totals = {
    online: `${count.format(online)} / ${count.format(known)}`,
    answered: count.format(answered),
    edge: answered > 0 ? share.format(sum(atEdgeOf) / answered) : '–',
    escalated: count.format(sum((s) => s.counts.escalated)),
    late: count.format(sum((s) => s.counts.late)),
    degraded: count.format(sum((s) => s.counts.degraded)),
    queue: count.format(sum((s) => s.queue.ops)),
  };
  for (const [name, text] of Object.entries(totals))
    document.querySelector(`[data-total="${name}"]`).textContent = text;
}

function showRisks({ risks, windowDays }) {
  byId('no-risks').hidden = risks.length > 0;
  byId('risks-window').textContent =
    `Confident answers that the cloud has checked, ${windowDays} days`;
  byId('risks').replaceChildren(...risks.map(riskRow));
}

function riskRow(risk) {
  const { model, version, exit, audited, epsilon, alarm } = risk;
  const cell = (text, notable = false) => el('td', `number ${notable ? 'notable' : ''}`, text);
  const name = el(
    'th',
    '',
    `${model} `,
    el('small', '', `${version} · ${exit === 0 ? 'cache' : `exit ${exit}`}`),
  );
  name.scope = 'row';
  return el(
    'tr',
    '',
    name,
    cell(count.format(audited)),
    cell(fineShare.format(risk.risk)),
    cell(`${fineShare.format(risk.lower)} – ${fineShare.format(risk.upper)}`),
    cell(epsilon === undefined ? '–' : fineShare.format(epsilon)),
    cell(fineShare.format(risk.effectiveRisk)),
    el('td', alarm ? 'notable' : '', riskState(risk)),
  );
}

/** An interval that reaches over what is promised proves neither. */
function riskState({ alarm, epsilon, upper }) {
  if (epsilon === undefined) return 'not calibrated here';
  if (alarm) return 'broken';
  return upper <= epsilon ? 'holds' : 'not yet certain';
}

function showDevices({ devices, totals: { known } }) {
  byId('no-devices').hidden = devices.length > 0;
  byId('more-devices').hidden = devices.length === known;
  byId('more-devices').textContent =
    `The first ${devices.length} of ${count.format(known)}; the numbers above are theirs.`;
  byId('rows').replaceChildren(...devices.map(deviceRow));
}

function deviceRow(device) {
  const { status } = device;
  const seen = el('time', '', sinceText(device.lastSeenMs));
  seen.dateTime = new Date(device.lastSeenMs).toISOString();
  seen.title = clockTime.format(device.lastSeenMs);
  return el(
    'tr',
    '',
    nameCell(device),
    el('td', '', seen),
    ...(status ? statusCells(status) : blankCells()),
  );
}

/** Each of its suspicions, to be read at a glance; when it was, on pointing at it. */
function suspicionLine({ kind, times, lastMs }) {
  const line = el(
    'small',
    'suspect',
    `disk ${kind} ${times === 1 ? 'once' : `${count.format(times)} times`}`,
  );
  line.title = `last noticed ${dateTime.format(lastMs)}`;
  return line;
}

function nameCell({ device, online, status, suspicions }) {
  const dot = el('span', online ? 'dot online' : 'dot');
  dot.setAttribute('role', 'img');
  dot.setAttribute('aria-label', online ? 'online' : 'offline');
  const about = status ? `${status.target} · agent ${status.agentVersion}` : 'no status yet';
  const cell = el(
    'th',
    '',
    el(
      'div',
      'device',
      dot,
      el('div', '', el('b', '', device), el('small', '', about), ...suspicions.map(suspicionLine)),
    ),
  );
  cell.scope = 'row';
  return cell;
}

const blankCells = () =>
  ['', 'number', '', 'number', 'number', 'number', 'number'].map((kind) =>
    el('td', `zero ${kind}`, '–'),
  );

function statusCells({ models, counts, queue, ...status }) {
  const atEdge =
    counts.answered > 0 ? atEdgeOf({ ...status, counts }) / counts.answered : undefined;
  return [
    el('td', '', ...models.map(modelLine)),
    numberCell(counts.answered),
    el('td', '', ...(atEdge === undefined ? ['–'] : [meter(atEdge), share.format(atEdge)])),
    numberCell(counts.escalated),
    numberCell(counts.late),
    numberCell(counts.degraded, true),
    numberCell(queue.ops, queue.ops >= queueNotableOps, `${count.format(queue.bytes)} bytes`),
  ];
}

function modelLine({ name, version, variant }) {
  const digest = el('code', '', variant.replace('sha256:', '').slice(0, 8));
  digest.title = variant;
  return el('span', 'model', `${name} `, el('small', '', `${version} · `, digest));
}

function meter(value) {
  const element = el('meter');
  element.value = value;
  element.setAttribute('aria-hidden', 'true'); // The number stands beside it.
  return element;
}

function numberCell(value, notable = false, title = '') {
  const weight = value === 0 ? 'zero' : notable ? 'notable' : '';
  const cell = el('td', `number ${weight}`, count.format(value));
  cell.title = title;
  return cell;
}

function sinceText(thenMs) {
  const seconds = Math.round((thenMs - Date.now()) / 1_000);
  if (seconds > -5) return 'now';
  if (seconds > -60) return ago.format(seconds, 'second');
  if (seconds > -3_600) return ago.format(Math.round(seconds / 60), 'minute');
  if (seconds > -86_400) return ago.format(Math.round(seconds / 3_600), 'hour');
  return ago.format(Math.round(seconds / 86_400), 'day');
}

function watchDecisions() {
  const list = byId('decisions');
  const pause = byId('pause');
  let paused = false;
  const held = [];

  const show = (decision) => {
    byId('no-decisions').hidden = true;
    list.prepend(decisionLine(decision));
    while (list.children.length > decisionsShownMax) list.lastElementChild.remove();
  };

  pause.addEventListener('click', () => {
    paused = !paused;
    pause.setAttribute('aria-pressed', String(paused));
    pause.textContent = paused ? 'Paused' : 'Pause';
    if (!paused) for (const decision of held.splice(0)) show(decision);
  });

  const source = new EventSource('/v1/decisions/stream');
  // Each connection begins with the latest decisions, so a new one starts the list afresh.
  source.addEventListener('hello', () => list.replaceChildren());
  source.addEventListener('decision', (event) => {
    const decision = JSON.parse(event.data);
    if (!paused) return show(decision);
    held.push(decision);
    if (held.length > decisionsShownMax) held.shift();
  });
}

function decisionLine({ device, source, label, confidence, model, reason, latencyMs, atMs }) {
  const side = source.startsWith('exit') ? 'edge' : source === 'cloud' ? 'cloud' : '';
  return el(
    'li',
    'new',
    el('span', `source ${side}`, source),
    el('span', 'what', el('b', '', label), ` ${wholeShare.format(confidence)} ${model}`),
    el('span', 'took', `${latencyMs < 10 ? latencyMs.toFixed(1) : Math.round(latencyMs)} ms`),
    el('small', 'when', clockTime.format(atMs)),
    el('small', 'why', `${device} · ${reason}`),
  );
}

watchDecisions();
await refresh();
