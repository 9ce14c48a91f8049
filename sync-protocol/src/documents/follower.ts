// The device's half of documents: keeps its replicas in step with a hub, over ops that may take weeks. It holds no list of
// what it has sent: what the hub lacks is what lies past the heads that the hub has last shown. So a frame that is lost,
// refused or evicted, and a disk that went back in time, mend themselves with the next one; and however many edits were
// made meanwhile, one frame, or one save in parts, is under way at a time.

import { type Clock, messageOf, ok, type Result, type Timer } from '@skerry/shared';
import type { DocumentChange } from '../messages.ts';
import {
  type Following,
  isUnderWay,
  isWaiting,
  mayShow,
  newFollowing,
  pollMs,
} from './following.ts';
import { contentOf, encodeFrame, type Frame, type FrameContent } from './frame.ts';
import type { Replica } from './replica.ts';
import { createTakeReceived, type TakeReceivedPorts } from './take-received.ts';

export interface FollowerPorts extends TakeReceivedPorts {
  readonly replica: Replica;
  readonly documents: readonly string[];
  /** Appends to the outbox; returns the op's seq. */
  readonly append: (body: DocumentChange) => Result<number>;
  /** Whether that op has left the outbox. */
  readonly acknowledged: (seq: number) => boolean;
  readonly clock: Clock;
  readonly frameId: () => number;
}

export interface Follower {
  /** A document may have been edited. */
  changed(document: string): void;
  /** Frames have been received. */
  arrived(): void;
  /** Resolves when nothing more can be done now. */
  idle(): Promise<void>;
  close(): void;
}

/** Frames received and not integrated: a save in parts of each document, and some. */
export const inboxFramesMax = 512;

export function createFollower(ports: FollowerPorts): Follower {
  const { clock, trace } = ports;
  const following = new Map(ports.documents.map((document) => [document, newFollowing()]));
  const due = new Set<string>(ports.documents);
  /** A frame could not be taken for a reason that passes. */
  let again = false;
  let frames = true; // Whatever was received before the start is still to be integrated.
  let working: Promise<void> | undefined;
  let timer: Timer | undefined;
  let closed = false;

  const offer = createOffer(ports);
  const takeReceived = createTakeReceived(ports, {
    following,
    due: (document) => due.add(document),
    closed: () => closed,
  });

  const work = async (): Promise<void> => {
    while (!closed && (frames || due.size > 0)) {
      if (frames) {
        frames = false;
        again = await takeReceived();
      }
      const [document] = due;
      if (document === undefined) continue;
      due.delete(document);
      const state = following.get(document);
      if (state !== undefined) await offer(document, state);
    }
  };

  const wake = (): void => {
    working ??= work()
      .catch(stumble)
      .finally(() => {
        working = undefined;
        const waits = again || [...following.values()].some(isWaiting);
        timer?.cancel();
        timer = waits && !closed ? clock.after(pollMs, lookAgain) : undefined;
        if (!closed && (frames || due.size > 0)) wake();
      });
  };

  /** A full disk, or a bug: what has come lies in the store, and what else there is the hub is asked for again. */
  const stumble = (thrown: unknown): void => {
    trace.error({ reason: messageOf(thrown) }, 'documents cannot be kept in step');
    again = true;
    frames = false;
    due.clear();
    for (const state of following.values()) state.asks = true;
  };

  const lookAgain = (): void => {
    for (const [document, state] of following) if (isWaiting(state)) due.add(document);
    frames ||= again;
    wake();
  };

  wake();
  return {
    changed(document) {
      due.add(document);
      wake();
    },
    arrived() {
      frames = true;
      wake();
    },
    async idle() {
      while (working !== undefined) await working;
    },
    close() {
      closed = true;
      timer?.cancel();
    },
  };
}

/** Sends what the hub lacks, unless something is under way. */
function createOffer({
  replica,
  store,
  append,
  acknowledged,
  digestOf,
  clock,
  frameId,
  trace,
}: FollowerPorts): (document: string, state: Following) => Promise<void> {
  /** The last one's seq, or why one could not be sent. */
  const appendAll = (
    frame: Omit<Frame, 'content'>,
    contents: readonly FrameContent[],
  ): Result<number> => {
    let last: Result<number> = ok(0);
    for (const content of contents) {
      const encoded = encodeFrame({ ...frame, content }, digestOf);
      if (!encoded.ok) return encoded;
      const { document } = frame;
      last = append({ kind: 'document-change', document, frame: encoded.value });
      if (!last.ok) return last;
    }
    return last;
  };

  return async (document, state) => {
    if (isUnderWay(state, acknowledged, clock.monotonicMs())) return;
    const held = await replica.state(document);
    const lacking = await replica.since(document, store.hubHeads(document));
    if (!held.ok || !lacking.ok) {
      state.asks = true; // Tried again by the timer.
      return;
    }
    if (lacking.value.length === 0 && !state.asks) return;
    const { epoch, heads } = held.value;
    if (!mayShow(state, heads, clock.monotonicMs())) {
      state.asks = true;
      return;
    }
    const contents = await contentOf(lacking.value, () => replica.save(document), digestOf);
    if (!contents.ok) {
      trace.error({ document, code: contents.error.code }, contents.error.message);
      return;
    }
    const id = frameId();
    const sent = appendAll({ document, epoch, heads: [...heads], id }, contents.value);
    if (!sent.ok) {
      state.asks = true;
      trace.warn({ document, code: sent.error.code }, `not sent: ${sent.error.message}`);
      return;
    }
    state.asks = false;
    state.underWay = { id, seq: sent.value };
  };
}
