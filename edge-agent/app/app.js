// The page: a sheet to draw on, and what the device inside this browser makes of it. The device itself, its model and its
// decisions are the agent's own modules.

import { tensorOf, thresholdOf } from '@skerry/models';
import { centreDigit } from '/app/modules/edge-agent/browser/centre-digit.js';
import { openBrowserDevice } from '/app/modules/edge-agent/browser/open-device.js';

const deadlineMs = 1_500;
const healthEveryMs = 1_000;
const requestTimeoutMs = 3_000;
/** After the pen was lifted: a digit may have two strokes. */
const settleMs = 350;
const penWidth = 22;
const historyMax = 12;
const lateMax = 64;
const side = 28;

const byId = (id) => document.getElementById(id);
const sheet = byId('sheet');
const pen = sheet.getContext('2d', { willReadFrequently: true });
const count = new Intl.NumberFormat();
const share = new Intl.NumberFormat(undefined, { style: 'percent', maximumFractionDigits: 0 });
const percent = new Intl.NumberFormat(undefined, {
  style: 'percent',
  minimumFractionDigits: 1,
  maximumFractionDigits: 1,
});
const milliseconds = (ms) => `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;

const totals = { answered: 0, here: 0, asked: 0, sent: 0 };
/** Answers that came late, by request: one may overtake the response that says it will. */
const late = new Map();
/** Shown answers that wait for a better one, by request. */
const pending = new Map();
let device;
let asked = 0;

function el(tag, className, ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...children);
  return element;
}

function showState(id, state, text) {
  const element = byId(id);
  element.dataset.state = state;
  element.textContent = text;
}

// The sheet.

function clearSheet() {
  pen.fillStyle = '#000';
  pen.fillRect(0, 0, sheet.width, sheet.height);
  byId('hint').hidden = false;
}

function at(event) {
  const box = sheet.getBoundingClientRect();
  const scale = sheet.width / box.width;
  return [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
}

let settling;
sheet.addEventListener('pointerdown', (event) => {
  sheet.setPointerCapture(event.pointerId);
  clearTimeout(settling);
  byId('hint').hidden = true;
  pen.strokeStyle = '#fff';
  pen.lineWidth = penWidth;
  pen.lineCap = 'round';
  pen.lineJoin = 'round';
  pen.beginPath();
  pen.moveTo(...at(event));
  pen.lineTo(...at(event));
  pen.stroke();
});
sheet.addEventListener('pointermove', (event) => {
  if (!sheet.hasPointerCapture(event.pointerId)) return;
  pen.lineTo(...at(event));
  pen.stroke();
});
sheet.addEventListener('pointerup', () => {
  settling = setTimeout(() => ask(centreDigit(greyOf(pen), sheet.width)), settleMs);
});
byId('clear').addEventListener('click', clearSheet);

function greyOf(context) {
  const { data } = context.getImageData(0, 0, sheet.width, sheet.height);
  return Uint8Array.from({ length: sheet.width * sheet.height }, (_, i) => data[4 * i]);
}

/** The pixels that the model sees, as a picture. */
function picture(pixels) {
  const canvas = el('canvas', 'picture');
  canvas.width = side;
  canvas.height = side;
  const context = canvas.getContext('2d');
  const image = context.createImageData(side, side);
  for (const [i, grey] of pixels.entries()) image.data.set([grey, grey, grey, 255], 4 * i);
  context.putImageData(image, 0, 0);
  return canvas;
}

function showSamples(golden) {
  for (const { input, label } of golden) {
    const pixels = Uint8Array.from(input);
    const button = el('button', 'sample', picture(pixels));
    button.type = 'button';
    button.setAttribute('aria-label', `The bundle’s ${label}`);
    button.addEventListener('click', () => {
      clearSheet();
      byId('hint').hidden = true;
      pen.imageSmoothingEnabled = false;
      pen.drawImage(button.firstChild, 0, 0, sheet.width, sheet.height);
      void ask(pixels);
    });
    byId('samples').append(button);
  }
}

// A question and its answer.

async function ask(pixels) {
  if (device === undefined) return;
  const input = tensorOf('UINT8', [1, 1, side, side], [...pixels]);
  if (!input.ok) return;
  const turn = ++asked;
  byId('answer').dataset.busy = '';
  const answer = await device.infer(input.value, byId('policy').value, deadlineMs);
  if (turn === asked) delete byId('answer').dataset.busy;
  if (!answer.ok) return showState('device', 'failed', answer.error.message);
  const shown = { ...answer.value, pixels, labels: device.manifest.labels };
  record(shown);
  const entry = addToHistory(shown);
  if (turn === asked) showAnswer(shown);
  if (shown.pending) awaitBetter(shown, entry, turn);
}

const isHere = ({ source }) => source.startsWith('exit');

function record(answer) {
  totals.answered += 1;
  totals.here += isHere(answer) ? 1 : 0;
  totals.asked += answer.sentBytes > 0 ? 1 : 0;
  totals.sent += answer.sentBytes;
  for (const cell of document.querySelectorAll('[data-total]')) {
    const name = cell.dataset.total;
    cell.textContent =
      name === 'here' ? share.format(totals.here / totals.answered) : count.format(totals[name]);
  }
}

function kindOf(answer) {
  if (answer.late) return 'late';
  if (answer.degraded) return 'degraded';
  return isHere(answer) ? 'here' : 'cloud';
}

const kinds = {
  here: () => 'answered in this browser',
  cloud: () => 'answered by the cloud',
  degraded: ({ pending: more }) =>
    more ? 'not sure: a better one will come' : 'not sure, and nobody asked',
  late: () => 'the cloud’s better answer, late',
};

function showAnswer(answer) {
  const kind = kindOf(answer);
  const section = byId('answer');
  section.dataset.source = answer.source;
  section.dataset.kind = kind;
  byId('label').textContent = answer.labels[answer.label] ?? '?';
  byId('source').textContent = kinds[kind](answer);
  byId('source').dataset.kind = kind;
  byId('reason').textContent = reasonOf(answer);
  byId('latency').textContent = answer.late ? '' : milliseconds(answer.latencyMs);
  byId('confidence').textContent = percent.format(answer.confidence);
  byId('fill').style.width = `${100 * answer.confidence}%`;
  showThreshold(answer);
  showBars(answer);
  for (const stop of byId('stops').children) delete stop.dataset.active;
  const reached = answer.sentBytes > 0 ? (isHere(answer) ? 'agent' : 'cloud') : 'here';
  byId('stops').querySelector(`[data-stop=${reached}]`).dataset.active = '';
}

function reasonOf(answer) {
  if (answer.late) return `before: ${answer.labels[answer.before]}`;
  const where = isHere(answer) ? `exit ${answer.source.slice('exit:'.length)}` : 'the last exit';
  const sent = answer.sentBytes > 0 ? `, ${count.format(answer.sentBytes)} bytes sent` : '';
  return `${where}: ${answer.reason}${sent}`;
}

function showThreshold(answer) {
  const exit = device.variant.calibration.exits.find(
    ({ exit }) => answer.source === `exit:${exit}`,
  );
  const threshold = exit === undefined ? null : thresholdOf(exit, { index: answer.label });
  const mark = byId('threshold');
  mark.hidden = threshold === null;
  byId('promise').textContent = '';
  if (mark.hidden) return;
  mark.style.left = `${100 * threshold}%`;
  const whose = exit.thresholds ? `what it takes for ${answer.labels[answer.label]}` : 'all images';
  byId('promise').textContent =
    `Trusted here from ${percent.format(threshold)} on: at most ${percent.format(exit.epsilon)} of ` +
    `${whose} is answered here and wrong, with ${share.format(1 - exit.delta)} certainty ` +
    `(n = ${count.format(exit.n)}).`;
}

function showBars({ probabilities, label, labels }) {
  byId('bars').replaceChildren(
    ...probabilities.map((p, i) => {
      const bar = el('i');
      bar.style.width = `${100 * p}%`;
      const row = el('li', '', el('span', '', labels[i] ?? i), bar);
      if (i === label) row.dataset.best = '';
      row.title = percent.format(p);
      return row;
    }),
  );
}

function addToHistory(answer) {
  const entry = el('li');
  fillEntry(entry, answer);
  byId('history').prepend(entry);
  while (byId('history').children.length > historyMax) byId('history').lastChild.remove();
  byId('no-history').hidden = true;
  return entry;
}

function fillEntry(entry, answer) {
  const kind = kindOf(answer);
  entry.dataset.kind = kind;
  const chip = el(
    'span',
    'chip',
    { here: 'here', cloud: 'cloud', degraded: 'waiting', late: 'late' }[kind],
  );
  if (kind === 'degraded' && !answer.pending) chip.textContent = 'unsure';
  chip.dataset.kind = kind;
  entry.replaceChildren(
    picture(answer.pixels),
    el('strong', '', answer.labels[answer.label] ?? '?'),
    chip,
    el('span', 'quiet', percent.format(answer.confidence)),
    el('span', 'quiet time', answer.late ? 'later' : milliseconds(answer.latencyMs)),
  );
}

// Better answers that come late.

function awaitBetter(answer, entry, turn) {
  const better = (label, confidence) => {
    const improved = {
      ...answer,
      late: true,
      source: 'cloud',
      before: answer.label,
      label,
      confidence,
      probabilities: answer.labels.map((_, i) => (i === label ? confidence : 0)),
      degraded: false,
    };
    fillEntry(entry, improved);
    if (turn === asked) showAnswer(improved);
  };
  const come = late.get(answer.requestId);
  if (come) return better(...come);
  pending.set(answer.requestId, better);
  if (pending.size > lateMax) pending.delete(pending.keys().next().value);
}

function listen() {
  const stream = new EventSource('/v1/answers/stream');
  stream.addEventListener('answer', ({ data }) => {
    const { request_id: id, answer } = JSON.parse(data);
    if (answer === undefined || device === undefined) return;
    const better = [device.manifest.labels.indexOf(answer.label), answer.confidence];
    if (pending.has(id)) pending.get(id)(...better);
    else late.set(id, better);
    pending.delete(id);
    if (late.size > lateMax) late.delete(late.keys().next().value);
  });
}

// The agent and its link.

const linkTexts = {
  up: ({ rttMs }) =>
    rttMs === undefined ? 'cloud reachable' : `cloud ${milliseconds(rttMs)} away`,
  down: () => 'cloud unreachable',
  stalled: () => 'cloud silent',
};

async function refresh() {
  try {
    const response = await fetch('/healthz', { signal: AbortSignal.timeout(requestTimeoutMs) });
    const { device: name, link, queue } = await response.json();
    showState('link', link.state, linkTexts[link.state](link));
    byId('agent').textContent =
      `${name} keeps what is asked until the cloud has it: ${count.format(queue.ops)} waiting`;
  } catch {
    showState('link', 'lost', 'agent unreachable');
  }
  setTimeout(refresh, healthEveryMs);
}

const hex = (buffer) =>
  [...new Uint8Array(buffer)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
const digest = globalThis.crypto?.subtle
  ? async (bytes) => `sha256:${hex(await crypto.subtle.digest('SHA-256', bytes))}`
  : undefined;

async function start() {
  clearSheet();
  void refresh();
  const { bundles } = await (await fetch('/v1/bundles')).json();
  const startedMs = performance.now();
  const opened = await openBrowserDevice(bundles[0], {
    fetch: (path, timeoutMs, init) =>
      fetch(path, { ...init, signal: AbortSignal.timeout(timeoutMs) }),
    sha256: digest,
    nowMs: () => performance.now(),
  });
  if (!opened.ok) return showState('device', 'failed', opened.error.message);
  device = opened.value;
  const { manifest, variant, tested } = device;
  showState('device', 'ready', `${manifest.name} ${manifest.version}, ${variant.name}`);
  byId('device').title =
    `${variant.digest}\nready after ${milliseconds(performance.now() - startedMs)}`;
  byId('here').textContent =
    `runs the first stage in WebAssembly; ${tested} golden inputs answered as promised`;
  showSamples(manifest.golden);
  listen();
}

start().catch((thrown) => showState('device', 'failed', String(thrown)));
