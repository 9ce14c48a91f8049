// A client of federated learning, in Flower's words: an app that trains, evaluates and answers queries, each a function of
// a message and a context, and mods around it, each of which sees the message on its way in and the reply on its way out.
// It knows no agent: whoever simulates a fleet runs the same code.

import type { Random, Result } from '@skerry/shared';
import type { LearnPlan, QueryPlan, SecureStage } from '@skerry/sync-protocol/learn';
import type { Examples } from './examples.ts';
import type { LocalTrainer } from './trainer.ts';

interface Round {
  readonly run: string;
  readonly round: number;
  readonly attempt: number;
}

export interface TrainMessage extends Round {
  readonly type: 'train';
  readonly plan: LearnPlan;
  readonly parameters: Float32Array;
  /** The server's control variate. */
  readonly control?: Float32Array;
  /** SCAFFOLD's c − cᵢ, for whoever computes. */
  readonly correction?: Float32Array;
  /** What secure aggregation says first. */
  readonly secure?: Uint8Array;
}

/** A later stage of secure aggregation: whoever masks answers it, and nobody trains. */
export interface SecureMessage extends Round {
  readonly type: 'secure';
  readonly stage: SecureStage;
  readonly payload: Uint8Array;
}

export interface EvaluateMessage extends Round {
  readonly type: 'evaluate';
  readonly plan: LearnPlan;
  readonly parameters: Float32Array;
}

export interface QueryMessage extends Round {
  readonly type: 'query';
  /** With what secure aggregation says first, where the answer is masked. */
  readonly plan: QueryPlan;
}

export type ClientMessage = TrainMessage | SecureMessage | EvaluateMessage | QueryMessage;

export interface TrainedReply {
  readonly type: 'trained';
  readonly examples: number;
  readonly steps: number;
  readonly completed: number;
  readonly metrics: Readonly<Record<string, number>>;
  /** In the order of the plan's layout. */
  readonly delta: Float32Array;
  /** What is added to this client's control variate. */
  readonly control?: Float32Array;
  /** As it goes up, once it is packed. */
  readonly packed?: { readonly bytes: Uint8Array; readonly controlAt?: number };
}

export interface SecureReply {
  readonly type: 'secure';
  readonly stage: SecureStage;
  readonly payload: Uint8Array;
}

export interface EvaluatedReply {
  readonly type: 'evaluated';
  readonly examples: number;
  readonly metrics: Readonly<Record<string, number>>;
}

export interface QueriedReply {
  readonly type: 'queried';
  readonly examples: number;
  readonly values: Readonly<Record<string, number>>;
}

export type ClientReply = TrainedReply | SecureReply | EvaluatedReply | QueriedReply;

/** What a client keeps of a run from round to round. What it puts counts when its reply is durable, and not before. */
export interface ClientState {
  get(slot: string): Uint8Array | undefined;
  put(slot: string, bytes: Uint8Array): void;
}

export interface ClientContext {
  readonly state: ClientState;
  /** To train on, and to evaluate with. A query is of the former. */
  readonly examples: { readonly train: Examples; readonly heldOut: Examples };
  /** The last round of the run whose masked sum this client has helped to open; -1 for none. */
  readonly lastOpened: number;
  readonly trainer: LocalTrainer;
  /** Aborted: what is done by then is sent. */
  readonly signal: AbortSignal;
  /** Seeded: the same round of the same client draws the same. Not for what must be secret. */
  readonly random: Random;
}

export type Handler<Message, Reply> = (
  message: Message,
  context: ClientContext,
) => Promise<Result<Reply>>;

export interface ClientApp {
  readonly train: Handler<TrainMessage | SecureMessage, TrainedReply | SecureReply>;
  readonly evaluate: Handler<EvaluateMessage, EvaluatedReply>;
  readonly query: Handler<QueryMessage, QueriedReply | SecureReply>;
}

export type Mod<Message, Reply> = (
  message: Message,
  context: ClientContext,
  next: Handler<Message, Reply>,
) => Promise<Result<Reply>>;

/** The first stands outermost: it sees the message first and the reply last. */
export interface Mods {
  readonly train?: readonly Mod<TrainMessage | SecureMessage, TrainedReply | SecureReply>[];
  readonly evaluate?: readonly Mod<EvaluateMessage, EvaluatedReply>[];
  readonly query?: readonly Mod<QueryMessage, QueriedReply | SecureReply>[];
}
export type TrainMod = NonNullable<Mods['train']>[number];
export type QueryMod = NonNullable<Mods['query']>[number];

export const withMods = (app: ClientApp, mods: Mods): ClientApp => ({
  train: wrap(app.train, mods.train),
  evaluate: wrap(app.evaluate, mods.evaluate),
  query: wrap(app.query, mods.query),
});

const wrap = <Message, Reply>(
  handler: Handler<Message, Reply>,
  mods: readonly Mod<Message, Reply>[] = [],
): Handler<Message, Reply> =>
  mods.reduceRight<Handler<Message, Reply>>(
    (next, mod) => (message, context) => mod(message, context, next),
    handler,
  );

/**
 * A mod that changes what training has given. Later stages of secure aggregation pass it by.
 * @param change the message is the one that was trained on
 */
export function changeTrained(
  change: (
    reply: TrainedReply,
    message: TrainMessage,
    context: ClientContext,
  ) => Result<TrainedReply> | Promise<Result<TrainedReply>>,
): TrainMod {
  return async (message, context, next) => {
    const reply = await next(message, context);
    return reply.ok && reply.value.type === 'trained' && message.type === 'train'
      ? change(reply.value, message, context)
      : reply;
  };
}
