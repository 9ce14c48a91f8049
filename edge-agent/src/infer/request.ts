// One request on its way through the device, and its answer.

import type { Tensor } from '@skerry/models';
import type { Policy } from '../route/decide.ts';
import type { Model } from './model.ts';

/** What is asked, but for what it is asked of. */
export interface Question {
  readonly model: string;
  readonly clientId?: string;
  readonly deadlineMs?: number;
  readonly policy?: Policy;
  /** Aborts when the app has gone; asked for only where somebody waits. */
  readonly signal?: () => AbortSignal;
}

export interface InferenceRequest extends Question {
  readonly input: Tensor;
}

export interface InferenceAnswer {
  readonly requestId: string;
  readonly model: Model;
  /** `exit:1`, …, `cloud`, or `cache`: what the cloud once said of a look-alike. */
  readonly source: string;
  readonly label: number;
  readonly confidence: number;
  readonly probabilities: Float32Array;
  /** Not covered by the calibration's guarantee; `reason` says why. */
  readonly degraded: boolean;
  readonly reason: string;
  /** A better answer may come later, on the answers stream. */
  readonly pending: boolean;
  readonly latencyMs: number;
  /** What the device's own stages took of it. */
  readonly computeMs: number;
}

/** A request under way. Times are monotonic. */
export interface Admitted {
  readonly request: Question;
  readonly model: Model;
  readonly policy: Policy;
  readonly startedMs: number;
  readonly deadlineAtMs: number;
}

export interface Asked extends Admitted {
  readonly requestId: string;
}

/** How the answer differs from the last exit's. */
export type Ending = Pick<InferenceAnswer, 'degraded' | 'reason' | 'pending'> &
  Partial<Pick<InferenceAnswer, 'source' | 'label' | 'confidence' | 'probabilities'>>;
