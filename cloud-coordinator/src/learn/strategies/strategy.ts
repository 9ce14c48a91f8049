// How the updates of a round become the next model, in Flower's words (configureTrain, aggregateTrain, configureEvaluate,
// aggregateEvaluate) but as pure functions: state in, state out, so that a journal replays a run to the same bytes. An
// update is what a client adds to the model it was given, new − base; sums are in float64, in the order of client ids.

import type { Result } from '@skerry/shared';
import type { EvaluateReport, EvaluateResult } from './aggregate-evaluate.ts';

export type Vector = Float32Array | Float64Array;

export interface ClientUpdate {
  readonly client: string;
  /** As the client says. Robust rules do not look at it. */
  readonly examples: number;
  readonly delta: Float32Array;
  readonly metrics: Readonly<Record<string, number>>;
  /** The share of the asked local work that was done, 0–1. */
  readonly completed: number;
  /** Local steps of gradient descent. */
  readonly steps: number;
  /** Rounds between the model that it was trained from and now. */
  readonly staleness: number;
  /** By how much the client's control variate has moved (SCAFFOLD). */
  readonly control?: Float32Array;
}

export interface StrategyState {
  readonly parameters: Float32Array<ArrayBuffer>;
  /** How many models came before this one. */
  readonly round: number;
  /** What a strategy keeps from round to round: momentum, second moment, control variate, buffer. */
  readonly slots: Slots;
}
export type Slots = Readonly<Record<string, Float64Array<ArrayBuffer>>>;

/** What a strategy adds to the plan of a run. */
export interface TrainConfig {
  /** FedProx: the pull towards the model of the round; 0 is none. */
  readonly proximalMu: number;
  /** SCAFFOLD: the server's control variate, which each client sets against its own. */
  readonly control?: Float32Array<ArrayBuffer>;
  /** Tensors that never leave the device. */
  readonly personal: readonly string[];
}

export interface EvaluateConfig {
  readonly personal: readonly string[];
}

/** Why an update has no part in an aggregate. */
export type LeftOutReason =
  | 'wrong-size'
  | 'not-finite'
  | 'no-examples'
  | 'partial'
  | 'repeated'
  | 'no-steps'
  | 'no-control'
  | 'no-start-loss'
  | 'too-stale'
  | 'personal-told'
  | 'not-chosen'
  | 'no-room-for-history';

export interface ClientShare {
  readonly client: string;
  readonly used: boolean;
  /** Of the aggregate, before the server's step; rules that sort coordinate by coordinate give none. */
  readonly weight?: number;
  /** The rule's own figure: Krum's score, the distance to the centre. */
  readonly score?: number;
  readonly reason?: LeftOutReason;
}

export interface AggregateReport {
  readonly strategy: string;
  /** The new state's. */
  readonly round: number;
  /** Whether there is a new model; a buffer may not be full yet. */
  readonly changed: boolean;
  readonly clients: readonly ClientShare[];
  /** Of the clients that were used, as they say. */
  readonly examples: number;
  /** L2 norm of the combined update and of the server's step. */
  readonly deltaNorm: number;
  readonly stepNorm: number;
  /** The clients' own metrics, weighted as they say by examples: to look at, not to decide by. */
  readonly metrics: Readonly<Record<string, number>>;
}

export interface Aggregated {
  readonly state: StrategyState;
  readonly report: AggregateReport;
}

/** What a run must know of a strategy before it begins. */
export interface StrategyTraits {
  /**
   * One update may stand for many: a sum that secure aggregation has unmasked, or that noise was added to, divided by what
   * it is to be divided by. Rules that look at each client's update cannot be given one.
   */
  readonly takesSums: boolean;
  /** Each update is taken when it comes, however old its base. */
  readonly asynchronous: boolean;
  /** Clients keep a control variate and send by how much it moved. */
  readonly needsControl: boolean;
  /** Clients say the loss of the model that they were given, as the metric `startLoss`. */
  readonly needsStartLoss: boolean;
  /** The number of clients without which `aggregateTrain` refuses. */
  readonly clientsMin: number;
}

export interface Strategy {
  readonly name: string;
  readonly traits: StrategyTraits;
  initialize(parameters: Float32Array): StrategyState;
  configureTrain(state: StrategyState): TrainConfig;
  /** Why `aggregateTrain` would leave this update out, whoever else comes: known as soon as it is there. */
  whyLeftOut(update: ClientUpdate, size: number): LeftOutReason | undefined;
  /**
   * Fails with `unavailable` where too few updates can be used, and with `runtime_failed` where the model would not be
   * finite; the state stays what it was.
   */
  aggregateTrain(state: StrategyState, updates: readonly ClientUpdate[]): Result<Aggregated>;
  configureEvaluate(state: StrategyState): EvaluateConfig;
  aggregateEvaluate(results: readonly EvaluateResult[]): EvaluateReport;
}

/** The metric by which a client says the loss of the model that it was given (q-FedAvg). */
export const startLossMetric = 'startLoss';
