// The device's half of the protocol: drives session-state.ts with a real store, pipe and clock. The app appends to the
// store and calls notifyAppended(); what the cloud says arrives through `effect`, inside the transaction that moves the
// cursor, and then through `onApplied`. What the session holds in memory may be lost at any moment without harm.

import {
  type Clock,
  createId,
  err,
  failure,
  type Log,
  messageOf,
  type Random,
  type Result,
  type Timer,
} from '@skerry/shared';
import { buildExchange } from './build-exchange.ts';
import { decodeMessage, encodeMessage } from './codec.ts';
import { type Dialects, newestOf, oldestOf, spokenDialects } from './dialects.ts';
import type { DeviceStatus, DownOp, Exchange, Reply, VersionAnswer } from './messages.ts';
import { laneOf } from './op-kinds.ts';
import type { DeviceStore, DeviceTransport, DownEffect } from './ports.ts';
import {
  initialSessionState,
  type Link,
  linkOf,
  type SessionEvent,
  transition,
  wakeAtMs,
} from './session-state.ts';
import { bytesPerSecondOf, noTraffic, observeLoss, observeReply } from './traffic.ts';

const statusIntervalDefaultMs = 5_000;
/** Then an op whose effect throws goes into quarantine. */
const effectAttemptsMax = 3;

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
  readonly effect: DownEffect;
  /** After the transaction, in order; each op once. */
  readonly onApplied?: (ops: readonly DownOp[]) => void;
  readonly dialects?: Dialects;
}

export interface Session {
  /** Call after each `store.append`. */
  notifyAppended(): void;
  link(): Link;
  /** Sends and applies nothing more. The store and the transport stay open: whoever opened them closes them. */
  close(): void;
}

/** The Exchange sent last. */
interface InFlight {
  readonly exchange: number;
  readonly built: Exchange;
  readonly bytes: number;
  readonly sentAtMs: number;
  answered: boolean;
}

export function createSession(ports: SessionPorts): Session {
  const { store, transport, clock, random, log, dialects = spokenDialects } = ports;
  const statusIntervalMs = ports.statusIntervalMs ?? statusIntervalDefaultMs;
  const idPrefix = createId(clock.nowMs(), random);
  let state = initialSessionState;
  let timer: Timer | undefined;
  let statusSentAtMs = Number.NEGATIVE_INFINITY;
  let inFlight: InFlight | undefined;
  let traffic = noTraffic;
  let closed = false;
  let speaking = newestOf(dialects);
  /** By position: how often the effect has thrown. As many as one Reply brings. */
  const failing = new Map<number, number>();

  const handle = (event: SessionEvent): void => {
    if (closed) return;
    const next = transition(state, event, {
      nowMs: clock.monotonicMs(),
      draw: random.uint32(),
    });
    state = next.state;
    rearm();
    for (const effect of next.effects) send(effect.exchange, effect.empty);
  };

  const rearm = (): void => {
    timer?.cancel();
    const atMs = wakeAtMs(state);
    timer =
      atMs === undefined
        ? undefined
        : clock.after(Math.max(0, atMs - clock.monotonicMs()), () => handle({ kind: 'tick' }));
  };

  const send = (exchange: number, empty: boolean): void => {
    const expired = store.expire(clock.nowMs()); // [LAN3]
    if (!expired.ok) log.error({ code: expired.error.code }, expired.error.message);
    const built = buildExchange(store, {
      exchangeId: `${idPrefix}-${exchange}`,
      turn: exchange,
      empty,
      nowMs: clock.nowMs(),
      v: speaking,
      oldest: oldestOf(dialects),
    });
    if (inFlight?.answered === false) traffic = observeLoss(traffic); // [SES11]
    const bytes = encode(built);
    const sentBytes = bytes.ok ? bytes.value.length : 0;
    const sentAtMs = clock.monotonicMs();
    inFlight = { exchange, built, bytes: sentBytes, sentAtMs, answered: false };
    if (bytes.ok) {
      void transport.send(bytes.value).then((sent) => {
        if (sent.ok) return;
        if (inFlight?.exchange === exchange) inFlight.answered = true; // It was not lost on the way.
        handle({ kind: 'unsent', exchange });
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
      const { drops, quarantined } = store.position();
      const sync = { drops: { ...drops }, quarantined };
      const bytes = encodeMessage({ ...built, status: { ...ports.status(), sync } }, dialects);
      if (bytes.ok) return bytes;
      log.warn({ code: bytes.error.code }, `status left out: ${bytes.error.message}`);
    }
    return encodeMessage(built, dialects);
  };

  const receive = (bytes: Uint8Array): void => {
    if (closed) return;
    const message = decodeMessage(bytes, dialects);
    if (!message.ok)
      log.warn({ code: message.error.code }, `message refused: ${message.error.message}`);
    else if (message.value.type === 'hint') handle({ kind: 'hint' });
    else if (message.value.type === 'reply') applyReply(message.value);
    else if (message.value.type === 'version') speakOlder(message.value);
    else log.warn({}, 'message refused: an exchange, at a device');
  };

  const applyReply = (reply: Reply): void => {
    if (reply.device !== store.position().device) {
      log.warn({}, 'reply refused: of another device'); // [INB4]
      return;
    }
    // [INB5] Also when it answers an older Exchange: what it says is true whenever it arrives.
    const quarantinedBefore = store.position().quarantined;
    const applied = store.apply(reply, guardedEffect);
    if (applied.ok) failing.clear();
    else log.error({ code: applied.error.code }, applied.error.message);
    if (applied.ok && applied.value.length > 0) ports.onApplied?.(applied.value);
    const after = store.position();
    if (after.quarantined > quarantinedBefore)
      log.error({ quarantined: after.quarantined }, 'an op was refused and lies in quarantine');
    const sent = inFlight?.built.exchangeId === reply.exchangeId ? inFlight : undefined;
    if (sent?.answered === false) {
      sent.answered = true;
      traffic = observeReply(traffic, sent.bytes, clock.monotonicMs() - sent.sentAtMs);
    }
    const renewed = reply.newEpoch === true && sent !== undefined && renew();
    handle({
      kind: 'replied',
      exchange: sent?.exchange,
      delivered:
        applied.ok && sent !== undefined && delivers(sent.built, reply, after.cursor, renewed),
      pending: reply.more || after.ops > 0,
      nextExchangeMs: reply.nextExchangeMs,
      pauseMs: reply.pauseMs,
    });
  };

  /** [EPO3] Only at the word on the Exchange in flight: an older one may have been true then. */
  const renew = (): boolean => {
    const done = store.renew();
    if (!done.ok) log.error({ code: done.error.code }, done.error.message);
    else log.warn({}, 'another speaks by this epoch: took a new one');
    return done.ok;
  };

  /** [QUA1, QUA2] An op whose effect throws is tried again; one that always throws must not stop those behind it. */
  const guardedEffect: DownEffect = (op) => {
    try {
      return ports.effect(op);
    } catch (thrown) {
      const times = (failing.get(op.position) ?? 0) + 1;
      failing.set(op.position, times);
      const { code, message } = failure('runtime_failed', messageOf(thrown));
      return err({ code, message, retryable: times < effectAttemptsMax });
    }
  };

  /** [VER2] The coordinator speaks this version, and not ours. */
  const speakOlder = ({ v, exchangeId }: VersionAnswer): void => {
    if (inFlight?.built.exchangeId !== exchangeId || v >= speaking) return;
    log.warn({ version: v, instead: speaking }, 'the coordinator speaks an older version');
    speaking = v;
    const { exchange } = inFlight;
    inFlight.answered = true;
    handle({
      kind: 'replied',
      exchange,
      delivered: true,
      pending: true,
      nextExchangeMs: 0,
      pauseMs: 0,
    });
  };

  transport.onConnection((connected) => {
    if (connected) speaking = newestOf(dialects); // The coordinator may be a newer one.
    inFlight = undefined; // What was under way went with the connection, which says nothing of the next one's loss.
    handle({ kind: connected ? 'connected' : 'disconnected' });
  });
  transport.onMessage(receive);
  if (transport.connected()) handle({ kind: 'connected' });

  return {
    notifyAppended: () => handle({ kind: 'appended' }),
    link() {
      const bytesPerSecond = bytesPerSecondOf(traffic);
      return {
        ...linkOf(state, clock.monotonicMs()),
        lossShare: traffic.lossShare,
        ...(bytesPerSecond === undefined ? {} : { bytesPerSecond }),
      };
    },
    close() {
      closed = true;
      timer?.cancel();
    },
  };
}

/** [SES7] Whether the reply moved all that it could have: without this, a stuck side would be asked in a tight loop. */
function delivers(exchange: Exchange, reply: Reply, cursor: number, renewed: boolean): boolean {
  const isAcknowledged = ({
    epoch = exchange.epoch,
    seq,
    body,
  }: Exchange['ops'][number]): boolean =>
    reply.acks.some((ack) => ack.epoch === epoch && ack.lane === laneOf(body) && ack.seq >= seq);
  const acknowledged = renewed || exchange.ops.every(isAcknowledged);
  return acknowledged && (!reply.more || cursor > exchange.cursor);
}
