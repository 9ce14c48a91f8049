// What the demo promises, checked against what happened.

import type { Scene } from './story.ts';
import { percent } from './table.ts';

export interface Totals {
  readonly asked: number;
  readonly answered: number;
  readonly accuracy: number;
  readonly accuracyAtOnce: number;
  readonly atEdgeExit: number;
  readonly late: number;
  readonly pending: number;
  readonly failed: number;
  readonly degraded: number;
  readonly bytesUp: number;
}

/** Of the shipped model on MNIST's 10 000 test images. */
export const accuracyMin = 0.992;
export const atEdgeExitMin = 0.9;

export function totalsOf({ devices }: Scene): Totals {
  const sum = (value: (device: Scene['devices'][number]) => number): number =>
    devices.reduce((total, device) => total + value(device), 0);
  const answered = sum(({ board }) => board.answered);
  return {
    asked: sum(({ board }) => board.asked),
    answered,
    accuracy: sum(({ board }) => board.correctFinally) / answered,
    accuracyAtOnce: sum(({ board }) => board.correct) / answered,
    atEdgeExit: sum(({ board }) => board.atEdgeExit) / answered,
    late: sum(({ board }) => board.late),
    pending: sum(({ board }) => board.pending.size),
    failed: sum(({ board }) => board.failed),
    degraded: sum(({ board }) => board.degraded),
    bytesUp: sum(({ bytesUp }) => bytesUp),
  };
}

export interface DemoPromise {
  readonly text: string;
  readonly kept: boolean;
}

export function promisesOf(totals: Totals): readonly DemoPromise[] {
  const { asked, answered, accuracy, accuracyAtOnce, atEdgeExit, late, pending, failed } = totals;
  const share = (part: number): string => percent(part, 1, 2);
  return [
    {
      text: `every request has an answer: ${answered} of ${asked}, ${failed} failed`,
      kept: answered === asked && failed === 0,
    },
    {
      text: `accuracy ${share(accuracy)} end to end (${share(accuracyAtOnce)} before late answers), at least ${share(accuracyMin)}`,
      kept: accuracy >= accuracyMin,
    },
    {
      text: `${share(atEdgeExit)} answered at the edge exit, at least ${share(atEdgeExitMin)}`,
      kept: atEdgeExit >= atEdgeExitMin,
    },
    {
      text: `${late} late answers arrived after the link healed, ${pending} are missing`,
      kept: late > 0 && pending === 0,
    },
  ];
}
