// One task of a client, from plain data to plain data: so that it can run in a worker thread, on a device or in a simulated
// fleet alike, and so that what it has put counts only when whoever called makes it durable.

import { createRandom, ok, type Result } from '@skerry/shared';
import {
  type ClientContext,
  type ClientMessage,
  type ClientReply,
  withMods,
} from './client-app.ts';
import type { Examples } from './examples.ts';
import { localApp } from './local-app.ts';
import { type ModPorts, modsOf } from './mods/mods-of.ts';
import type { DeviceGraph, LocalTrainer } from './trainer.ts';

export interface ClientWork {
  readonly message: ClientMessage;
  readonly examples: { readonly train: Examples; readonly heldOut: Examples };
  readonly state: ReadonlyMap<string, Uint8Array>;
  readonly lastOpened?: number;
  readonly seed: number;
  /** For whoever opens the trainer: what the plan trains where it names no network. */
  readonly graph?: DeviceGraph;
}

export interface ClientDone {
  readonly reply: ClientReply;
  /** What was put, by slot. */
  readonly state: ReadonlyMap<string, Uint8Array>;
}

export interface ClientPorts {
  readonly trainer: LocalTrainer;
  readonly mods: ModPorts;
}

/** Fails as the trainer and the mods do. */
export async function runClient(
  { message, examples, state: kept, lastOpened = -1, seed }: ClientWork,
  { trainer, mods }: ClientPorts,
  signal: AbortSignal,
): Promise<Result<ClientDone>> {
  const state = new Map<string, Uint8Array>();
  const context: ClientContext = {
    state: {
      get: (slot) => state.get(slot) ?? kept.get(slot),
      put: (slot, bytes) => void state.set(slot, bytes),
    },
    examples,
    lastOpened,
    trainer,
    signal,
    random: createRandom(seed),
  };
  const app = withMods(localApp, modsOf(message, mods));
  const replied = await ask(app, message, context);
  return replied.ok ? ok({ reply: replied.value, state }) : replied;
}

function ask(
  app: typeof localApp,
  message: ClientMessage,
  context: ClientContext,
): Promise<Result<ClientReply>> {
  switch (message.type) {
    case 'train':
    case 'secure':
      return app.train(message, context);
    case 'evaluate':
      return app.evaluate(message, context);
    case 'query':
      return app.query(message, context);
  }
}
