// Documents that others publish on a topic. What comes is durable before it is acknowledged, and is checked and taken in
// one after the other; so many messages wait. What is published while there is no connection is missed: who wants a
// document to be there after a cut publishes it retained. [LIB46]

import {
  type Clock,
  describeIssues,
  type Failure,
  failure,
  type Log,
  messageOf,
  ok,
  parseJson,
  type Result,
  sleep,
} from '@skerry/shared';
import { z } from 'zod';
import { type RunningSource, retryMs, type SourceState } from './running-source.ts';
import type { TopicSource } from './source-config.ts';
import type { SourceStore } from './source-store.ts';
import type { TakeIn } from './take-in.ts';

/** A subscription that comes back by itself. */
export interface TopicPort {
  open(on: { message(payload: Uint8Array): void; connection(connected: boolean): void }): {
    close(): Promise<void>;
  };
}

/** Of refusals, the newest: a flood of what is no document fills no disk. */
const refusedMax = 1_000;

const keySchema = z
  .string()
  .min(1)
  .max(400)
  .regex(/^[^\p{Cc}]+$/u, 'has signs that are none');

const messageSchema = z.union([
  z.strictObject({ key: keySchema, removed: z.literal(true) }),
  z.strictObject({
    key: keySchema,
    mediaType: z.string().max(128).default('text/plain'),
    title: z.string().min(1).max(200).optional(),
    content: z.string(),
    encoding: z.enum(['utf8', 'base64']).default('utf8'),
  }),
]);

export function startTopic(
  config: TopicSource,
  ports: {
    readonly topic: TopicPort;
    readonly takeIn: TakeIn;
    readonly store: SourceStore;
    readonly digestOf: (bytes: Uint8Array) => string;
    readonly clock: Clock;
    readonly log: Log;
  },
): RunningSource {
  const { takeIn, store, digestOf, clock, log } = ports;
  const { name, kind, collection, messageBytesMax, waitingMax, waitingBytesMax } = config;
  const { inbox } = store;
  const closing = new AbortController();
  let waiting = inbox.waiting(name);
  let dropped = 0;
  let state: Pick<SourceState, 'state' | 'reason' | 'lastMs'> = { state: 'starting' };
  let turn: Promise<void> | undefined;

  const unreadOf = (payload: Uint8Array) => {
    const stamp = digestOf(payload);
    return { key: `message ${stamp}`, stamp };
  };

  const takeOne = async (payload: Uint8Array): Promise<Result<unknown>> => {
    const unread = unreadOf(payload);
    const { stamp } = unread;
    if (payload.length > messageBytesMax)
      return takeIn.refuse(
        unread,
        failure('too_large', `${payload.length} bytes; at most ${messageBytesMax}`),
      );
    const json = parseJson(payload, 'the message');
    if (!json.ok) return takeIn.refuse(unread, json.error);
    const read = messageSchema.safeParse(json.value);
    if (!read.success)
      return takeIn.refuse(
        unread,
        failure('invalid_argument', describeIssues(read.error, 'the message')),
      );
    const message = read.data;
    if ('removed' in message) return takeIn.drop(message.key);
    const { key, mediaType, title, content, encoding } = message;
    if (takeIn.has({ key, stamp })) return ok(undefined);
    const full = refuseBeyond(key);
    // Under another stamp: there may be room when it is published again.
    if (full !== undefined) return takeIn.refuse({ key, stamp: `${stamp} beyond keysMax` }, full);
    const bytes = encoding === 'utf8' ? new TextEncoder().encode(content) : bytesOf(content);
    if (bytes === undefined)
      return takeIn.refuse({ key, stamp }, failure('invalid_argument', 'content is no base64'));
    return takeIn.take({ key, stamp, mediaType, ...(title === undefined ? {} : { title }) }, bytes);
  };

  /** At least so many more keys, before they are counted anew: to count is to read each. */
  let room = 0;
  const refuseBeyond = (key: string): Failure | undefined => {
    const known = store.find(name, key);
    if (known !== undefined && known.reason === null) return undefined;
    if (room <= 0) {
      const { taken } = store.counts(name);
      room = config.keysMax - taken;
      if (room <= 0)
        return failure('too_large', `${taken} documents are there; at most ${config.keysMax}`);
    }
    room -= 1;
    return undefined;
  };

  const work = async (): Promise<void> => {
    for (;;) {
      const message = inbox.oldest(name);
      if (message === undefined || closing.signal.aborted) return;
      const { id, payload } = message;
      // A bug that it meets would be met after every start. [LIB57]
      const done = await takeOne(payload).catch((thrown) =>
        takeIn.refuse(unreadOf(payload), failure('internal', messageOf(thrown))),
      );
      if (!done.ok && done.error.retryable) {
        state = { ...state, reason: done.error.message };
        await sleep(clock, retryMs, closing.signal);
        continue;
      }
      if (!done.ok) dropped += 1;
      const gone = inbox.dealtWith(id);
      if (!gone.ok) {
        // It would be taken in again and again meanwhile.
        state = { ...state, reason: gone.error.message };
        await sleep(clock, retryMs, closing.signal);
        continue;
      }
      waiting = { messages: waiting.messages - 1, bytes: waiting.bytes - payload.length };
      store.trim(name, refusedMax);
      const reason = done.ok ? {} : { reason: done.error.message };
      state = { state: state.state, lastMs: clock.nowMs(), ...reason };
    }
  };

  const begin = (): void => {
    turn ??= work().finally(() => {
      turn = undefined;
    });
  };

  const drop = (why: string): void => {
    dropped += 1;
    if (dropped === 1) log.warn({ source: name }, why);
  };

  if (waiting.messages > 0) begin(); // What came before the last stop.
  const subscription = ports.topic.open({
    // The broker has its acknowledgement when this returns.
    message(payload) {
      const { messages, bytes } = waiting;
      if (messages >= waitingMax || bytes + payload.length > waitingBytesMax)
        return drop('documents come faster than they are taken');
      const kept = inbox.receive(name, payload);
      if (!kept.ok) return drop(`a document cannot be kept: ${kept.error.message}`);
      waiting = { messages: messages + 1, bytes: bytes + payload.length };
      begin();
    },
    connection(connected) {
      state = connected
        ? { ...state, state: 'waiting' }
        : { ...state, state: 'away', reason: 'its broker is not connected' };
    },
  });

  return {
    state: () => ({ name, kind, collection, ...state, dropped }),
    async close() {
      closing.abort();
      await subscription.close();
      await turn;
    },
  };
}

function bytesOf(base64: string): Uint8Array | undefined {
  if (!z.base64().safeParse(base64).success) return undefined;
  return Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
}
