// The coordinator's half of the protocol: bytes of an Exchange in, bytes of its Reply out. Stateless but for replies
// that are held a moment for answers under way, so any number of coordinators can serve one database, and what this
// holds in memory may be lost at any moment without harm.

import {
  assert,
  type Clock,
  err,
  exchangeOpsMax,
  failure,
  type Log,
  ok,
  type Result,
  type Timer,
} from '@skerry/shared';
import { decodeMessage, encodeMessage, opsBytesMax } from './codec.ts';
import { type Exchange, protocolVersion, type UpOp } from './messages.ts';
import type { CoordinatorStore, CoordinatorTransport } from './ports.ts';

export interface ExchangeHandlerPorts {
  readonly store: CoordinatorStore;
  readonly clock: Clock;
  /** Ops that are durable now and were not before. Called once for each; must not throw. */
  readonly onAccepted: (device: string, fresh: readonly UpOp[]) => void;
  /** After each Exchange that was accepted: who is there, and how it is. Must not throw. */
  readonly onExchange?: (exchange: Exchange) => void;
  /** Carries a Hint to a device that is not being replied to. */
  readonly hint: (device: string, message: Uint8Array) => void;
}

export interface ExchangeHandlerConfig {
  /** How long a reply may wait for the answers to the escalations that its Exchange brought. */
  readonly holdMs: number;
  readonly heldRepliesMax: number;
  /** What devices are told: when to come back if nothing happens before. */
  readonly nextExchangeMs: number;
}

export const exchangeHandlerDefaults: ExchangeHandlerConfig = {
  holdMs: 200,
  heldRepliesMax: 1_000,
  nextExchangeMs: 30_000,
};

export interface ExchangeHandler {
  /** `device` is whom the pipe says it is. A Failure means: send nothing, the device will try again. */
  handle(device: string, message: Uint8Array): Promise<Result<Uint8Array>>;
  /**
   * Call after appending down ops for a device, `answers` of them to escalations: releases its held reply when that
   * was the last awaited, or sends a Hint where none is held.
   */
  news(device: string, answers?: number): void;
  /** Releases every held reply. */
  close(): void;
}

interface Held {
  /** Answers still expected. */
  left: number;
  readonly release: () => void;
}

export function createExchangeHandler(
  ports: ExchangeHandlerPorts,
  config: Partial<ExchangeHandlerConfig> = {},
): ExchangeHandler {
  const { store, clock } = ports;
  const { holdMs, heldRepliesMax, nextExchangeMs } = { ...exchangeHandlerDefaults, ...config };
  const held = new Map<string, Held>();
  const hint = encodeMessage({ v: protocolVersion, type: 'hint' });
  assert(hint.ok, 'a hint can be encoded');

  /** Registers before anybody can answer, so that no news is missed. */
  const hold = (device: string, answers: number): Promise<void> => {
    held.get(device)?.release(); // [REP4] A device has one Exchange in flight: the older reply is awaited no more.
    if (answers === 0 || holdMs === 0 || held.size >= heldRepliesMax) return Promise.resolve();
    return new Promise((resolve) => {
      const release = (): void => {
        timer.cancel();
        held.delete(device);
        resolve();
      };
      const timer: Timer = clock.after(holdMs, release);
      held.set(device, { left: answers, release });
    });
  };

  const reply = async (exchange: Exchange, ack: number): Promise<Result<Uint8Array>> => {
    const { device, epoch, exchangeId, cursor } = exchange;
    const down = await store.downOpsAfter(device, cursor, exchangeOpsMax, opsBytesMax);
    if (!down.ok) return down;
    const { ops, more } = down.value;
    return encodeMessage({
      v: protocolVersion,
      type: 'reply',
      device,
      epoch,
      exchangeId,
      ack,
      ops: [...ops],
      more,
      nextExchangeMs,
    });
  };

  return {
    async handle(device, message) {
      const decoded = decodeExchange(device, message);
      if (!decoded.ok) return decoded;
      const exchange = decoded.value;
      const accepted = await store.accept(exchange, clock.nowMs());
      if (!accepted.ok) return accepted;
      ports.onExchange?.(exchange);
      const { fresh, ack } = accepted.value;
      const questions = fresh.filter(({ body }) => body.kind === 'escalation').length;
      const released = hold(device, questions);
      if (fresh.length > 0) ports.onAccepted(device, fresh);
      await released;
      return reply(exchange, ack);
    },

    news(device, answers = 1) {
      const waiting = held.get(device);
      if (waiting === undefined) {
        ports.hint(device, hint.value);
        return;
      }
      waiting.left -= answers;
      if (waiting.left <= 0) waiting.release();
    },

    close() {
      for (const { release } of [...held.values()]) release();
    },
  };
}

/** Joins a handler and a pipe: replies and failures go where they belong. */
export function serveExchanges(
  transport: CoordinatorTransport,
  handler: ExchangeHandler,
  log: Log,
): void {
  const serve = async (device: string, message: Uint8Array): Promise<void> => {
    const reply = await handler.handle(device, message);
    const sent = reply.ok ? await transport.send(device, reply.value) : reply;
    if (!sent.ok) log.warn({ device, code: sent.error.code }, sent.error.message);
  };
  transport.onMessage((device, message) => void serve(device, message));
}

function decodeExchange(device: string, message: Uint8Array): Result<Exchange> {
  const decoded = decodeMessage(message);
  if (!decoded.ok) return decoded;
  if (decoded.value.type !== 'exchange')
    return err(failure('malformed_message', `expected an exchange, got a ${decoded.value.type}`));
  if (decoded.value.device !== device)
    return err(failure('malformed_message', `the pipe of '${device}' carried another's exchange`));
  return ok(decoded.value);
}
