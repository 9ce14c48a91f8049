// Documents that others publish on a topic. What comes is checked and taken in one after the other; so many messages wait,
// in memory alone: who wants a document to be there after a cut publishes it retained. [LIB46]

import {
  type Clock,
  describeIssues,
  failure,
  type Log,
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
  const waiting: Uint8Array[] = [];
  const closing = new AbortController();
  let waitingBytes = 0;
  let dropped = 0;
  let state: Pick<SourceState, 'state' | 'reason' | 'lastMs'> = { state: 'starting' };
  let turn: Promise<void> | undefined;

  const takeOne = async (payload: Uint8Array): Promise<Result<unknown>> => {
    const stamp = digestOf(payload);
    const unread = { key: `message ${stamp}`, stamp };
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
    const bytes = encoding === 'utf8' ? new TextEncoder().encode(content) : bytesOf(content);
    if (bytes === undefined)
      return takeIn.refuse({ key, stamp }, failure('invalid_argument', 'content is no base64'));
    return takeIn.take({ key, stamp, mediaType, ...(title === undefined ? {} : { title }) }, bytes);
  };

  const work = async (): Promise<void> => {
    for (;;) {
      const [payload] = waiting;
      if (payload === undefined || closing.signal.aborted) return;
      const done = await takeOne(payload);
      if (!done.ok && done.error.retryable) {
        state = { ...state, reason: done.error.message };
        await sleep(clock, retryMs, closing.signal);
        continue;
      }
      if (!done.ok) dropped += 1;
      waiting.shift();
      waitingBytes -= payload.length;
      store.trim(name, refusedMax);
      const reason = done.ok ? {} : { reason: done.error.message };
      state = { state: state.state, lastMs: clock.nowMs(), ...reason };
    }
  };

  const subscription = ports.topic.open({
    message(payload) {
      if (waiting.length >= waitingMax || waitingBytes + payload.length > waitingBytesMax) {
        dropped += 1;
        if (dropped === 1) log.warn({ source: name }, 'documents come faster than they are taken');
        return;
      }
      waiting.push(payload);
      waitingBytes += payload.length;
      turn ??= work().finally(() => {
        turn = undefined;
      });
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
