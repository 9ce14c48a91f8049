// How far a long computation is: one line that redraws itself on a terminal, a plain line every few percent elsewhere.

import type { StepProgress } from './train-network.ts';

export interface ProgressStream {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

export interface Progress {
  readonly done: number;
  readonly of: number;
  readonly text: string;
}

const barWidth = 30;
const redrawEveryMs = 200;
const plainEveryPercent = 5;
/** Weight of the past in the running mean of the loss. */
const smoothing = 0.98;

export function createProgressBar(stream: ProgressStream, nowMs: () => number) {
  const startMs = nowMs();
  let drawnMs = -Infinity;
  let printedPercent = 0;
  return (progress: Progress): void => {
    const now = nowMs();
    const percent = (100 * progress.done) / progress.of;
    const last = progress.done === progress.of;
    const line = progressLine(progress, now - startMs);
    if (stream.isTTY && (last || now - drawnMs >= redrawEveryMs)) {
      drawnMs = now;
      stream.write(`\r${bar(percent)} ${line}\x1b[K${last ? '\n' : ''}`);
    } else if (!stream.isTTY && (last || percent - printedPercent >= plainEveryPercent)) {
      printedPercent = percent;
      stream.write(`${line}\n`);
    }
  };
}

/** Of a training: its steps, and the running mean of the loss at each exit. */
export function createProgress(stream: ProgressStream, nowMs: () => number) {
  const show = createProgressBar(stream, nowMs);
  let losses: number[] = [];
  return (progress: StepProgress): void => {
    losses = progress.losses.map((loss, i) =>
      losses[i] === undefined ? loss : smoothing * losses[i] + (1 - smoothing) * loss,
    );
    const text = `loss ${losses.map((loss) => loss.toFixed(4)).join(' / ')}`;
    show({ done: progress.step, of: progress.steps, text });
  };
}

export function progressLine({ done, of, text }: Progress, elapsedMs: number): string {
  const leftSeconds = Math.round(((elapsedMs / done) * (of - done)) / 1000);
  const left = `${Math.floor(leftSeconds / 60)} min ${leftSeconds % 60} s left`;
  const percent = ((100 * done) / of).toFixed(0).padStart(3);
  return `${percent} %  ${text}  ${left}`;
}

function bar(percent: number): string {
  const filled = Math.round((percent / 100) * barWidth);
  return `[${'█'.repeat(filled)}${'·'.repeat(barWidth - filled)}]`;
}
