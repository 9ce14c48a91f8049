// The device's half of the protocol: drives session-state.ts with a real store, pipe and clock. The app appends to the
// store and calls notifyAppended(); what the cloud says arrives through `effect`, inside the transaction that moves the
// cursor, and then through `onApplied`. What the session holds in memory may be lost at any moment without harm.

import {
  type Clock,
  createId,
  type Log,
  type Random,
  type Result,
  type Timer,
} from '@skerry/shared';
import { buildExchange } from './build-exchange.ts';
import { decodeMessage, encodeMessage } from './codec.ts';
import type { DeviceStatus, DownOp, Exchange, Reply } from './messages.ts';
import type { DeviceStore, DeviceTransport } from './ports.ts';
import {
  initialSessionState,
  type Link,
  linkOf,
  type SessionEvent,
  transition,
  wakeAtMs,
} from './session-state.ts';

const statusIntervalDefaultMs = 5_000;

export interface SessionPorts {
  readonly store: DeviceStore;
  readonly transport: DeviceTransport;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** A snapshot to send along; asked for at most every `statusIntervalMs`. */
  readonly status?: () => DeviceStatus;
  readonly statusIntervalMs?: number;
  /** Runs inside the transaction that applies `op`: make its durable consequences here. */
  readonly effect: (op: DownOp) => void;
  /** After the transaction, in order; each op once. */
  readonly onApplied?: (ops: readonly DownOp[]) => void;
}

export interface Session {
  /** Call after each `store.append`. */
  notifyAppended(): void;
  link(): Link;
  /** Sends and applies nothing more. The store and the transport stay open: whoever opened them closes them. */
  close(): void;
}

export function createSession(ports: SessionPorts): Session {
  const { store, transport, clock, random, log } = ports;
  const statusIntervalMs = ports.statusIntervalMs ?? statusIntervalDefaultMs;
  const idPrefix = createId(clock.nowMs(), random);
  let state = initialSessionState;
  let timer: Timer | undefined;
  let statusSentAtMs = Number.NEGATIVE_INFINITY;
  let inFlight: { readonly exchange: number; readonly built: Exchange } | undefined;
  let closed = false;

  const handle = (event: SessionEvent): void => {
    if (closed) return;
    const next = transition(state, event, {
      nowMs: clock.monotonicMs(),
      draw: random.uint32(),
    });
    state = next.state;
    rearm();
    for (const effect of next.effects) send(effect.exchange);
  };

  const rearm = (): void => {
    timer?.cancel();
    const atMs = wakeAtMs(state);
    timer =
      atMs === undefined
        ? undefined
        : clock.after(Math.max(0, atMs - clock.monotonicMs()), () => handle({ kind: 'tick' }));
  };

  const send = (exchange: number): void => {
    const built = buildExchange(store, `${idPrefix}-${exchange}`);
    inFlight = { exchange, built };
    const bytes = encode(built);
    if (bytes.ok) {
      void transport.send(bytes.value).then((sent) => {
        if (!sent.ok) handle({ kind: 'unsent', exchange });
      });
    } else {
      log.error({ exchange, code: bytes.error.code }, `not sent: ${bytes.error.message}`);
      handle({ kind: 'unsent', exchange });
    }
  };

  /** With the status when one is due. What is wrong with a status must never keep ops from travelling. [EXC4] */
  const encode = (built: Exchange): Result<Uint8Array> => {
    const nowMs = clock.monotonicMs();
    if (ports.status !== undefined && nowMs - statusSentAtMs >= statusIntervalMs) {
      statusSentAtMs = nowMs;
      const bytes = encodeMessage({ ...built, status: ports.status() });
      if (bytes.ok) return bytes;
      log.warn({ code: bytes.error.code }, `status left out: ${bytes.error.message}`);
    }
    return encodeMessage(built);
  };

  const receive = (bytes: Uint8Array): void => {
    if (closed) return;
    const message = decodeMessage(bytes);
    if (!message.ok)
      log.warn({ code: message.error.code }, `message refused: ${message.error.message}`);
    else if (message.value.type === 'hint') handle({ kind: 'hint' });
    else if (message.value.type === 'reply') applyReply(message.value);
    else log.warn({}, 'message refused: an exchange, at a device');
  };

  const applyReply = (reply: Reply): void => {
    const { device, epoch } = store.position();
    if (reply.device !== device || reply.epoch !== epoch) {
      log.warn({}, 'reply refused: of another device or epoch'); // [INB4]
      return;
    }
    // [INB5] Also when it answers an older Exchange: what it says is true whenever it arrives.
    const applied = store.apply(reply, ports.effect);
    if (!applied.ok) log.error({ code: applied.error.code }, applied.error.message);
    else if (applied.value.length > 0) ports.onApplied?.(applied.value);
    const after = store.position();
    const sent = inFlight?.built.exchangeId === reply.exchangeId ? inFlight : undefined;
    handle({
      kind: 'replied',
      exchange: sent?.exchange,
      delivered: applied.ok && sent !== undefined && delivers(sent.built, reply, after.cursor),
      pending: reply.more || after.ops > 0,
      nextExchangeMs: reply.nextExchangeMs,
    });
  };

  transport.onConnection((connected) => handle({ kind: connected ? 'connected' : 'disconnected' }));
  transport.onMessage(receive);
  if (transport.connected()) handle({ kind: 'connected' });

  return {
    notifyAppended: () => handle({ kind: 'appended' }),
    link: () => linkOf(state, clock.monotonicMs()),
    close() {
      closed = true;
      timer?.cancel();
    },
  };
}

/** [SES7] Whether the reply moved all that it could have: without this, a stuck side would be asked in a tight loop. */
function delivers(exchange: Exchange, reply: Reply, cursor: number): boolean {
  const lastSeq = exchange.ops.at(-1)?.seq ?? 0;
  return reply.ack >= lastSeq && (!reply.more || cursor > exchange.cursor);
}
