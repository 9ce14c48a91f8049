// What comes of a task, on its way up: the op, and what it changes on the device, are one transaction.

import { defined, type Log, type Result } from '@skerry/shared';
import type { BlobRef } from '@skerry/sync-protocol/blobs';
import {
  type DeclineReason,
  type LearnReply,
  type LearnTask,
  secureBytesMax,
} from '@skerry/sync-protocol/learn';
import type { TrainedReply } from './client-app.ts';
import type { LearningPorts } from './learn-ports.ts';
import { type Answered, stateBytesMax } from './round-store.ts';
import type { ClientDone } from './run-client.ts';

export type Answer = LearnReply['result'];
type Changed = Omit<Answered, 'outcome'>;

export interface Replies {
  decline(task: LearnTask, reason: DeclineReason): Result<void>;
  fail(task: LearnTask, code: string, message: string): Result<void>;
  /** Fails where it could not be made durable. */
  send(task: LearnTask, done: ClientDone, spent: Answered['spent']): Promise<Result<void>>;
}

const messageCharsMax = 512;
const unchanged: Changed = { state: new Map() };

export function createReplies(
  ports: Pick<LearningPorts, 'rounds' | 'blobs' | 'reply' | 'replyWithBlob'>,
  log: Log,
): Replies {
  const { rounds, blobs } = ports;

  const say = (
    task: LearnTask,
    result: Answer,
    changed = unchanged,
    blob?: BlobRef,
  ): Result<void> => {
    const { run, round, attempt } = task;
    const outcome = outcomeOf(result);
    const body: LearnReply = { kind: 'learn-reply', run, round, attempt, result };
    const effect = (): void => rounds.answered(task, { ...changed, outcome });
    const said = blob ? ports.replyWithBlob(body, blob, effect) : ports.reply(body, effect);
    const why = said.ok ? undefined : said.error.message;
    log.info({ run, round, attempt, outcome, why }, 'learning');
    return said;
  };

  const decline = (task: LearnTask, reason: DeclineReason): Result<void> =>
    say(task, { type: 'declined', reason });

  const sendUpdate = async (
    task: LearnTask,
    { examples, steps, completed, metrics, packed }: TrainedReply,
    changed: Changed,
  ): Promise<Result<void>> => {
    // Nothing was done in time: an update of noughts would only weigh on the others.
    if (steps === 0) return decline(task, 'too-late');
    const { bytes, controlAt } = defined(packed, 'an update that is packed');
    const update = await blobs.put(bytes);
    if (!update.ok) return update;
    // Meanwhile its round is over, or what it was made of may be used no longer.
    if (!rounds.isHeld(task)) return blobs.remove(update.value.digest);
    const told = { examples, steps, completed, metrics, update: update.value };
    const at = controlAt === undefined ? {} : { controlAt };
    return say(task, { type: 'trained', ...told, ...at }, changed, update.value);
  };

  return {
    decline,
    fail: (task, code, message) =>
      say(task, { type: 'failed', code, message: message.slice(0, messageCharsMax) }),
    async send(task, { reply, state }, spent) {
      const bytes = [...state.values()].reduce((sum, { length }) => sum + length, 0);
      if (bytes > stateBytesMax) return decline(task, 'no-room');
      const changed: Changed = { state, ...(spent && { spent }) };
      if (reply.type === 'trained') return sendUpdate(task, reply, changed);
      if (reply.type !== 'secure') return say(task, reply, changed);
      const { stage, payload } = reply;
      const opened = stage === 'unmask' ? { ...changed, opens: true } : changed;
      if (payload.length <= secureBytesMax) return say(task, reply, opened);
      const blob = await blobs.put(payload);
      if (!blob.ok) return blob;
      return say(task, { type: 'secure', stage, payload: blob.value }, opened, blob.value);
    },
  };
}

/** For a person, and for the log. */
function outcomeOf(result: Answer): string {
  switch (result.type) {
    case 'trained':
      return `trained on ${result.examples} examples, ${Math.round(result.completed * 100)} %`;
    case 'evaluated':
      return `evaluated with ${result.examples} examples`;
    case 'queried':
      return 'queried';
    case 'secure':
      return `masked: ${result.stage}`;
    case 'declined':
      return `declined: ${result.reason}`;
    case 'failed':
      return `failed: ${result.code}`;
  }
}
