// The coordinator's half of the protocol: bytes of an Exchange in, bytes of its Reply out. Stateless but for replies
// that are held a moment for answers under way, so any number of coordinators can serve one database, and what this
// holds in memory may be lost at any moment without harm.

import {
  assert,
  type Clock,
  err,
  exchangeOpsMax,
  type Failure,
  failure,
  type Log,
  messageOf,
  ok,
  type Result,
  type Timer,
} from '@skerry/shared';
import { decodeExchangeHead, decodeMessage, encodeMessage, opsBytesMax } from './codec.ts';
import { commonVersion, type Dialects, oldestOf, spokenDialects } from './dialects.ts';
import type { Exchange, UpOp } from './messages.ts';
import type { Accepted, CoordinatorStore, CoordinatorTransport, Suspicion } from './ports.ts';

export interface ExchangeHandlerPorts {
  readonly store: Pick<CoordinatorStore, 'accept' | 'downOpsAfter'>;
  readonly clock: Clock;
  /** Ops that are durable now and were not before. Called once for each; must not throw. */
  readonly onAccepted: (device: string, fresh: readonly UpOp[]) => void;
  /** After each Exchange that was accepted: who is there, and how it is. Must not throw. */
  readonly onExchange?: (exchange: Exchange, suspicion: Suspicion | undefined) => void;
  /** An Exchange was answered with a pause: too many are under way. */
  readonly onPaused?: (device: string) => void;
  readonly dialects?: Dialects;
  /** Carries a Hint to a device that is not being replied to. */
  readonly hint: (device: string, message: Uint8Array) => void;
}

export interface ExchangeHandlerConfig {
  /** How long a reply may wait for the answers to the escalations that its Exchange brought. */
  readonly holdMs: number;
  readonly heldRepliesMax: number;
  /** What devices are told: when to come back if nothing happens before. */
  readonly nextExchangeMs: number;
  /** Exchanges under way at once, held replies included; the next is told to pause. */
  readonly exchangesMax: number;
  /** For how long. */
  readonly pauseMs: number;
}

export const exchangeHandlerDefaults: ExchangeHandlerConfig = {
  holdMs: 200,
  heldRepliesMax: 1_000,
  nextExchangeMs: 30_000,
  exchangesMax: 4_096,
  pauseMs: 5_000,
};

export interface ExchangeHandler {
  /** `device` is whom the pipe says it is. A Failure means: send nothing, the device will try again. */
  handle(device: string, message: Uint8Array): Promise<Result<Uint8Array>>;
  /**
   * Call after appending down ops for a device, `answers` of them to escalations: releases its held reply when that
   * was the last awaited, or sends a Hint where none is held.
   */
  news(device: string, answers?: number): void;
  /** Exchanges under way, held replies included. */
  inFlight(): number;
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
  const { dialects = spokenDialects } = ports;
  const terms = { ...exchangeHandlerDefaults, ...config };
  const { holdMs, heldRepliesMax, exchangesMax } = terms;
  const held = new Map<string, Held>();
  let inFlight = 0;
  // In the oldest version: whom it reaches may speak that one alone.
  const hint = encodeMessage({ v: oldestOf(dialects), type: 'hint' }, dialects);
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

  const reply = async (
    exchange: Exchange,
    { acks, newEpoch }: Accepted,
  ): Promise<Result<Uint8Array>> => {
    const { device, cursor } = exchange;
    const down = await store.downOpsAfter(device, cursor, exchangeOpsMax, opsBytesMax);
    if (!down.ok) return down;
    const { ops, more } = down.value;
    const { nextExchangeMs } = terms;
    const said = {
      acks: [...acks],
      after: cursor,
      ops: [...ops],
      more,
      nextExchangeMs,
      pauseMs: 0,
    };
    return encodeMessage(
      { ...headOf(exchange), ...said, ...(newEpoch ? { newEpoch: true } : {}) },
      dialects,
    );
  };

  /** [PAU3] Says nothing that is not true: nothing is acknowledged. */
  const pause = (exchange: Exchange): Result<Uint8Array> => {
    const { nextExchangeMs, pauseMs } = terms;
    const nothing = {
      acks: [],
      after: exchange.cursor,
      ops: [],
      more: false,
      nextExchangeMs,
      pauseMs,
    };
    return encodeMessage({ ...headOf(exchange), ...nothing }, dialects);
  };

  const serve = async (exchange: Exchange): Promise<Result<Uint8Array>> => {
    const { device } = exchange;
    const accepted = await store.accept(exchange, clock.nowMs());
    if (!accepted.ok) return accepted;
    const { fresh, suspicion } = accepted.value;
    ports.onExchange?.(exchange, suspicion);
    const questions = fresh.filter(({ body }) => body.kind === 'escalation').length;
    const released = hold(device, questions);
    if (fresh.length > 0) ports.onAccepted(device, fresh);
    await released;
    return reply(exchange, accepted.value);
  };

  return {
    async handle(device, message) {
      const decoded = decodeExchange(device, message, dialects);
      if (!decoded.ok) {
        const isVersion = decoded.error.code === 'unsupported_version';
        return isVersion ? offerVersion(device, message, decoded.error, dialects) : decoded;
      }
      if (inFlight >= exchangesMax) {
        ports.onPaused?.(device);
        return pause(decoded.value);
      }
      inFlight++;
      // [REP6] A bug that one device's Exchange meets is not the end of the others'.
      const replied = await serve(decoded.value).catch((thrown) =>
        err(failure('internal', messageOf(thrown))),
      );
      inFlight--;
      return replied;
    },

    inFlight: () => inFlight,

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

const headOf = ({ v, device, epoch, exchangeId }: Exchange) => {
  return { v, type: 'reply', device, epoch, exchangeId } as const;
};

function decodeExchange(device: string, message: Uint8Array, dialects: Dialects): Result<Exchange> {
  const decoded = decodeMessage(message, dialects);
  if (!decoded.ok) return decoded;
  if (decoded.value.type !== 'exchange')
    return err(failure('malformed_message', `expected an exchange, got a ${decoded.value.type}`));
  return decoded.value.device === device ? ok(decoded.value) : err(ofAnother(device));
}

/** [VER2] To a device that speaks a version unknown here: in the newest that both speak, to say so. */
function offerVersion(
  device: string,
  message: Uint8Array,
  refusal: Failure,
  dialects: Dialects,
): Result<Uint8Array> {
  const head = decodeExchangeHead(message);
  if (!head.ok) return head;
  if (head.value.device !== device) return err(ofAnother(device));
  const v = commonVersion(dialects, head.value);
  if (v === undefined) return err(refusal);
  const { exchangeId } = head.value;
  return encodeMessage({ v, type: 'version', device, exchangeId }, dialects);
}

const ofAnother = (device: string): Failure =>
  failure('malformed_message', `the pipe of '${device}' carried another's exchange`);
