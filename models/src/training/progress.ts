// A training run's progress: one line that redraws itself on a terminal, a plain line every few percent elsewhere.

import type { StepProgress } from './train-network.ts';

export interface ProgressStream {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

const barWidth = 30;
const redrawEveryMs = 200;
const plainEveryPercent = 5;
/** Weight of the past in the running mean of the loss. */
const smoothing = 0.98;

export function createProgress(stream: ProgressStream, nowMs: () => number) {
  const startMs = nowMs();
  let losses: number[] = [];
  let drawnMs = -Infinity;
  let printedPercent = 0;
  return (progress: StepProgress): void => {
    losses = progress.losses.map((loss, i) =>
      losses[i] === undefined ? loss : smoothing * losses[i] + (1 - smoothing) * loss,
    );
    const now = nowMs();
    const percent = (100 * progress.step) / progress.steps;
    const last = progress.step === progress.steps;
    const line = progressLine(progress, losses, now - startMs);
    if (stream.isTTY && (last || now - drawnMs >= redrawEveryMs)) {
      drawnMs = now;
      stream.write(`\r${bar(percent)} ${line}\x1b[K${last ? '\n' : ''}`);
    } else if (!stream.isTTY && (last || percent - printedPercent >= plainEveryPercent)) {
      printedPercent = percent;
      stream.write(`${line}\n`);
    }
  };
}

export function progressLine(
  { step, steps }: StepProgress,
  losses: readonly number[],
  elapsedMs: number,
): string {
  const leftSeconds = Math.round(((elapsedMs / step) * (steps - step)) / 1000);
  const left = `${Math.floor(leftSeconds / 60)} min ${leftSeconds % 60} s left`;
  const percent = ((100 * step) / steps).toFixed(0).padStart(3);
  return `${percent} %  loss ${losses.map((loss) => loss.toFixed(4)).join(' / ')}  ${left}`;
}

function bar(percent: number): string {
  const filled = Math.round((percent / 100) * barWidth);
  return `[${'█'.repeat(filled)}${'·'.repeat(barWidth - filled)}]`;
}
