// `npm start`: watch three devices answer real images, lose a link, and catch up.
// Flags: --keep (leave it running afterwards), --tls (devices enrol and are known by certificate), --images N, --seconds N.

import { parseArgs } from 'node:util';
import { playStory, type Scene } from './story.ts';
import { renderTable } from './table.ts';
import { testImages } from './test-images.ts';
import { promisesOf, totalsOf } from './verdict.ts';

const { values } = parseArgs({
  options: {
    keep: { type: 'boolean', default: false },
    tls: { type: 'boolean', default: false },
    images: { type: 'string', default: '10000' },
    seconds: { type: 'string', default: '30' },
  },
});
const deviceCount = 3;
/** With fewer, none may escalate while the link is cut, and there would be no late answer to see. */
const imagesMin = 600;
/** Between two printed lines where the output is no terminal. */
const lineEveryMs = 5_000;

const write = (text: string): void => void process.stdout.write(text);

async function main(): Promise<number> {
  const count = Number(values.images);
  const seconds = Number(values.seconds);
  if (!(Number.isInteger(count) && count >= imagesMin && count <= 10_000 && seconds > 0)) {
    write(`usage: npm start -- [--keep] [--tls] [--images ${imagesMin}…10000] [--seconds N]\n`);
    return 2;
  }
  const abort = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => abort.abort());

  write(`Skerry: one coordinator, ${deviceCount} devices, ${count} MNIST test images.\n`);
  if (values.tls)
    write(
      'Devices enrol by token and show their certificates; to device-2 MQTT is blocked, so it exchanges over HTTPS.\n',
    );
  write('\n');
  const story = await playStory({
    images: await testImages(count),
    devices: deviceCount,
    tls: values.tls,
    seconds,
    signal: abort.signal,
    onProgress: createPainter(),
  });
  try {
    if (abort.signal.aborted) return 130;
    const totals = totalsOf(story.final);
    const promises = promisesOf(totals);
    write(`\n${renderTable(story.final.devices)}\n\n`);
    for (const { board } of story.final.devices)
      if (board.lastFailure !== undefined) write(`${board.device}: ${board.lastFailure}\n`);
    for (const { text, kept } of promises) write(`${kept ? '✓' : '✗'} ${text}\n`);
    if (values.keep) {
      write(`\nConsole   ${story.final.consoleUrl}\n`);
      if (story.operatorToken !== undefined) write(`Password  ${story.operatorToken}\n`);
      for (const { board, httpUrl } of story.final.devices) write(`${board.device}  ${httpUrl}\n`);
      write('Ctrl-C ends everything.\n');
      await new Promise((resolve) => abort.signal.addEventListener('abort', resolve));
    }
    return promises.every(({ kept }) => kept) ? 0 : 1;
  } finally {
    await story.close();
  }
}

/** Redraws in place on a terminal; elsewhere prints a table now and then, and each turn of the story. */
function createPainter(): (scene: Scene) => void {
  let drawnLines = 0;
  let lastEvent = '';
  let lastMs = Number.NEGATIVE_INFINITY;
  return (scene) => {
    const head = `${String(Math.floor(scene.progress * 100)).padStart(3)} %  ${scene.event}`;
    const text = `${head}\n${renderTable(scene.devices)}\n`;
    if (process.stdout.isTTY) {
      write(`${drawnLines > 0 ? `\u001b[${drawnLines}A` : ''}\u001b[J${text}`);
      drawnLines = text.split('\n').length - 1;
      return;
    }
    const turn = scene.event.replace(/\d+ late/, 'late');
    if (turn === lastEvent && performance.now() - lastMs < lineEveryMs) return;
    lastEvent = turn;
    lastMs = performance.now();
    write(`${text}\n`);
  };
}

process.exitCode = await main().catch((thrown: unknown) => {
  process.stderr.write(`${thrown instanceof Error ? thrown.message : thrown}\n`);
  return 1;
});
